"""Phases and their seconds in the log."""

from __future__ import annotations

import logging
import re

import pytest

from pytest_torchscript.common.phases import phase
from tests import toys
from tests.asking import ask


def test_a_phase_says_what_it_was_about_and_how_long_it_took(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), phase("trace", "x (2, 3)") as said:
        said.append("agrees")
    (record,) = caplog.records
    assert record.name == "pytest_torchscript.trace"
    assert re.fullmatch(r"trace x \(2, 3\) agrees: \d+\.\d{3} s", record.getMessage())


def test_a_phase_that_raises_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(ValueError, match="no"), phase("build", "bert"):
        raise ValueError("no")
    assert caplog.messages[0].startswith("build bert raised ValueError: ")


def test_every_phase_of_a_run_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "pytest_torchscript"):
        ask(toys.Sound(), "trace", "outputs")
    said = [message.split(":")[0] for message in caplog.messages]
    assert [message.split()[0] for message in said] == ["resolve", "build", "export", "trace", *["compare"] * 3]
    assert said[0] == "resolve inputs of Sound"
    assert said[2] == "export torchscript x (2, 11, 4)"
    assert said[4] == "compare x (2, 11, 4) agrees"


def test_nothing_is_said_unasked(caplog: pytest.LogCaptureFixture) -> None:
    ask(toys.Sound(), "outputs")
    assert [record for record in caplog.records if record.name.startswith("pytest_torchscript")] == []
