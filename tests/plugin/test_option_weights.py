"""--torchscript-weights: which were really used stands in the summary and the report, with what was not taken."""

from __future__ import annotations

import pytest
from plugin_runs import Run, read_report


@pytest.mark.parametrize(
    ("given", "used", "note"),
    [
        ("auto", "own", ""),
        ("pretrained", "own", ""),
        ("random", "own", "weights random asked for: a module of its own is checked with the weights it has"),
        ("tiny", "own", "weights tiny asked for: a module of its own is checked with the weights it has"),
        ("meta", "meta", ""),
    ],
)
def test_of_a_module_of_ones_own(run: Run, pytester: pytest.Pytester, given: str, used: str, note: str) -> None:
    args = ("--torchscript-weights", given, "--torchscript-report", "out.json")
    result = run("torchscript::zoo:good::test_trace", *args)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"zoo:good: Good, {used} weights", *([f"  note: {note}"] if note else [])])
    model = read_report(pytester.path)["models"][0]
    assert (model["weights"], model.get("notes", [])) == (used, [note] if note else [])
