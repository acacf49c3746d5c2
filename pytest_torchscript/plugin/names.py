"""Names that several modules of the plugin know, and the stash keys of plain values. Imported by every run.

A key of anything else stands beside the type it stores: that of a run in `options`, that of its models in `models`.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pytest

#: Begins every node id of the suite.
PREFIX = "torchscript"
#: The option that names a model.
MODEL_FLAG = "--torchscript-model"
#: Stands in an id in place of a reference where the model comes from an overridden fixture.
CONFTEST = "conftest"
#: How pytest counts tests that passed on an emulated device: never among those that passed.
EMULATED = "emulated"
#: The fixture that a repository may override.
MODEL_FIXTURE = "torchscript_model"
#: The fixtures that every test of the suite, and every user's own test with a model, is parametrised by.
SUITE_FIXTURE, OWN_FIXTURE = "torchscript_suite", "_torchscript_own"

# On the config.
CURRENT_ITEM: pytest.StashKey[pytest.Item] = pytest.StashKey()

# On an item.
#: Where a report has this test among those of its suite.
PLACE: pytest.StashKey[int] = pytest.StashKey()
#: What the report of this item carries to the controller.
PAYLOAD: pytest.StashKey[dict[str, Any]] = pytest.StashKey()
#: Which model the item uses: items of one key share it.
MODEL_KEY: pytest.StashKey[Hashable] = pytest.StashKey()
#: That this test ran on an emulated device, in words.
EMULATION: pytest.StashKey[str] = pytest.StashKey()
