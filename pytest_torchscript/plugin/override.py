"""Find the fixture ``torchscript_model`` where a repository has overridden it. Imported by every run."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from pytest_torchscript.plugin.compat import defines_fixture, fixture_definitions
from pytest_torchscript.plugin.names import MODEL_FIXTURE


class Override(NamedTuple):
    """Where the fixture is overridden, and whether for the whole rootdir."""

    path: Path
    at_root: bool


def find(config: pytest.Config) -> Override | None:
    """Return the override that conftest files and plugins loaded so far define: one for the whole rootdir before others."""
    found = []
    for plugin in config.pluginmanager.get_plugins():
        if not isinstance(plugin, ModuleType) or _is_ours(plugin.__name__):
            continue
        if defines_fixture(plugin, MODEL_FIXTURE):
            path = Path(getattr(plugin, "__file__", None) or plugin.__name__)
            found.append(Override(path, _covers_root(path, config.rootpath)))
    return next((override for override in found if override.at_root), found[0] if found else None)


def _is_ours(module: str) -> bool:
    return module.startswith("pytest_torchscript.")


def _covers_root(path: Path, root: Path) -> bool:
    """Whether the whole rootdir sees what a module defines: any plugin's, but a conftest.py's only from its folder down."""
    return path.name != "conftest.py" or path.parent == root or path.parent in root.parents


def in_force(node: pytest.Collector | pytest.Item) -> bool:
    """Whether a node sees an override, wherever it stands."""
    seen = fixture_definitions(node, MODEL_FIXTURE)
    return bool(seen) and not _is_ours(seen[-1].func.__module__)


def is_parametrised(node: pytest.Collector | pytest.Item) -> bool:
    """Whether the override a node sees has params."""
    seen = fixture_definitions(node, MODEL_FIXTURE)
    return bool(seen) and bool(seen[-1].params)
