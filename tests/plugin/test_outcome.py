"""How a check's outcome is told: what a failure's message is given by the plugin."""

from __future__ import annotations

import pytest

from pytest_torchscript.plugin.outcome import _quoted, add_command
from pytest_torchscript.results import CheckResult, ExportResult, ModelResult


def piece(outcome: str, message: str) -> ModelResult:
    return ModelResult(
        "m", exports=[ExportResult("torchscript", checks=[CheckResult("axis[time]", outcome, 0.0, message)])]
    )


@pytest.mark.parametrize("outcome", ["failed", "error"])
@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("what\n    evidence\n    hint: do", "what\n    evidence\n    again: run axis[time]\n    hint: do"),
        ("what", "what\n    again: run axis[time]"),
        ("what\n    hint: a\n    hint: b", "what\n    hint: a\n    again: run axis[time]\n    hint: b"),
    ],
)
def test_the_command_stands_above_the_hint(outcome: str, message: str, told: str) -> None:
    found = piece(outcome, message)
    add_command(found, "run {}".format)
    assert found.checks[0].message == told


@pytest.mark.parametrize("outcome", ["passed", "skipped"])
def test_what_did_not_fail_has_none(outcome: str) -> None:
    found = piece(outcome, "a note\n    hint: do")
    add_command(found, "run {}".format)
    assert found.checks[0].message == "a note\n    hint: do"


@pytest.mark.parametrize(
    ("nodeid", "quoted"),
    [
        ("torchscript::a b::test_axis[time]", '"torchscript::a b::test_axis[time]"'),
        ("torchscript::m:f('$HOME')::test_trace", "'torchscript::m:f('\"'\"'$HOME'\"'\"')::test_trace'"),
        ('torchscript::m:f("x")::test_trace', "'torchscript::m:f(\"x\")::test_trace'"),
    ],
)
def test_ids_are_quoted_for_a_shell(nodeid: str, quoted: str) -> None:
    assert _quoted(nodeid) == quoted
