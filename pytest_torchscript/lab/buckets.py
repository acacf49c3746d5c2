"""Fixed sizes in use: pick the smallest bucket that fits, pad the input to it, run, crop the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch

from pytest_torchscript.errors import InputError
from pytest_torchscript.inputs.values import pad_inputs
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.outputs import tensor_leaves
from pytest_torchscript.results import Signature

Sizes = Mapping[str, int]


@dataclass
class Buckets:
    """Artifacts at fixed sizes, each exported once, behind one call that takes any size that fits.

    ``padded`` names the axes that padding may fill up; all others must have a bucket's own size.
    """

    lab: Lab
    targets: list[dict[str, int]]
    padded: tuple[str, ...]
    signature: Signature

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
            self._artifacts[index] = self.lab.export.at(target)
        return self._artifacts[index]

    def run(self, inputs: Mapping[str, torch.Tensor], sizes: Sizes) -> Any:
        """Pad inputs to the smallest bucket that holds them, and return the padded answer."""
        target = self.choose(sizes)
        padded = pad_inputs(self.lab.spec, inputs, sizes, target)
        return self.lab.bench.judge.answer(self.artifact(target), padded)

    def crop(
        self, output: Any, sizes: Sizes, shapes: Sequence[Sequence[int]], *, gap: bool = False
    ) -> list[torch.Tensor | None]:
        """Cut every output dim that moves with a padded axis back to what it is in an unpadded answer of these shapes.

        Positions that do not move may stand behind those that do: with ``gap`` the padding before them is cut out.
        None for a tensor whose positions are mixed, as those of a picture's rows laid end to end.
        """
        leaves = [leaf for _, leaf in tensor_leaves(output)]
        named = list(self.signature.outputs.values())
        if len(leaves) != len(named):
            return list(leaves)
        target = self.choose(sizes)
        return [self._cropped(*parts, target, gap) for parts in zip(leaves, named, shapes)]

    def _cropped(
        self, leaf: torch.Tensor, dims: list[str | int], shape: Sequence[int], target: Sizes, gap: bool
    ) -> torch.Tensor | None:
        if len(shape) != leaf.dim():
            return leaf
        for index, (dim, size) in enumerate(zip(dims, shape)):
            length, names = leaf.shape[index], str(dim).split(" + ")
            padded = [name for name in names if name in self.padded]
            if not padded or length <= size:
                continue
            if len(names) > 1 and length != sum(target[name] for name in names):
                return None
            positions = _kept(length, size, target[padded[0]] if gap else length)
            leaf = leaf.index_select(index, positions.to(leaf.device))
        return leaf


def _kept(length: int, wanted: int, moving: int) -> torch.Tensor:
    """Return the positions to keep of a padded dim: all but the padding, which ends its moving part.

    ``moving`` is the length of that part, at the start of the dim; all of it where nothing else is there.
    """
    cut = length - wanted
    positions, start = torch.arange(length), max(moving - cut, 0)
    return torch.cat([positions[:start], positions[start + cut :]])


def bucket_targets(lab: Lab) -> list[dict[str, int]]:
    """Return the sizes of every bucket, smallest first: the declared ones, else the anchor alone."""
    choices = [axis.sizes or (lab.sizes[name],) for name, axis in lab.spec.axes.items()]
    return [dict(zip(lab.spec.axes, sizes)) for sizes in sorted(product(*choices))]
