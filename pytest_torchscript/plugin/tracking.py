"""Which model a test uses, when that model is no longer needed, and what has to be right before a test starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from pytest_torchscript.errors import OptionError
from pytest_torchscript.plugin.cases import CaseKey
from pytest_torchscript.plugin.keys import CASE_KEY, OWN_FIXTURE, cases_of
from pytest_torchscript.plugin.markers import declaration_of
from pytest_torchscript.plugin.neuron import MARKER, require_device
from pytest_torchscript.plugin.subjects import own_key


def release(item: pytest.Item) -> None:
    """Give the model of a finished test back."""
    for key in keys_of([item]):
        cases_of(item.config).release(key)


def keys_of(items: Iterable[pytest.Item]) -> Iterator[CaseKey]:
    """Yield the key of the model that each test uses, for those that use one."""
    for item in items:
        callspec: Any = getattr(item, "callspec", None)
        if CASE_KEY in item.stash:
            yield item.stash[CASE_KEY]
        elif callspec is not None and OWN_FIXTURE in callspec.params:
            yield own_key(item, callspec.params[OWN_FIXTURE])


def prepare(item: pytest.Item) -> None:
    """Refuse malformed markers; skip, or fail, a test that has no device."""
    malformed = ""
    try:
        declaration_of(item)
    except OptionError as error:
        malformed = str(error)
    if malformed:
        pytest.fail(malformed, pytrace=False)
    if item.get_closest_marker(MARKER):
        require_device(item)
