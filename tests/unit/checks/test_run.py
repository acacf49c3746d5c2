"""All checks in one call, and what becomes of one that breaks down."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from pytest_torchscript import OptionError, TensorSpec, check
from pytest_torchscript.results import RunReport
from tests import toys
from tests.asking import ask


def test_a_sound_model_passes_everything() -> None:
    result = ask(toys.Sound())
    assert result.passed, [item.message for item in result.failures]
    assert [item.name for item in result.checks][:5] == ["trace", "determinism", "history", "outputs", "axis[batch]"]


def test_forward_passes_are_counted_for_each_check() -> None:
    result = ask(toys.Sound(), "trace", "determinism", "outputs", "values", "hidden_states")
    passes = {item.name: item.passes for item in result.checks}
    # Eager once more, for its answer is known and it draws no random numbers; then three calls of the export.
    assert (passes["determinism"], passes["outputs"]) == (1, 3)
    assert passes["values"] > passes["outputs"]
    assert passes["hidden_states"] == 0
    seconds = round(sum(item.seconds for item in result.checks), 3)
    totals = RunReport(models=[result]).to_dict()["totals"]
    assert (totals["passes"], totals["seconds"]) == (sum(passes.values()), seconds)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells")
def test_the_most_memory_that_was_held_is_told_for_each_check_of_many_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_torchscript.checks.run.are_many", lambda _: True)

    class Hungry(toys.Sound):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x + torch.zeros(64 << 20)[0] * (x.shape[0] == 1))  # 256 MB

    result = ask(Hungry(), "trace", "axis", "device")
    peaks = [item.peak_memory for item in result.checks]
    assert None not in peaks
    trace, batch, time, device = (peak or 0 for peak in peaks)
    assert batch - max(trace, device) > 200e6
    assert RunReport(models=[result]).totals["peak_memory"] == max(batch, time)


def test_where_nobody_knows_the_peak_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_torchscript.checks.run.are_many", lambda _: True)
    monkeypatch.setattr("pytest_torchscript.checks.run.forget_peak", lambda: False)
    result = ask(toys.Sound(), "trace")
    assert result.checks[0].peak_memory is None
    plain = RunReport(models=[result]).to_dict()
    assert "peak_memory" not in plain["totals"]
    assert "peak_memory" not in plain["models"][0]["exports"][0]["checks"][0]


def test_of_few_weights_no_peak_is_told() -> None:
    assert ask(toys.Sound(), "trace").checks[0].peak_memory is None


@pytest.mark.parametrize("model", [toys.SwitchesItself(), toys.WritesIntoInput(), toys.Nested()])
def test_unusual_models_are_handled(model: nn.Module) -> None:
    result = ask(model)
    assert result.passed, [item.message for item in result.failures]


def test_a_model_in_training_mode_is_checked_in_eval_mode_and_left_as_it_was() -> None:
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 4))
    result = ask(model, inputs={"input": TensorSpec("batch", 4)})
    assert result.passed, [item.message for item in result.failures]
    assert any("training mode" in note for note in result.notes)
    assert model.training


def test_an_unknown_check_or_setting_names_the_close_one() -> None:
    for wrong, said in (({"name": 3}, "name: 3 is of type int"), ({"checks": 3}, "checks: 3 is of type int")):
        with pytest.raises(OptionError, match=said):
            check(toys.Sound(), toys.SIGNAL, **wrong)
    with pytest.raises(OptionError, match="did you mean 'padding'"):
        ask(toys.Sound(), "pading")
    with pytest.raises(OptionError, match="did you mean 'weights'"):
        ask(toys.Sound(), weigths="tiny")
    with pytest.raises(OptionError, match="both rtol and atol"):
        ask(toys.Sound(), rtol=1e-3)
