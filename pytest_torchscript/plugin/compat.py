"""What of pytest is used although it is not public: all of it, so that a release that moves it breaks one file.

(xdist's scheduling is met in `xdist`, which is imported only where xdist is.)
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest

#: What the decorator ``pytest.fixture`` makes of a function.
_FIXTURE = type(pytest.fixture(lambda: None))


def defines_fixture(module: ModuleType, name: str) -> bool:
    """Whether a module has a fixture of a name, under whatever name its function has."""
    return any(isinstance(value, _FIXTURE) and getattr(value, "name", "") == name for value in vars(module).values())


def fixture_definitions(node: pytest.Collector | pytest.Item, name: str) -> Sequence[Any]:
    """Return pytest's definitions of a fixture that a node sees, the one in force last."""
    return node.session._fixturemanager.getfixturedefs(name, node) or ()


def fixture_value(item: Any, name: str) -> Any:
    """Return a fixture's value as the test itself would get it, whatever its scope."""
    return item._request.getfixturevalue(name)


def finish_with(item: pytest.Item, request: pytest.FixtureRequest) -> None:
    """Have the fixture that is being made end with a test, although its scope is wider."""
    definition = getattr(request, "_fixturedef", None)
    if definition is not None:
        item.addfinalizer(lambda: definition.finish(request))


def collector_id(session: pytest.Session, path: str, name: str) -> Any:
    """Return a collector's id; from pytest 9.1 ids have parts, and brackets in a name must not be read as params."""
    structured = getattr(session, "id", None)
    if structured is None:
        return f"{path}::{name}"
    return type(structured)(path=path, names=(name,))


def settle_id(item: Any) -> None:
    """Give an item the id that pytest would read from its text: ``--lf`` compares it with one read from the cache."""
    structured = getattr(item, "_id", None)
    if structured is not None:
        item._id = type(structured).parse(item.nodeid)
