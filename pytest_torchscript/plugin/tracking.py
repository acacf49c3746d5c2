"""Which test is running, which model it uses, and when that model is no longer needed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pytest_torchscript.errors import OptionError
from pytest_torchscript.plugin import neuron
from pytest_torchscript.plugin.keys import CASE_KEY, CASES, CURRENT_ITEM, PAYLOAD
from pytest_torchscript.plugin.markers import declaration_of
from pytest_torchscript.plugin.subjects import FIXTURE, own_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_torchscript.plugin.cases import CaseKey


@contextmanager
def running(item: pytest.Item) -> Iterator[None]:
    """Remember the test that runs, and give its model back afterwards."""
    stash = item.config.stash
    stash[CURRENT_ITEM] = item
    try:
        yield
    finally:
        for key in keys_of([item]):
            stash[CASES].release(key)


def keys_of(items: Iterable[pytest.Item]) -> Iterator[CaseKey]:
    """Yield the key of the model that each test uses, for those that use one."""
    for item in items:
        callspec: Any = getattr(item, "callspec", None)
        if CASE_KEY in item.stash:
            yield item.stash[CASE_KEY]
        elif callspec is not None and FIXTURE in callspec.params:
            yield own_key(item, callspec.params[FIXTURE])


def prepare(item: pytest.Item) -> None:
    """Get a test ready: forget what an earlier attempt found, refuse malformed markers, skip what has no device."""
    if PAYLOAD in item.stash:  # pytest-rerunfailures runs an item again
        del item.stash[PAYLOAD]
    malformed = ""
    try:
        declaration_of(item)
    except OptionError as error:
        malformed = str(error)
    if malformed:
        pytest.fail(malformed, pytrace=False)
    if item.get_closest_marker(neuron.MARKER):
        neuron.require_device(item.config)
