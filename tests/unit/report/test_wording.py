"""The words and numbers that all reports share."""

from __future__ import annotations

import pytest

from pytest_torchscript.report.wording import (
    axis_detail,
    cost_text,
    count_text,
    finding_text,
    place_text,
    portability_text,
    position,
    range_text,
    tried_text,
)
from pytest_torchscript.results import AnchorFinding, AxisResult, BucketCost, Cause, Portability


@pytest.mark.parametrize(
    ("number", "text"),
    [(109482240, "109.5 M"), (22713216, "22.7 M"), (999, "999"), (1234, "1.2 k"), (999_999, "1.0 M"), (7.2e9, "7.2 B")],
)
def test_counts(number: int, text: str) -> None:
    assert count_text(number) == text


def test_positions_are_logarithmic_and_stay_inside() -> None:
    assert [position(size, 1, 16) for size in (1, 4, 16)] == [0, 0.5, 1]
    assert position(5, 5, 5) == 0.5
    assert position(0, 0, 16) == 0
    assert position(99, 1, 16) == 1


def axis(verdict: str, **values: object) -> AxisResult:
    return AxisResult("time", 1, 9, verdict, [1, 2, 2], **values)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (axis("dynamic", max_abs_difference=1e-7), ""),
        (axis("fixed", counterexample={"batch": 1, "time": 5}, error="a shape"), "raises at batch=1 time=5; a shape"),
        (
            axis("diverges", counterexample={"time": 5}, max_abs_difference=2.584),
            "wrong at time=5; max |difference| 2.58",
        ),
        (axis("diverges", max_abs_difference="nan"), "max |difference| nan"),
        (axis("untested", reason="see test_outputs"), "see test_outputs"),
    ],
)
def test_what_there_is_to_say_of_an_axis(found: AxisResult, said: str) -> None:
    assert axis_detail(found) == said
    assert (tried_text(found), range_text(found)) == ("2 sizes", "1 to 9")


@pytest.mark.parametrize(
    ("file", "line", "function", "said"),
    [
        ("/a/b/c/d.py", 3, "forward", "…/b/c/d.py:3 in forward"),
        ("d.py", 3, "", "d.py:3"),
        (r"C:\a\b\c\d.py", 3, "f", "…/b/c/d.py:3 in f"),
        ("", 0, "", "line not known"),
    ],
)
def test_where_a_cause_stands(file: str, line: int, function: str, said: str) -> None:
    assert place_text(Cause(file, line, function, "", "")) == said


def test_what_another_anchor_would_have_got_wrong() -> None:
    found = AnchorFinding({"batch": 1}, ["mask"], "batch", "fixed", [])
    assert finding_text(found) == "traced at batch=1 without mask, 'batch' would be fixed"


def test_what_padding_costs_in_work_and_where_it_was_timed_in_time() -> None:
    cost = BucketCost({"sequence": 8}, {"sequence": 4}, 2.0, 0.5, 0.25)
    assert cost_text(cost).startswith("sequence=4 padded to sequence=8: 2 x the positions, 2 x the time (")
    assert cost_text(BucketCost({"sequence": 8}, {"sequence": 4}, 2.0, 0.0, 0.0)).endswith("2 x the positions")


def test_only_a_file_that_is_bound_is_spoken_of() -> None:
    assert portability_text(None) == portability_text(Portability("cpu", "portable", [], [])) == ""
    bound = Portability("cpu", "bound", [Cause("m.py", 2, "f", "x", "zeros takes cpu")], [])
    assert portability_text(bound).startswith("bound to the device it was traced on (cpu)")
    assert portability_text(bound).endswith("at m.py:2 in f: zeros takes cpu")
