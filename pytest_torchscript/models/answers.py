"""What eager answered before, so that it is asked once: by several backends, and by the checks of one."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch

from pytest_torchscript.common.hashing import bytes_of
from pytest_torchscript.outputs import tensor_leaves

#: Bytes of answers that are kept; the oldest go first. One backend seldom asks the same twice.
LIMIT, FOR_ONE = 256 * 2**20, 16 * 2**20


class Answers:
    """Answers by the inputs they were given to, up to a number of bytes. Nobody may change an answer."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._kept: OrderedDict[bytes, tuple[Any, int]] = OrderedDict()
        self._size = 0

    def find(self, key: bytes) -> Any:
        """Return the answer of a key; None where there is none."""
        return self._kept[key][0] if key in self._kept else None

    def keep(self, key: bytes, answer: Any) -> None:
        """Keep an answer, and drop the oldest where there is no room."""
        size = sum(leaf.numel() * leaf.element_size() for _, leaf in tensor_leaves(answer))
        if size > self.limit:
            return
        self._kept[key] = (answer, size)
        self._size += size
        while self._size > self.limit:
            self._size -= self._kept.popitem(last=False)[1][1]


def key_of(inputs: Mapping[str, torch.Tensor], seed: int) -> bytes:
    """Return a hash of inputs: names, dtypes, shapes and bytes."""
    digest = hashlib.blake2b(str(seed).encode(), digest_size=16)
    for name, tensor in inputs.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        if not tensor.is_meta:
            digest.update(bytes_of(tensor))
    return digest.digest()
