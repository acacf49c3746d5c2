"""The check `speed`: on request."""

from __future__ import annotations

from pytest_torchscript.checks.registry import checks_for
from pytest_torchscript.settings import Settings
from tests import toys
from tests.asking import answer, ask


def test_it_is_on_request_and_gives_a_ratio() -> None:
    assert "speed" not in [item.name for item in checks_for(Settings(), "default", "torchscript")]
    assert "speed" in [item.name for item in checks_for(Settings(speed=True), "default", "torchscript")]
    found = answer(ask(toys.Sound(), "speed"))
    assert found.outcome == "passed"
    assert found.message.count("times eager's time") == 3
    assert found.message.count(", frozen ") == 3
    assert found.message.count(" ms) at batch=") == 3


def test_it_says_nothing_where_no_size_agrees() -> None:
    found = answer(ask(toys.Doubled(), "speed"))
    assert found.outcome == "skipped"
