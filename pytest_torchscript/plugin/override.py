"""Find the fixture ``torchscript_model`` where a repository has overridden it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

NAME = "torchscript_model"


@dataclass(frozen=True)
class Override:
    """Where the fixture is overridden, and whether for the whole rootdir."""

    path: Path
    at_root: bool


def find(config: pytest.Config) -> Override | None:
    """Return the override that conftest files and plugins loaded so far define: one for the whole rootdir before others."""
    found = []
    for plugin in config.pluginmanager.get_plugins():
        if (
            isinstance(plugin, ModuleType)
            and not plugin.__name__.startswith("pytest_torchscript.")
            and _defines(plugin)
        ):
            path = Path(getattr(plugin, "__file__", None) or plugin.__name__)
            found.append(Override(path, _covers_root(path, config.rootpath)))
    return next((override for override in found if override.at_root), found[0] if found else None)


def _defines(module: ModuleType) -> bool:
    """Whether a module has the fixture, under whatever name its function has."""
    from pytest_torchscript.plugin import fixtures

    kind = type(fixtures.torchscript_model)
    return any(isinstance(value, kind) and getattr(value, "name", "") == NAME for value in vars(module).values())


def _covers_root(path: Path, root: Path) -> bool:
    """Whether what a plugin module defines is seen in the whole rootdir: any plugin, but a conftest.py only from its folder."""
    return path.name != "conftest.py" or path.parent == root or path.parent in root.parents


def definitions(node: pytest.Collector | pytest.Item) -> Sequence[Any]:
    """Return pytest's definitions of the fixture that a node sees, the one in force last."""
    manager = node.session._fixturemanager
    return manager.getfixturedefs(NAME, node) or ()


def in_force(node: pytest.Collector | pytest.Item) -> bool:
    """Whether a node sees an override, wherever it stands."""
    seen = definitions(node)
    return bool(seen) and not seen[-1].func.__module__.startswith("pytest_torchscript.")


def is_parametrised(node: pytest.Collector | pytest.Item) -> bool:
    """Whether the override a node sees has params."""
    seen = definitions(node)
    return bool(seen) and bool(seen[-1].params)
