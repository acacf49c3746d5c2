"""Fixed sizes in use: pick the smallest bucket that fits, pad the input to it, run, crop the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch

from pytest_torchscript.checks.case import Case
from pytest_torchscript.errors import InputError
from pytest_torchscript.inputs.values import pad_inputs
from pytest_torchscript.outputs import tensor_leaves
from pytest_torchscript.results import Signature

Sizes = Mapping[str, int]


@dataclass
class Buckets:
    """Artifacts at fixed sizes, each exported once, behind one call that takes any size that fits.

    ``padded`` names the axes that padding may fill up; all others must have a bucket's own size.
    """

    case: Case
    targets: list[dict[str, int]]
    padded: tuple[str, ...]
    signature: Signature
    side: str = "right"

    def __post_init__(self) -> None:
        self._artifacts: dict[int, Callable[..., Any]] = {}

    def choose(self, sizes: Sizes) -> dict[str, int]:
        """Return the smallest bucket that holds inputs of these sizes; InputError names the axis that fits none."""
        for target in self.targets:
            if all(
                sizes[name] <= size if name in self.padded else sizes[name] == size for name, size in target.items()
            ):
                return target
        for name in sizes:
            largest = max(target[name] for target in self.targets)
            if sizes[name] > largest:
                raise InputError(
                    f"axis {name!r}: size {sizes[name]} is larger than the largest bucket, {largest}",
                    hint=f"cut the input, or add a bucket: --torchscript-axis {name}={largest},{sizes[name]}",
                )
        raise InputError(f"no bucket holds inputs of {dict(sizes)}", hint="pad the other axes to a bucket's own size")

    def artifact(self, target: dict[str, int]) -> Callable[..., Any]:
        """Return the export of one bucket; made on first use and kept."""
        index = self.targets.index(target)
        if index not in self._artifacts:
            self._artifacts[index] = self.case.export_at(target)
        return self._artifacts[index]

    def __call__(
        self, inputs: Mapping[str, torch.Tensor], sizes: Sizes, *, shapes: Sequence[Sequence[int]] | None = None
    ) -> list[torch.Tensor]:
        """Pad, run and crop: the tensors of the answer at the real positions.

        ``shapes`` are those of the unpadded answer; without them a dim is cropped where it has the axis's own size.
        """
        target = self.choose(sizes)
        padded = pad_inputs(self.case.spec, inputs, sizes, target, side=self.side)
        output = self.artifact(target)(*(padded[name].clone() for name in self.case.spec))
        return self.crop(output, sizes, target, shapes=shapes)

    def crop(
        self, output: Any, sizes: Sizes, target: Sizes, *, shapes: Sequence[Sequence[int]] | None = None
    ) -> list[torch.Tensor]:
        """Cut every output dim that moves with a padded axis back to what it is without padding."""
        leaves = [leaf for _, leaf in tensor_leaves(output)]
        named = list(self.signature.outputs.values())
        if len(leaves) != len(named):
            return leaves
        wanted = shapes or [self._shape(leaf, dims, sizes, target) for leaf, dims in zip(leaves, named)]
        return [self._cropped(*parts) for parts in zip(leaves, named, wanted)]

    def _shape(self, leaf: torch.Tensor, dims: list[str | int], sizes: Sizes, target: Sizes) -> list[int]:
        return [
            sizes[str(dim)] if str(dim) in self.padded and size == target[str(dim)] else size
            for dim, size in zip(dims, leaf.shape)
        ]

    def _cropped(self, leaf: torch.Tensor, dims: list[str | int], shape: Sequence[int]) -> torch.Tensor:
        if len(shape) != leaf.dim():
            return leaf
        for index, (dim, size) in enumerate(zip(dims, shape)):
            moves = any(name in self.padded for name in str(dim).split(" + "))
            if moves and leaf.shape[index] > size:
                left = self.side == "left" and dim != "batch"
                leaf = leaf.narrow(index, leaf.shape[index] - size if left else 0, size)
        return leaf


def bucket_targets(case: Case) -> list[dict[str, int]]:
    """Return the sizes of every bucket, smallest first: the declared ones, else the anchor alone."""
    choices = [axis.sizes or (case.sizes[name],) for name, axis in case.spec.axes.items()]
    return [dict(zip(case.spec.axes, sizes)) for sizes in sorted(product(*choices))]
