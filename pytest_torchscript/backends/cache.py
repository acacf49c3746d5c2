"""Compiled artifacts kept on disk, because compiling one takes minutes. Off unless a folder is asked for.

An entry is ``<key>.pt`` beside ``<key>.json``, which says in plain words what the key was made from: a person can read
and delete entries. The traced graph is part of the key, so a model whose code changed is compiled again. Entries
appear by renaming a finished file, so two workers cannot see half of one; the slower of two replaces an equal entry.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pytest_torchscript.backends.base import ExportRequest
from pytest_torchscript.common import jit
from pytest_torchscript.common.hashing import bytes_of
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import OptionError

CACHE_VERSION = 1


@dataclass(frozen=True)
class CacheKey:
    """What an artifact depends on, readable; `digest` names its files."""

    facts: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Return the hash of the facts."""
        text = json.dumps(self.facts, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def cache_key(request: ExportRequest, *, options: Mapping[str, Any], versions: Mapping[str, str]) -> CacheKey:
    """Return the key of a request: model, weights, code, shapes, options and versions."""
    module = getattr(request.module, "model", request.module)
    inputs = {
        name: f"{tensor.dtype} {list(tensor.shape)}".replace("torch.", "")
        for name, tensor in zip(request.names, request.example)
    }
    return CacheKey(
        {
            "cache_version": CACHE_VERSION,
            "model": f"{type(module).__module__}.{type(module).__qualname__}",
            "weights": weights_hash(request.module),
            "graph": graph_hash(request),
            "inputs": inputs,
            "options": dict(options),
            "versions": dict(versions),
        }
    )


def weights_hash(module: torch.nn.Module) -> str:
    """Return a hash of every parameter and buffer: name, dtype, shape and bytes."""
    digest = hashlib.sha256()
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(bytes_of(tensor))
    return digest.hexdigest()


def graph_hash(request: ExportRequest) -> str:
    """Return a hash of a CPU trace: its operators and constants, without file names and line numbers."""
    with quiet():
        graph: Any = jit.trace(request.module, request.example).inlined_graph
    digest = hashlib.sha256(re.sub(r"#.*|, scope: \S+|\.___torch_mangle_\d+", "", str(graph)).encode())
    for node in graph.findAllNodes("prim::Constant"):
        if node.hasAttribute("value") and node.kindOf("value") == "t":
            digest.update(bytes_of(node.t("value")))
    return digest.hexdigest()


class ArtifactCache:
    """A folder of artifacts. OptionError where it cannot be made."""

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory).expanduser()
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OptionError(
                f"cache folder {self.directory} cannot be made: {error.strerror}", hint="name a folder you may write to"
            ) from error

    def find(self, key: CacheKey) -> Path | None:
        """Return the file of an entry, or None."""
        path = self.directory / f"{key.digest}.pt"
        return path if path.is_file() else None

    def details(self, key: CacheKey) -> dict[str, Any]:
        """Return what was said of an entry when it was kept; empty where its description is gone or damaged."""
        try:
            kept = json.loads((self.directory / f"{key.digest}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        details = kept.get("details") if isinstance(kept, dict) else None
        return details if isinstance(details, dict) else {}

    def keep(self, key: CacheKey, save: Callable[[Path], None], details: Mapping[str, Any]) -> Path:
        """Write an entry: its description first, so that an artifact in place is always described."""
        described = {**key.facts, "details": dict(details)}
        text = json.dumps(described, indent=1, default=str)
        self._write(f"{key.digest}.json", lambda path: path.write_text(text, encoding="utf-8"))
        return self._write(f"{key.digest}.pt", save)

    def drop(self, key: CacheKey) -> None:
        """Remove an entry that turned out not to load."""
        for ending in (".pt", ".json"):
            (self.directory / f"{key.digest}{ending}").unlink(missing_ok=True)

    def _write(self, name: str, write: Callable[[Path], object]) -> Path:
        handle, temporary = tempfile.mkstemp(dir=self.directory, prefix=f".{name}.")
        os.close(handle)
        path = self.directory / name
        try:
            write(Path(temporary))
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return path
