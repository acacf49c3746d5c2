"""What the plugin keeps in pytest's stashes: one place for every key, so that no module needs another for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_torchscript.plugin.cases import CaseKey, Cases
    from pytest_torchscript.plugin.ids import SuiteId
    from pytest_torchscript.plugin.options import Run

# On the config.
SUITE_IDS: pytest.StashKey[tuple[SuiteId, ...]] = pytest.StashKey()
RUN: pytest.StashKey[Run] = pytest.StashKey()
CASES: pytest.StashKey[Cases] = pytest.StashKey()
CURRENT_ITEM: pytest.StashKey[pytest.Item] = pytest.StashKey()

# On an item.
#: What the report of this item carries to the controller.
PAYLOAD: pytest.StashKey[dict[str, Any]] = pytest.StashKey()
CASE_KEY: pytest.StashKey[CaseKey] = pytest.StashKey()
