"""Find the fixture ``torchscript_model`` where a repository has overridden it. Imported by every run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from pytest_torchscript.plugin.fixtures import torchscript_model
from pytest_torchscript.plugin.keys import MODEL_FIXTURE


class Override(NamedTuple):
    """Where the fixture is overridden, and whether for the whole rootdir."""

    path: Path
    at_root: bool


def find(config: pytest.Config) -> Override | None:
    """Return the override that conftest files and plugins loaded so far define: one for the whole rootdir before others."""
    found = []
    for plugin in config.pluginmanager.get_plugins():
        if isinstance(plugin, ModuleType) and not _is_ours(plugin.__name__) and _defines(plugin):
            path = Path(getattr(plugin, "__file__", None) or plugin.__name__)
            found.append(Override(path, _covers_root(path, config.rootpath)))
    return next((override for override in found if override.at_root), found[0] if found else None)


def _is_ours(module: str) -> bool:
    return module.startswith("pytest_torchscript.")


def _defines(module: ModuleType) -> bool:
    """Whether a module has the fixture, under whatever name its function has."""
    kind = type(torchscript_model)
    return any(
        isinstance(value, kind) and getattr(value, "name", "") == MODEL_FIXTURE for value in vars(module).values()
    )


def _covers_root(path: Path, root: Path) -> bool:
    """Whether the whole rootdir sees what a module defines: any plugin's, but a conftest.py's only from its folder down."""
    return path.name != "conftest.py" or path.parent == root or path.parent in root.parents


def definitions(node: pytest.Collector | pytest.Item) -> Sequence[Any]:
    """Return pytest's definitions of the fixture that a node sees, the one in force last."""
    return node.session._fixturemanager.getfixturedefs(MODEL_FIXTURE, node) or ()


def in_force(node: pytest.Collector | pytest.Item) -> bool:
    """Whether a node sees an override, wherever it stands."""
    seen = definitions(node)
    return bool(seen) and not _is_ours(seen[-1].func.__module__)


def is_parametrised(node: pytest.Collector | pytest.Item) -> bool:
    """Whether the override a node sees has params."""
    seen = definitions(node)
    return bool(seen) and bool(seen[-1].params)
