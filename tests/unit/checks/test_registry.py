"""Checks declare themselves, and everything else reads it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import pytest_torchscript.checks
from pytest_torchscript import OptionError
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.registry import Check, check, check_named, checks_for, ordered, registered
from pytest_torchscript.lab.plan import make_plan
from pytest_torchscript.settings import Settings
from tests import toys

ROOT = Path(__file__).parents[3]
IMPORTS = """
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import COMPARED
from pytest_torchscript.checks.registry import check
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.subject import FRESH
"""
#: Contract: the order of ids and reports.
ORDER = [
    "trace",
    "determinism",
    "history",
    "outputs",
    "axis",
    "anchors",
    "joint",
    "values",
    "sensitivity",
    "padding",
    "save_load",
    "freeze",
    "tied_weights",
    "hidden_states",
    "attentions",
    "speed",
    "generation",
    "neuron",
]


class ChangesItsMind:
    """An export that is right once."""

    def __init__(self, right: Any) -> None:
        self.right = right
        self.calls = 0

    def __call__(self, x: torch.Tensor) -> Any:
        self.calls += 1
        return [leaf * self.calls for leaf in self.right(x)]


def test_the_suite_has_its_order() -> None:
    assert [name for name in registered() if name in ORDER] == ORDER


def test_a_file_that_holds_a_check_adds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is the one that ARCHITECTURE.md shows."""
    shown = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("To add a check")[2]
    code = shown.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "agrees_twice.py").write_text(f"{IMPORTS}\n{code}", encoding="utf-8")
    paths = [*pytest_torchscript.checks.__path__, str(tmp_path)]
    monkeypatch.setattr(pytest_torchscript.checks, "__path__", paths)
    found = registered.__wrapped__()
    monkeypatch.delitem(sys.modules, "pytest_torchscript.checks.agrees_twice")
    assert list(found).index("agrees_twice") == list(found).index("outputs") + 1
    added = found["agrees_twice"]
    assert added.summary == "The export is right twice in a row."
    assert added(make_plan(toys.Sound(), Settings(), inputs=toys.SIGNAL).load()).outcome == "passed"
    lab = make_plan(toys.Sound(), Settings(), inputs=toys.SIGNAL).load()
    lab.export.made = ChangesItsMind(lab.export.artifact)
    assert added(lab).headline == "it changes its mind"


def test_two_checks_of_one_name_are_refused() -> None:
    with pytest.raises(OptionError, match="two checks have one name"):
        ordered([Check("one", Finding.passed, 1), Check("one", Finding.skipped, 2)])


def test_a_check_is_wanted_for_its_tasks_on_request_and_where_it_applies() -> None:
    made = check("speed", order=1, on_request=True, tasks=("causal",), applies=lambda _, backend: backend == "mine")(
        Finding.passed
    )
    asked = Settings(speed=True)
    assert made.wanted(asked, "causal-lm", "mine")
    assert made.wanted(asked, None, "mine"), "the task is not known yet"
    assert not made.wanted(Settings(), "causal-lm", "mine")
    assert not made.wanted(asked, "default", "mine")
    assert not made.wanted(asked, "causal-lm", "other")


def test_what_is_asked_of_a_model() -> None:
    assert "generation" not in [item.name for item in checks_for(Settings(), "default", "torchscript")]
    assert "generation" in [item.name for item in checks_for(Settings(), "causal-lm-with-past", "torchscript")]


def test_an_unknown_name_names_the_close_one() -> None:
    with pytest.raises(OptionError, match="did you mean 'padding'"):
        check_named("pading")


@pytest.mark.parametrize("name", registered())
def test_each_says_what_it_asks(name: str) -> None:
    assert registered()[name].summary.endswith(".")


def test_the_documentation_lists_them_as_they_declare_themselves() -> None:
    text = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{known.name}` | {known.summary} |" for known in registered().values()]
