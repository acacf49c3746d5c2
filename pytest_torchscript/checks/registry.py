"""Checks declare themselves: a module of ``checks/`` that holds a function decorated with `check` adds a check, and no other
place names it. A backend's own checks stand in the module ``checks`` of its folder.

What is collected, in which order a report has it, when it is skipped and what ``--collect-only`` says of it is read here.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from pytest_torchscript import backends
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import COMPARED
from pytest_torchscript.errors import OptionError, unknown
from pytest_torchscript.settings import Settings

#: What a check is put for, once for each: the axes of a model.
AXIS = "axis"


@dataclass(frozen=True)
class Check:
    """One question put to an export. Called with a `Lab`, and the name of an axis where it is asked ``over`` axes.

    ``order`` places it in the suite: the built-in ones leave room in between. ``needs`` says what must be there for an
    answer (checks/needs.py). ``tasks`` are the beginnings of the tasks it means something for, none for all.
    ``copies`` are what it holds of the model's weights beside the one copy that there is, in any process, at its peak: where
    they are many and there is no room it is skipped.
    ``asks``: how often it asks, as a rule, beside one that asks little. ``on_request``: only where the setting of its name is
    true. ``applies`` tells from settings and the name of a backend.
    """

    name: str
    ask: Callable[..., Finding]
    order: int
    needs: tuple[str, ...] = COMPARED
    over: str = ""
    tasks: tuple[str, ...] = ()
    asks: int = 1
    copies: float = 0.0
    on_request: bool = False
    applies: Callable[[Settings, str], bool] | None = None

    def __call__(self, *args: Any) -> Finding:
        """Put the question, whatever it needs."""
        return self.ask(*args)

    @property
    def summary(self) -> str:
        """What it asks, in a sentence."""
        return (inspect.getdoc(self.ask) or "").partition("\n")[0]

    def wanted(self, settings: Settings, task: str | None, backend: str) -> bool:
        """Whether it means something for a model of this task on this backend; a task of None is not known yet."""
        if self.on_request and not getattr(settings, self.name):
            return False
        of_task = task is None or not self.tasks or task.startswith(self.tasks)
        return of_task and (self.applies is None or self.applies(settings, backend))


def check(name: str, **declared: Any) -> Callable[[Callable[..., Finding]], Check]:
    """Declare the decorated function a check. The keywords are the fields of `Check`."""

    def declare(function: Callable[..., Finding]) -> Check:
        return Check(name, function, **declared)

    return declare


@functools.cache
def registered(own: tuple[type[backends.Backend], ...] = ()) -> Mapping[str, Check]:
    """Return every check by name, in the order of the suite; those of the repository's ``own`` backends too.

    Imports all of them. OptionError where two have one name.
    """
    found = {id(value): value for module in _modules() for value in vars(module).values() if isinstance(value, Check)}
    brought = [_of_backend(known, backend.name) for backend in own for known in backend.checks()]
    return ordered([*found.values(), *brought])


def ordered(checks: Iterable[Check]) -> dict[str, Check]:
    """Return checks by name, in the order of the suite. OptionError where two have one name."""
    placed = sorted(checks, key=lambda known: (known.order, known.name))
    names = [known.name for known in placed]
    if len(set(names)) < len(names):
        raise OptionError(
            f"two checks have one name: {', '.join(names)}", hint="give a backend's own check a name of its own"
        )
    return dict(zip(names, placed))


def _of_backend(known: Check, backend: str) -> Check:
    """Return a check that a backend brings: it means something for that backend, unless it says otherwise."""

    def applies(_settings: Settings, name: str) -> bool:
        return name == backend

    return known if known.applies else replace(known, applies=applies)


def _modules() -> Iterator[ModuleType]:
    here = importlib.import_module(__package__)
    for info in pkgutil.iter_modules(here.__path__):
        yield importlib.import_module(f"{__package__}.{info.name}")
    for info in pkgutil.iter_modules(backends.__path__):
        home = f"{backends.__name__}.{info.name}"
        if info.ispkg and importlib.util.find_spec(f"{home}.checks") is not None:
            yield importlib.import_module(f"{home}.checks")


def check_named(name: str, settings: Settings | None = None) -> Check:
    """Return a check by name. OptionError for a name that is none."""
    known = registered(settings.own_backends if settings else ())
    if name in known:
        return known[name]
    raise unknown("check", name, known, listed="checks are")


def checks_for(settings: Settings, task: str | None, backend: str) -> tuple[Check, ...]:
    """Return the checks that mean something for a model, in the order of the suite."""
    return tuple(known for known in registered(settings.own_backends).values() if known.wanted(settings, task, backend))
