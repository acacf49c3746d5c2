"""How a check's outcome is told: the message alone, with the command that repeats it."""

from __future__ import annotations

import pytest
from plugin_runs import Run

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


def test_message_alone(run: Run) -> None:
    result = run("--torchscript-model", "zoo:bad", "-k", "time")
    text = result.stdout.str()
    for noise in (
        "outcome.py",
        "suite.py",
        "Traceback",
        "Captured",
        "traceback entries are hidden",
        "During handling",
    ):
        assert noise not in text
    result.stdout.fnmatch_lines(
        [
            "torchscript::zoo:bad: axis 'time' diverges: *",
            '    again: pytest --torchscript-model zoo:bad "torchscript::zoo:bad::test_axis[[]time]"',
            "    hint: *",
        ]
    )


def test_again_repeats_the_options(run: Run) -> None:
    args = ("--torchscript-weights", "auto", "--torchscript-axis", "batch=1:3", "--hypothesis-seed=7")
    result = run("--torchscript-model", "zoo:bad", "-k", "time", *args, "--torchscript-max-examples", "9")
    line = next(line.strip() for line in result.outlines if "again: " in line)
    assert "--torchscript-weights auto" in line
    assert "--torchscript-axis batch=1:3" in line
    assert "--torchscript-max-examples 9" in line
    assert "--hypothesis-seed=7" in line
