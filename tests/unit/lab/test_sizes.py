"""Which sizes are traced at and tried, and how a failure shrinks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_torchscript.lab.sizes import (
    smallest_failing,
    volume,
    within,
)
from pytest_torchscript.spec import Axis


def test_joint_sizes_are_cut_where_their_product_is_dear() -> None:
    axes = {"batch": Axis("batch", max=16), "time": Axis("time", max=4096, multiple_of=8)}
    cut = within(1024, {"batch": 16, "time": 4096}, axes)
    assert volume(cut) <= 1024
    assert cut["batch"] == 16
    assert cut["time"] % 8 == 0
    assert within(10, {"batch": 2, "time": 8}, {"time": axes["time"]}) == {"batch": 2, "time": 8}


@given(batch=st.integers(1, 6), time=st.integers(1, 60))
def test_a_threshold_shrinks_to_its_exact_corner(batch: int, time: int) -> None:
    axes = {"batch": Axis("batch", max=6), "time": Axis("time", max=60)}
    smallest = smallest_failing(
        {"batch": 6, "time": 60}, lambda sizes: sizes["batch"] >= batch and sizes["time"] >= time, axes
    )
    assert smallest == {"batch": batch, "time": time}


def test_a_wide_threshold_shrinks_by_bisection() -> None:
    asked = []

    def fails(sizes: dict[str, int]) -> bool:
        asked.append(sizes["time"])
        return sizes["time"] > 704

    assert smallest_failing({"time": 4096}, fails, {"time": Axis("time", max=4096)}) == {"time": 705}
    assert len(asked) < 60


def test_multiples_of_a_window_shrink_to_the_window() -> None:
    axes = {"time": Axis("time", max=4096)}
    assert smallest_failing({"time": 448}, lambda sizes: sizes["time"] % 7 == 0, axes) == {"time": 7}
