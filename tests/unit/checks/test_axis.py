"""The check `axis`: one verdict for each way an axis can be."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript import Axis, OptionError, TensorSpec
from pytest_torchscript.lab import subject
from tests import toys
from tests.asking import ask


class UpTo(nn.Module):
    """Takes at most 23 steps, and is right at all of them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] > 23:
            raise ValueError(f"{x.shape[1]} steps are too many")
        return x.cumsum(1)


class WrongAtItsEnd(nn.Module):
    """Takes at most 27 steps, and is wrong at the last of them alone."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] > 27:
            raise ValueError(f"{x.shape[1]} steps are too many")
        return x * 2 if x.shape[1] == 27 else x * 1


class LostInNoise(nn.Module):
    """Keeps a number of its example, but less of it than its own rounding loses."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return ((x + 1e7) - 1e7).cumsum(0) + float(x.shape[1]) / 100


class FrozenRows(toys.FrozenView):
    """Raises at any other length, and has a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(self.linear(x))


def test_dynamic() -> None:
    result = ask(toys.Sound(), "axis")
    assert result.passed
    assert {axis.axis: axis.verdict for axis in result.exports[0].axes} == {"batch": "dynamic", "time": "dynamic"}


def test_diverges_at_the_smallest_size_and_names_its_line() -> None:
    result = ask(toys.FrozenMean(), "axis")
    axis = result.axis("time")
    assert (axis.verdict, axis.counterexample) == ("diverges", {"batch": 1, "time": 1})
    assert [(item.name, item.outcome) for item in result.failures] == [("axis[time]", "failed")]
    assert "axis 'time' diverges" in result.failures[0].message
    assert axis.causes[0].function == "forward"
    assert axis.causes[0].source == "return x.sum(1) / float(x.shape[1])"
    assert result.axis("batch").verdict == "dynamic"
    message = result.failures[0].message
    assert message.splitlines()[0].startswith(
        "torchscript::FrozenMean: axis 'time' diverges: traced at time=11, wrong at"
    )
    assert "output: max |actual - expected| =" in message
    assert "nearest size that agrees: time=11" in message
    assert message.splitlines()[-1].strip().startswith("hint:")


def test_fixed() -> None:
    axis = ask(toys.FrozenView(), "axis").axis("time")
    assert (axis.verdict, axis.counterexample) == ("fixed", {"batch": 1, "time": 1})
    assert "shape" in (axis.error or "")
    assert axis.max_abs_difference is None


def test_static_where_eager_takes_one_size() -> None:
    inputs = {"x": TensorSpec("batch", Axis("time", max=20, typical=12), 4)}
    result = ask(toys.OnlyTwelve(), "axis", inputs=inputs)
    assert result.axis("time").verdict == "static"
    assert result.passed


def test_untested_where_it_is_declared_fixed() -> None:
    result = ask(toys.FrozenMean(), "axis", axes={"time": 16})
    axis = result.axis("time")
    assert (axis.verdict, axis.reason) == ("untested", "declared fixed at 16")
    assert result.passed


def test_untested_where_there_is_no_other_size() -> None:
    axis = ask(toys.Sound(), "axis", inputs={"x": TensorSpec("batch", Axis("time", min=7, max=7), 4)}).axis("time")
    assert (axis.verdict, axis.reason) == ("untested", "no other size in its range")


def test_untested_where_noise_hides_any_answer() -> None:
    result = ask(LostInNoise(), "axis")
    axis = result.axis("time")
    assert axis.verdict == "untested"
    assert "eager's own rounding noise hides any answer" in (axis.reason or "")
    assert [item.outcome for item in result.checks if item.name == "axis[time]"] == ["skipped"]


def test_a_needle_is_found_by_the_number_on_its_line() -> None:
    axis = ask(toys.Needle(), "axis").axis("time")
    assert (axis.verdict, axis.counterexample) == ("diverges", {"batch": 1, "time": 29})
    assert "if x.shape[1] == 29" in axis.causes[0].source


def test_sizes_that_eager_refuses_are_learned_and_told() -> None:
    result = ask(toys.Even(), "axis")
    axis = result.axis("time")
    assert axis.verdict == "dynamic"
    assert all(size % 2 == 0 for size in axis.tried)
    told = next(item for item in result.checks if item.name == "axis[time]")
    assert "eager takes time from 2 to 40" in told.message


def test_the_largest_size_that_eager_takes_is_found_and_tried() -> None:
    result = ask(UpTo(), "axis")
    assert result.axis("time").verdict == "dynamic"
    assert result.axis("time").tried[-1] == 23
    assert any("eager takes time from 1 to 23" in item.message for item in result.checks)
    assert ask(WrongAtItsEnd(), "axis").axis("time").counterexample == {"batch": 1, "time": 27}


def test_a_worse_anchor_asked_for_becomes_a_verdict() -> None:
    assert ask(toys.WorseAtOne(), "axis", anchor={"time": 1}).axis("time").verdict == "diverges"


def test_a_nested_output_names_the_path_that_differs() -> None:
    assert "['parts'][1][0]" in ask(toys.NestedFrozen(), "axis").failures[0].message


def test_given_tolerances_replace_the_calibrated_ones() -> None:
    assert ask(toys.FrozenMean(), "axis", rtol=0.0, atol=1e6).passed


def test_an_axis_that_does_not_exist_names_the_close_one() -> None:
    with pytest.raises(OptionError, match="did you mean 'time'"):
        ask(toys.Sound(), axes={"tima": 16})


def test_without_weights_shapes_alone_are_compared() -> None:
    sound = ask(nn.Linear(4, 4, device="meta"), "axis", inputs={"input": TensorSpec("batch", 4)})
    assert sound.axis("batch").verdict == "untested"
    assert sound.axis("batch").reason == "without weights only shapes can be compared"
    fixed = ask(FrozenRows().to("meta"), "axis")
    assert fixed.weights == "meta"
    assert (fixed.axis("time").verdict, fixed.axis("batch").verdict) == ("fixed", "untested")


class BranchesLate(nn.Module):
    """Decides by its rows, far from where it is traced."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.shape[0] > 40 else x + 1


class ReadsRows(nn.Module):
    """Has its rows as a number, and answers rightly all the same: no graph tells which sizes are enough."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 0 * int(x.shape[0])


MANY_ROWS = {"x": TensorSpec("batch", 11, 4)}


def test_dear_sizes_are_left_out_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MANY_NUMBERS", 400)
    found = ask(toys.Sound(), "axis", inputs=MANY_ROWS).exports[0]
    check = next(item for item in found.checks if item.name == "axis[batch]")
    assert (check.outcome, found.axes[0].verdict) == ("passed", "dynamic")
    assert "note: up to batch=9" in check.message
    assert max(found.axes[0].tried) == 9


def test_a_branch_at_a_dear_size_is_tried_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MANY_NUMBERS", 400)
    assert ask(BranchesLate(), "axis", inputs=MANY_ROWS).exports[0].axes[0].counterexample["batch"] == 41


def test_the_search_has_so_many_numbers_to_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    all_of_them = ask(ReadsRows(), "axis", inputs=MANY_ROWS).exports[0].axes[0].tried
    monkeypatch.setattr(subject, "MANY_NUMBERS", 400)
    tried = ask(ReadsRows(), "axis", inputs=MANY_ROWS).exports[0].axes[0].tried
    searched = set(tried) - {1, 9}  # the ends are tried whatever they cost
    assert 44 * sum(searched) <= 2 * 400 < 44 * sum(all_of_them)


@pytest.mark.parametrize(
    ("model", "advice"),
    [
        (toys.Needle, "a branch on the size was frozen: put it into a function under torch.jit.script, or declare"),
        (toys.FrozenMean, "read the size from the tensor, without int(), float() or len(), or declare"),
    ],
)
def test_a_branch_and_a_number_are_mended_in_different_ways(model: type[nn.Module], advice: str) -> None:
    (failure,) = ask(model(), "axis").failures
    assert f"hint: {advice} --torchscript-axis time=11" in failure.message


def doubled_if_long(x: torch.Tensor) -> torch.Tensor:
    if x.shape[1] > 20:
        x = x * 2
    return x


class Scripted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.doubled = torch.jit.script(doubled_if_long)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.doubled(x)  # type: ignore[no-any-return, unused-ignore]


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.* is deprecated:DeprecationWarning")
def test_a_branch_that_is_scripted_moves() -> None:
    found = ask(Scripted(), "axis").axis("time")
    assert found.verdict == "dynamic"
    assert min(found.tried) < 20 < max(found.tried)
