"""What a specimen is, the axes that specimens share, and how the lines to blame are marked.

A line that froze something ends in the comment ``# culprit``. Inside a specimen's class it belongs to that specimen; in
helpers.py the comment names the specimen: ``# culprit: borrowed_mean``.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pytest_torchscript import Axis, TensorSpec

HELPERS = Path(__file__).with_name("helpers.py")
FEATURES, VOCABULARY = 4, 50


@dataclass(frozen=True)
class Specimen:
    """One toy model. ``anchor`` is stated only where the truth depends on the sizes that the trace was made at.

    ``held`` says that its axes are swept with the values of the example, because other values fail at the anchor too.
    ``inputs`` may be nested, and hold constants. ``asks`` names further questions that the sweep answers: ``outputs``
    (is the example itself answered right?), ``determinism`` (does a second call answer as the first?) and ``history``
    (is a module that was called before traced as a fresh one is?).
    """

    model: type[nn.Module]
    inputs: Mapping[str, Any]
    anchor: Mapping[str, int] = field(default_factory=dict)
    label: str = ""
    held: bool = False
    asks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The class name in lower case with underscores, or the label where one class serves twice."""
        return self.label or re.sub(r"(?<!^)(?=[A-Z])", "_", self.model.__name__).lower()

    def factory(self) -> nn.Module:
        """Return the model in eval mode, with the same weights every time."""
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old ways to norm or to quantize a weight are still in use
            torch.manual_seed(2718)
            return self.model().eval()

    @property
    def flat(self) -> dict[str, TensorSpec]:
        """The tensors among the inputs, by their paths."""
        return dict(_tensors(self.inputs, ()))

    def packed(self, tensors: Iterable[torch.Tensor]) -> dict[str, Any]:
        """Return the keywords of a call that holds these tensors, in the order of `flat`."""
        packed: dict[str, Any] = _packed(self.inputs, iter(tensors))
        return packed

    def culprits(self) -> frozenset[tuple[str, int]]:
        """Return the marked lines as (file, line)."""
        lines, first = inspect.getsourcelines(self.model)
        own = str(Path(inspect.getfile(self.model)).resolve())
        found = {(own, first + at) for at, line in enumerate(lines) if line.rstrip().endswith("# culprit")}
        for at, line in enumerate(HELPERS.read_text(encoding="utf-8").splitlines(), 1):
            if line.endswith(f"# culprit: {self.name}"):
                found.add((str(HELPERS.resolve()), at))
        return frozenset(found)


def _tensors(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, TensorSpec]]:
    if isinstance(value, TensorSpec):
        yield ".".join(path), value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _tensors(part, (*path, name))
    elif isinstance(value, (tuple, list)):
        for index, part in enumerate(value):
            yield from _tensors(part, (*path, str(index)))


def _packed(value: Any, tensors: Iterator[torch.Tensor]) -> Any:
    if isinstance(value, TensorSpec):
        return next(tensors)
    if isinstance(value, Mapping):
        return {name: _packed(part, tensors) for name, part in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(_packed(part, tensors) for part in value)
    return value


Build = Callable[[], nn.Module]


def signal(
    *, batch: Axis | None = None, time: Axis | None = None, dtype: torch.dtype | None = None
) -> dict[str, TensorSpec]:
    """Return one float input (batch, time, features)."""
    return {"signal": TensorSpec(batch or Axis("batch", max=6), time or Axis("time", max=48), FEATURES, dtype=dtype)}


def text(*, batch: Axis | None = None, sequence: Axis | None = None, mask: bool = True) -> dict[str, TensorSpec]:
    """Return token ids, and a mask of ones and zeros, both (batch, sequence)."""
    dims = (batch or Axis("batch", max=6), sequence or Axis("sequence", max=48))
    inputs = {"input_ids": TensorSpec(*dims, dtype=torch.int64, low=0, high=VOCABULARY, role="ids")}
    if mask:
        inputs["attention_mask"] = TensorSpec(*dims, dtype=torch.int64, low=0, high=2, role="mask")
    return inputs


def image(*, height: Axis | None = None, width: Axis | None = None, batch: Axis | None = None) -> dict[str, TensorSpec]:
    """Return one image (batch, 3, height, width)."""
    sides = (height or Axis("height", min=8, max=28), width or Axis("width", min=8, max=28))
    return {"pixels": TensorSpec(batch or Axis("batch", max=4), 3, *sides)}
