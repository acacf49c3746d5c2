"""The models of this run that are checked in processes of their own, and when these start and end."""

from __future__ import annotations

import os
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_torchscript.isolation.model import IsolatedModel, TimeLimit, start
from pytest_torchscript.isolation.wire import Brought
from pytest_torchscript.plugin.names import PREFIX
from pytest_torchscript.settings import Settings

if TYPE_CHECKING:
    from pytest_torchscript.isolation.process import Process
    from pytest_torchscript.results import Outline

#: On an item: the limit that pytest-timeout set for it, kept by us.
LIMIT: pytest.StashKey[TimeLimit] = pytest.StashKey()


def wants_isolation(config: pytest.Config, settings: Settings) -> bool:
    """Whether models with a reference are checked in processes of their own."""
    asked = asks_for_isolation(config, settings)
    if asked or settings.isolate != "auto":
        return asked
    from pytest_torchscript.backends.registry import backend_class

    # Traits that depend on options are a property of an instance, and none of those backends asks for it.
    traits = (backend_class(name, settings.own_backends).traits for name in settings.backends)
    return any(getattr(known, "isolate", False) for known in traits)


def asks_for_isolation(config: pytest.Config, settings: Settings) -> bool:
    """Whether the user's options want it, whatever the backends are: nothing is imported to tell."""
    if settings.isolate != "auto":
        return settings.isolate == "on"
    return settings.limited or _has_pytest_timeout(config)


def _has_pytest_timeout(config: pytest.Config) -> bool:
    """Whether pytest-timeout limits every test of the run."""
    if not config.pluginmanager.hasplugin("timeout"):
        return False
    given = (config.getoption("timeout", None), os.environ.get("PYTEST_TIMEOUT"), config.getini("timeout"))
    try:
        return float(next((value for value in given if value not in (None, "")), 0)) > 0
    except (TypeError, ValueError):
        return False  # its own plugin says so


class Processes:
    """Isolated models by key. While tests are collected one process plans them all; where there is one model it stays.

    ``keep_one``: only the model that is being checked has a process.
    """

    def __init__(self, config: pytest.Config, *, keep_one: bool, offline: bool) -> None:
        self.config = config
        self.keep_one = keep_one
        self.offline = offline
        self.models: dict[Hashable, IsolatedModel] = {}
        self.planner: Process | None = None
        config.add_cleanup(self.close)

    def model(self, key: Hashable, label: str, reference: Any, settings: Settings) -> IsolatedModel:
        """Return a model, known or new. OptionError where something of the user's cannot be brought to its process."""
        if key not in self.models:
            hooks = tuple(_hooks(self.config))
            self.models[key] = IsolatedModel(label, reference, settings, hooks, self.offline)
        return self.models[key]

    def outline(self, model: IsolatedModel) -> Outline:
        """Return what a run has to know of a model before its tests. Raises the engine's errors, and no others."""
        if self.planner is None or not self.planner.alive:
            self.planner = start(model.settings)
            from pytest_torchscript import checks

            checks.registered()  # both import torch at the same time
        return model.outline(self.planner)

    def begin(self, model: IsolatedModel) -> IsolatedModel:
        """Have a model that is about to be checked keep the process that planned it, where that planned no other."""
        if self.keep_one:
            for other in self.models.values():
                if other is not model:
                    other.close()
        planner, self.planner = self.planner, None
        if planner is not None:
            if len(self.models) == 1 and model.process is None and planner.alive:
                model.process = planner
            else:
                planner.close()
        return model

    def release(self, key: Hashable) -> None:
        """End the process of a model, where it has one."""
        if key in self.models:
            self.models[key].close()

    def close(self) -> None:
        """End all processes."""
        if self.planner is not None:
            self.planner.close()
        for model in self.models.values():
            model.close()


def _hooks(config: pytest.Config) -> Any:
    """Yield the functions that may tell the inputs of a transformers model, the first to be asked first."""
    for hook in reversed(config.hook.pytest_torchscript_inputs.get_hookimpls()):
        yield Brought.of(hook.function), tuple(hook.argnames)


def set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """Keep the limit that pytest-timeout sets for a test of an isolated model: its signal would not reach a loop in C++."""
    source = getattr(item.parent, "source", None)
    if source is None or not item.nodeid.startswith(f"{PREFIX}::") or not wants_isolation(item.config, source.settings):
        return None
    item.stash[LIMIT] = TimeLimit(float(settings.timeout), "pytest-timeout")
    return True
