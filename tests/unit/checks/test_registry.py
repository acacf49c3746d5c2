"""Checks declare themselves, and everything else reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

import pytest_torchscript.checks
from pytest_torchscript import OptionError
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.registry import Check, check, check_named, checks_for, ordered, registered
from pytest_torchscript.settings import Settings

#: Contract: the order of ids and reports.
ORDER = [
    "trace",
    "determinism",
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


def test_the_suite_has_its_order() -> None:
    assert [name for name in registered() if name in ORDER] == ORDER


def test_a_file_that_holds_a_check_adds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "extra.py").write_text(
        "from pytest_torchscript.checks.finding import Finding\n"
        "from pytest_torchscript.checks.registry import check\n\n\n"
        "@check('extra', order=35)\n"
        "def check_extra(lab):\n"
        '    """Something else is asked.\n\n    In so many words.\n    """\n'
        "    return Finding.passed('asked')\n"
    )
    paths = [*pytest_torchscript.checks.__path__, str(tmp_path)]
    monkeypatch.setattr(pytest_torchscript.checks, "__path__", paths)
    found = registered.__wrapped__()
    assert list(found).index("extra") == list(found).index("outputs") + 1
    assert found["extra"].summary == "Something else is asked."
    assert found["extra"](None).headline == "asked"


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
    text = (Path(__file__).parents[3] / "docs" / "checks.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{known.name}` | {known.summary} |" for known in registered().values()]
