"""The check `history`: what a module keeps between calls is named where a later trace is another for it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript import Axis, TensorSpec
from pytest_torchscript.checks.history import check_history
from pytest_torchscript.results import from_plain, to_plain
from tests import histories, toys
from tests.asking import answer, ask


@pytest.mark.parametrize("model", histories.CHANGES_ITS_TRACE)
def test_what_is_kept_is_named_with_its_line(model: type[nn.Module]) -> None:
    result = ask(model().eval(), "determinism", "history")
    determinism, history = result.checks
    attribute, place = histories.truth(model)
    assert (determinism.outcome, history.outcome) == ("passed", "failed")
    assert f"keeps `self.{attribute}` between calls, {place}" in history.message
    assert "hint: trace a module that was never called" in history.message
    found = result.exports[0].history
    assert found.verdict == "kept"
    assert found.attribute.rpartition(".")[2] == attribute
    assert found.causes[0].source.endswith(f"# kept {attribute}")


def test_a_model_that_writes_to_its_weights_at_its_first_call() -> None:
    """The trace of a fresh one writes at every call; nothing else is blamed for that, and the user's own is left alone."""
    model = histories.DividesOnce().eval()
    before = model.linear.weight.detach().clone()
    result = ask(model, "determinism", "history", "outputs", "save_load", "freeze")
    found = {item.name: item for item in result.checks}
    attribute, place = histories.truth(histories.DividesOnce)
    assert torch.equal(model.linear.weight, before)
    assert {name: item.outcome for name, item in found.items()} == {
        "determinism": "passed",
        "history": "failed",
        "outputs": "failed",
        "save_load": "skipped",
        "freeze": "skipped",
    }
    assert f"keeps `self.{attribute}` between calls, {place}" in found["history"].message
    assert "the trace writes to them at every call: see test_history" in found["outputs"].message
    assert found["freeze"].message == "the export answers otherwise from call to call, see test_outputs"


@pytest.mark.parametrize("model", histories.HARMLESS)
def test_what_changes_no_answer_is_no_failure(model: type[nn.Module]) -> None:
    result = ask(model().eval(), "history")
    assert answer(result).outcome == "passed"
    assert "behind, and a trace after them answers as one before" in answer(result).message
    assert to_plain(result.exports[0].history) == {"verdict": "clean", "attribute": None, "causes": []}


@pytest.mark.parametrize("model", [toys.Sound, toys.FrozenMean, toys.Needle, toys.WritesIntoInput])
def test_a_module_that_keeps_nothing_passes_without_a_word(model: type[nn.Module]) -> None:
    result = ask(model(), "history")
    assert (answer(result).outcome, answer(result).message) == ("passed", "")
    assert result.exports[0].history.verdict == "clean"


@pytest.mark.parametrize("model", histories.CHANGES_ITS_ANSWER)
def test_what_determinism_tells_is_not_told_again(model: type[nn.Module]) -> None:
    result = ask(model().eval(), "determinism", "history")
    assert [(item.name, item.outcome) for item in result.checks] == [("determinism", "failed"), ("history", "skipped")]
    assert result.checks[1].message.endswith("see test_determinism")
    found = result.exports[0].history
    assert (found.verdict, found.attribute.rpartition(".")[2]) == ("kept", histories.truth(model)[0])
    assert found.causes[0].source.endswith(f"# kept {histories.truth(model)[0]}")


def test_without_determinism_in_the_run_it_is_told_here() -> None:
    result = ask(histories.CountsCalls(), "history")
    assert answer(result).outcome == "failed"
    assert "keeps `self.calls` between calls" in answer(result).message
    assert result.exports[0].history.attribute == "calls"


def test_random_numbers_alone_are_no_history() -> None:
    assert answer(ask(toys.SeededNoise(), "history")).outcome == "passed"
    assert answer(ask(toys.PythonRandom(), "history")).outcome == "passed"


class RandomAndKeeping(toys.DropoutOn):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.last = x.shape[1]
        return super().forward(x)


def test_what_is_random_and_keeps_something_cannot_be_told() -> None:
    found = answer(ask(RandomAndKeeping(), "history"))
    assert (found.outcome, "dropout is left on" in found.message) == ("skipped", True)


def test_a_part_of_a_model_is_named_with_its_path() -> None:
    assert "histories.py" in answer(ask(histories.SwitchInside().eval(), "history")).message
    assert "(in layers.1)" in answer(ask(histories.SwitchInside().eval(), "history")).message
    assert ask(histories.SwitchInside().eval(), "history").exports[0].history.attribute == "layers.1.way"


def test_a_line_of_torchs_own_code_is_named_where_none_is_the_models() -> None:
    found = ask(histories.Observed().eval(), "history").exports[0].history
    assert (found.verdict, found.attribute) == ("kept", "observer.max_val")
    assert found.causes[0].file.endswith("observer.py") or "observer" in found.causes[0].source


class SwitchesAtTwo(nn.Module):
    """Has no axis that moves."""

    way = "first"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x * (2.0 if self.way == "first" and torch.jit.is_tracing() else 1.0)
        self.way = "later"
        return y


def test_one_size_is_enough_to_ask() -> None:
    result = ask(SwitchesAtTwo(), "history", inputs={"x": TensorSpec(2, 4)})
    assert (answer(result).outcome, result.exports[0].history.attribute) == ("failed", "way")
    assert "its trace is right at its only size; that of a fresh module is wrong" in answer(result).message


class Refusing(histories.Switch):
    """Takes no batch of one, and no short input at the same time."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] == 1 and x.shape[1] == 1:
            raise ValueError("too small")
        return super().forward(x)


def test_sizes_that_eager_refuses_are_tried_one_axis_at_a_time() -> None:
    assert "keeps `self.way` between calls" in answer(ask(Refusing(), "history")).message


class LargeSwitch(histories.Base):
    """Changes for good where an input is long, and only for long ones."""

    factor = 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] > 30:
            y = self.linear(x) * self.factor
            self.factor = 2.0
            return y
        return self.linear(x)


def test_eager_itself_is_asked_again_at_other_sizes() -> None:
    message = answer(ask(LargeSwitch(), "history")).message
    assert "keeps `self.factor` between calls" in message
    assert "eager itself answers otherwise than a fresh module at batch=1 time=40" in message


class CannotTraceAndKeeps(toys.CannotTrace):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.last = x.shape[1]
        return super().forward(x)


def test_without_a_trace_there_is_nothing_to_hold_another_against() -> None:
    found = answer(ask(CannotTraceAndKeeps(), "history"))
    assert (found.outcome, found.message.partition(":")[0]) == ("skipped", "eager cannot be traced, see test_trace")


def test_a_module_without_weights_and_a_file_made_elsewhere_are_not_asked() -> None:
    assert "needs values" in answer(ask(toys.Sound(), "history", weights="meta")).message
    assert {"weights", "reexports"} <= set(check_history.needs)


def test_it_costs_three_passes_where_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []
    forward = toys.Sound.forward
    monkeypatch.setattr(toys.Sound, "forward", lambda self, x: passes.append(tuple(x.shape)) or forward(self, x))
    ask(toys.Sound(), "determinism")
    before = len(passes)
    passes.clear()
    ask(toys.Sound(), "determinism", "history")
    assert len(passes) - before == 3
    assert passes[-3:] == [(2, 11, 4), (1, 40, 4), (1, 1, 4)]


def test_an_expensive_axis_is_called_at_sizes_that_are_not_dear() -> None:
    inputs = {"x": TensorSpec(Axis("batch", max=64), Axis("time", max=100_000), 4)}
    assert answer(ask(histories.LazyTable(), "history", inputs=inputs)).outcome == "failed"


def test_the_record_is_read_back() -> None:
    export = ask(histories.LazyTable(), "history").exports[0]
    assert from_plain(type(export), to_plain(export)).history == export.history
