"""Which tests the suite of a model has: what it is collected by, and what ids are checked against."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_torchscript.checks import CasePlan
    from pytest_torchscript.plugin.options import Run

SUITE = "pytest_torchscript.suite"


@dataclass(frozen=True)
class Repeated:
    """One test function, with the axes and backends it is repeated for."""

    name: str
    axes: Sequence[str | None]
    backends: Sequence[str]


@dataclass(frozen=True)
class Contents:
    """What decides about the tests of a model. None is not known before the run: the model of an overridden fixture."""

    axes: tuple[str, ...] | None = None
    task: str | None = None

    @classmethod
    def of(cls, plan: CasePlan) -> Contents:
        """Return the contents of a planned model's suite."""
        return cls(plan.axes, plan.blueprint.task)

    def tests(self, run: Run) -> Iterator[Repeated]:
        """Yield the tests in the order of the suite."""
        for name in importlib.import_module(SUITE).TESTS:
            backends = [backend for backend in run.settings.backends if self._asks(run, name[len("test_") :], backend)]
            axes = self.axes if name == "test_axis" and self.axes is not None else (None,)
            if axes and backends:
                yield Repeated(name, axes, backends)

    def _asks(self, run: Run, check: str, backend: str) -> bool:
        from pytest_torchscript.checks.run import checks_for

        if check == "speed":
            return run.speed
        if check == "generation" and self.task is None:
            return True  # skips itself where the model turns out to generate nothing
        return check in checks_for(run.settings, self.task or "default", backend)

    def names(self, run: Run) -> Iterator[str]:
        """Yield the names of the tests: ``test_axis[sequence]``, with more than one backend ``test_axis[sequence-onnx]``."""
        many = len(run.settings.backends) > 1
        for test in self.tests(run):
            for axis in test.axes:
                for backend in test.backends:
                    params = [part for part in (axis, backend if many else None) if part]
                    yield f"{test.name}[{'-'.join(params)}]" if params else test.name
