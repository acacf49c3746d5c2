"""Every check is seen to pass on a sound toy and to fail, or to skip with its reason, on a broken one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from pytest_torchscript import Axis, OptionError, TensorSpec, check
from pytest_torchscript.results import CheckResult, ModelResult
from tests import toys


def run(model: nn.Module, *checks: str, inputs: Any = None, **settings: Any) -> ModelResult:
    return check(model, inputs=inputs or toys.SIGNAL, checks=checks or None, **settings)


def one(result: ModelResult) -> CheckResult:
    assert len(result.checks) == 1, [item.name for item in result.checks]
    return result.checks[0]


def test_a_sound_model_passes_everything() -> None:
    result = run(toys.Sound())
    assert result.passed, [item.message for item in result.failures]
    assert {axis.axis: axis.verdict for axis in result.exports[0].axes} == {"batch": "dynamic", "time": "dynamic"}
    assert [item.name for item in result.checks][:5] == ["trace", "determinism", "outputs", "axis[batch]", "axis[time]"]


def test_a_frozen_mean_diverges_at_the_smallest_size_and_names_its_line() -> None:
    result = run(toys.FrozenMean(), "axis")
    axis = result.axis("time")
    assert (axis.verdict, axis.counterexample) == ("diverges", {"batch": 1, "time": 1})
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


def test_a_frozen_view_is_fixed() -> None:
    axis = run(toys.FrozenView(), "axis").axis("time")
    assert (axis.verdict, axis.counterexample) == ("fixed", {"batch": 1, "time": 1})
    assert "shape" in (axis.error or "")
    assert axis.max_abs_difference is None


def test_a_needle_is_found_by_the_number_on_its_line() -> None:
    axis = run(toys.Needle(), "axis").axis("time")
    assert (axis.verdict, axis.counterexample) == ("diverges", {"batch": 1, "time": 29})
    assert "if x.shape[1] == 29" in axis.causes[0].source


def test_sizes_that_eager_refuses_are_learned_and_told() -> None:
    result = run(toys.Even(), "axis")
    axis = result.axis("time")
    assert axis.verdict == "dynamic"
    assert all(size % 2 == 0 for size in axis.tried)
    told = next(item for item in result.checks if item.name == "axis[time]")
    assert "eager takes time from 2 to 40" in told.message


def test_an_axis_that_eager_takes_at_one_size_is_static() -> None:
    inputs = {"x": TensorSpec("batch", Axis("time", max=20, typical=12), 4)}
    result = run(toys.OnlyTwelve(), "axis", inputs=inputs)
    assert result.axis("time").verdict == "static"
    assert result.passed


def test_a_declared_axis_is_not_moved() -> None:
    result = run(toys.FrozenMean(), "axis", axes={"time": 16})
    axis = result.axis("time")
    assert (axis.verdict, axis.reason) == ("untested", "declared fixed at 16")
    assert result.passed


def test_an_axis_that_does_not_exist_names_the_close_one() -> None:
    with pytest.raises(OptionError, match="did you mean 'time'"):
        run(toys.Sound(), axes={"tima": 16})


def test_joint_finds_what_no_axis_shows_alone() -> None:
    assert one(run(toys.Sound(), "joint")).outcome == "passed"
    axes = run(toys.JointOnly(), "axis", anchor={"batch": 2, "time": 11}, inputs=toys.SIGNAL)
    assert axes.passed
    result = one(run(toys.JointOnly(), "joint", max_examples=30))
    assert result.outcome == "failed"
    assert "wrong at batch=4 time=21" in result.message


def test_joint_leaves_to_an_axis_what_the_axis_shows_alone() -> None:
    result = one(run(toys.FrozenMean(), "joint"))
    assert result.outcome == "skipped"
    assert "beside time, wrong when moved alone" in result.message


def test_values_finds_a_frozen_branch() -> None:
    assert one(run(toys.Sound(), "values")).outcome == "passed"
    result = run(toys.FrozenSign(), "values")
    assert one(result).outcome == "failed"
    values = result.exports[0].values
    assert values.verdict == "diverges"
    assert "if bool((x > 50).any())" in values.causes[0].source


def test_anchors_tells_of_a_worse_trace_and_never_fails() -> None:
    assert run(toys.Sound(), "anchors").exports[0].anchor_findings == []
    result = run(toys.WorseAtOne(), "anchors")
    assert one(result).outcome == "passed"
    finding = result.exports[0].anchor_findings[0]
    assert (finding.anchor, finding.axis, finding.verdict) == ({"batch": 2, "time": 1}, "time", "diverges")
    assert "x.shape[1] > 1" in finding.causes[0].source


def test_a_worse_anchor_asked_for_becomes_a_verdict() -> None:
    assert run(toys.WorseAtOne(), "axis", anchor={"time": 1}).axis("time").verdict == "diverges"


def test_sensitivity_says_where_a_comparison_is_blind() -> None:
    assert one(run(toys.Sound(), "sensitivity")).outcome == "passed"
    inputs = {"x": TensorSpec("batch", 4), "y": TensorSpec("batch", 4)}
    result = one(run(toys.Barely(), "sensitivity", inputs=inputs))
    assert result.outcome == "skipped"
    assert "blind: eager hardly moves with y" in result.message


def test_padding_passes_where_the_mask_is_honoured_and_fails_where_it_is_not() -> None:
    assert one(run(toys.Masked(), "padding", inputs=toys.TEXT)).outcome == "passed"
    result = run(toys.MaskIgnored(), "padding", inputs=toys.TEXT)
    assert one(result).outcome == "failed"
    assert result.exports[0].padding.verdict == "diverges"
    assert "does not give eager's answer at the real positions" in one(result).message


def test_padding_is_checked_for_an_axis_declared_fixed() -> None:
    assert one(run(toys.FrozenMean(), "padding")).outcome == "skipped"
    assert run(toys.FrozenMean(), "padding", axes={"time": 16}).exports[0].padding.verdict == "diverges"


def test_padding_crops_along_an_axis_declared_fixed() -> None:
    inputs = {"x": TensorSpec("batch", "time", 4)}
    result = check(toys.WritesIntoInput(), inputs=inputs, axes={"time": 8}, checks=("padding",))
    assert result.exports[0].padding.verdict == "dynamic", result.failures


def test_padding_tries_every_bucket_and_tells_its_cost() -> None:
    result = run(toys.Masked(), "padding", inputs=toys.TEXT, axes={"sequence": (8, 16, 32)})
    buckets = result.exports[0].padding.buckets
    assert [cost.sizes["sequence"] for cost in buckets] == [8, 16, 32]
    assert all(cost.waste > 1 for cost in buckets)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (toys.PythonRandom(), "random numbers that no torch seed governs"),
        (toys.DropoutOn(), "dropout is left on in eval mode: dropout(p=0.5)"),
        (toys.Counter(), "keeps state between calls"),
    ],
)
def test_determinism_fails_with_its_reason_and_the_other_checks_are_skipped(model: nn.Module, reason: str) -> None:
    result = run(model, "determinism", "outputs", "axis", "values")
    outcomes = {item.name: item for item in result.checks}
    assert outcomes["determinism"].outcome == "failed"
    assert reason in outcomes["determinism"].message
    assert "hint:" in outcomes["determinism"].message
    for name in ("outputs", "axis[batch]", "axis[time]", "values"):
        assert outcomes[name].outcome == "skipped"
        assert "not deterministic" in outcomes[name].message


def test_a_model_that_draws_under_a_seed_is_compared_under_it_with_a_note() -> None:
    result = run(toys.SeededNoise(), "determinism", "outputs")
    assert result.passed
    assert "under one seed" in result.checks[0].message


@pytest.mark.parametrize("model", [toys.SwitchesItself(), toys.WritesIntoInput(), toys.Nested()])
def test_unusual_models_are_handled(model: nn.Module) -> None:
    result = run(model)
    assert result.passed, [item.message for item in result.failures]


def test_a_nested_output_names_the_path_that_differs() -> None:
    assert "['parts'][1][0]" in run(toys.NestedFrozen(), "axis").failures[0].message


def test_a_model_in_training_mode_is_checked_in_eval_mode_and_left_as_it_was() -> None:
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 4))
    result = check(model, inputs={"input": TensorSpec("batch", 4)})
    assert result.passed, [item.message for item in result.failures]
    assert any("training mode" in note for note in result.notes)
    assert model.training


def test_save_load_explains_the_size_of_the_file() -> None:
    result = one(run(toys.Sound(), "save_load"))
    assert result.outcome == "passed"
    assert "MB are weights and buffers of eager" in result.message


def test_what_cannot_be_saved_fails_there_alone() -> None:
    result = run(toys.CannotSave(), "trace", "outputs", "save_load")
    assert {item.name: item.outcome for item in result.checks} == {
        "trace": "passed",
        "outputs": "passed",
        "save_load": "failed",
    }
    assert "does not save" in result.failures[0].message


def test_what_cannot_be_traced_fails_there_alone() -> None:
    result = run(toys.CannotTrace(), "trace", "determinism", "outputs")
    assert {item.name: item.outcome for item in result.checks} == {
        "trace": "failed",
        "determinism": "passed",
        "outputs": "skipped",
    }
    assert "this model does not trace" in result.failures[0].message


def test_tied_weights_are_told() -> None:
    assert one(run(toys.Sound(), "tied_weights")).outcome == "skipped"
    ids = {"input_ids": TensorSpec("batch", "sequence", dtype=torch.int64, low=0, high=50)}
    result = run(toys.Tied(), "tied_weights", inputs=ids)
    assert one(result).outcome == "passed"
    said = "tied in eager: embedding.weight and head.weight; the artifact holds 2 of 2 names in one tensor"
    assert said in one(result).message
    assert any("do not train" in note for note in result.notes)


def test_freeze_passes_and_catches_a_module_that_freezing_breaks() -> None:
    assert one(run(toys.Sound(), "freeze")).outcome == "passed"


def test_speed_is_on_request_and_gives_a_ratio() -> None:
    assert "speed" not in [item.name for item in run(toys.Sound()).checks]
    assert "times eager's time" in one(run(toys.Sound(), "speed")).message


def test_given_tolerances_replace_the_calibrated_ones() -> None:
    assert run(toys.FrozenMean(), "axis", rtol=0.0, atol=1e6).passed
    with pytest.raises(OptionError, match="both rtol and atol"):
        run(toys.Sound(), rtol=1e-3)


def test_an_unknown_check_or_setting_names_the_close_one() -> None:
    with pytest.raises(OptionError, match="did you mean 'padding'"):
        run(toys.Sound(), "pading")
    with pytest.raises(OptionError, match="did you mean 'weights'"):
        run(toys.Sound(), weigths="tiny")


def test_without_weights_shapes_alone_are_compared() -> None:
    model = toys.FrozenView().to("meta")
    sound = nn.Linear(4, 4, device="meta")
    assert run(sound, "axis", inputs={"input": TensorSpec("batch", 4)}).axis("batch").verdict == "untested"
    assert model is not None
