"""What the plugin keeps in pytest's stashes, and names that several of its modules know. Imported by every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_torchscript.plugin.cases import CaseKey, Cases
    from pytest_torchscript.plugin.ids import SuiteId
    from pytest_torchscript.plugin.options import Run

#: Begins every node id of the suite.
PREFIX = "torchscript"
#: Stands in an id in place of a reference where the model comes from an overridden fixture.
CONFTEST = "conftest"
#: How pytest counts tests that passed on an emulated device: never among those that passed.
EMULATED = "emulated"
#: The fixture that a repository may override.
MODEL_FIXTURE = "torchscript_model"
#: The fixtures that every test of the suite, and every user's own test with a model, is parametrised by.
SUITE_FIXTURE, OWN_FIXTURE = "torchscript_suite", "_torchscript_case"

# On the config.
SUITE_IDS: pytest.StashKey[tuple[SuiteId, ...]] = pytest.StashKey()
RUN: pytest.StashKey[Run] = pytest.StashKey()
CASES: pytest.StashKey[Cases] = pytest.StashKey()
CURRENT_ITEM: pytest.StashKey[pytest.Item] = pytest.StashKey()
#: Why this process has no Neuron core to run on; empty where it has.
CORES: pytest.StashKey[str] = pytest.StashKey()

# On an item.
#: What the report of this item carries to the controller.
PAYLOAD: pytest.StashKey[dict[str, Any]] = pytest.StashKey()
CASE_KEY: pytest.StashKey[CaseKey] = pytest.StashKey()
#: That this test ran on an emulated device, in words.
EMULATION: pytest.StashKey[str] = pytest.StashKey()


def run_of(config: pytest.Config) -> Run:
    """Return what a run was asked for; where nothing was, the defaults, made when somebody asks."""
    if RUN not in config.stash:
        from pytest_torchscript.plugin.options import read_run

        config.stash[RUN] = read_run(config)
    return config.stash[RUN]


def cases_of(config: pytest.Config) -> Cases:
    """Return the models of this process."""
    if CASES not in config.stash:
        from pytest_torchscript.plugin.cases import Cases

        worker = hasattr(config, "workerinput")
        config.stash[CASES] = Cases(config, keep_one=worker, offline=bool(config.option.collectonly))
    return config.stash[CASES]
