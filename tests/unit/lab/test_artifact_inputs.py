"""A TorchScript file made elsewhere, checked in place of a trace of ours: ``--torchscript-artifact``."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from pytest_torchscript import TensorSpec, check
from pytest_torchscript.results import CheckResult, ModelResult

INPUTS = {
    "signal": TensorSpec("batch", "time", 6),
    "mask": TensorSpec("batch", "time", dtype=torch.int64, low=0, high=2),
}


class Encoder(nn.Module):
    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.linear = nn.Linear(6, 4)

    def forward(self, signal, mask):
        hidden = torch.tanh(self.linear(signal)) * mask.unsqueeze(-1)
        return hidden, hidden.sum(1)


class Frozen(Encoder):
    def forward(self, signal, mask):
        hidden, _ = super().forward(signal, mask)
        return hidden, hidden.sum(1) / float(signal.shape[1])


class Swapped(nn.Module):
    """Takes the inputs in another order, under the same names."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Encoder()

    def forward(self, mask, signal):
        return self.inner(signal, mask)


class Renamed(nn.Module):
    """Takes them under other names."""

    def __init__(self, *, extra: bool = False) -> None:
        super().__init__()
        self.inner = Encoder()
        if extra:
            self.forward = self.with_another

    def forward(self, x, m):
        return self.inner(x, m)

    def with_another(self, x, m, other):
        return self.inner(x, m)[0] + other


def saved(path: Path, module: nn.Module, *, swap: bool = False, more: tuple[torch.Tensor, ...] = ()) -> str:
    """Trace and save a module as a user does."""
    example = (torch.randn(1, 14, 6), torch.ones(1, 14, dtype=torch.int64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module, (*(example[::-1] if swap else example), *more), check_trace=False)
        torch.jit.save(traced, str(path))
    return str(path)


def run(model: nn.Module, path: str, **settings) -> ModelResult:
    return check(model.eval(), inputs=INPUTS, artifact=path, **settings)


def of(result: ModelResult, name: str) -> CheckResult:
    return next(found for found in result.checks if found.name == name)


def test_the_file_of_this_model_passes(tmp_path):
    result = run(Encoder(), saved(tmp_path / "traced.pt", Encoder().eval()))
    assert result.passed, result.failures
    assert result.axis("time").verdict == "dynamic"
    assert any("checked is the file" in note and "(Encoder)" in note for note in result.notes)
    assert "made elsewhere" in of(result, "anchors").message


def test_the_file_of_other_weights_fails_and_blames_no_line(tmp_path):
    result = run(Encoder(), saved(tmp_path / "traced.pt", Encoder(seed=1).eval()))
    found = of(result, "outputs")
    assert found.outcome == "failed"
    assert "wrong at the anchor already, and no line of this model explains it" in found.message
    assert "is the file made of this model, with these weights?" in found.message
    assert of(result, "values").message == of(result, "axis[time]").message == "see test_outputs"
    assert (result.axis("time").verdict, result.axis("time").reason) == ("untested", "see test_outputs")
    assert result.axis("time").causes == []


def test_what_the_file_froze_is_named_in_the_model(tmp_path):
    result = run(Frozen(), saved(tmp_path / "traced.pt", Frozen().eval()), anchor={"time": 14})
    axis = result.axis("time")
    assert axis.verdict == "diverges"
    assert "float(signal.shape[1])" in axis.causes[0].source


@pytest.mark.parametrize("module", [Swapped(), Renamed()], ids=["by name", "by place"])
def test_inputs_are_matched(tmp_path, module):
    path = saved(tmp_path / "traced.pt", module.eval(), swap=isinstance(module, Swapped))
    result = run(Encoder(), path, checks=("outputs", "axis"))
    assert result.passed, result.failures


def test_inputs_that_cannot_be_matched(tmp_path):
    path = saved(tmp_path / "traced.pt", Renamed(extra=True).eval(), more=(torch.zeros(1),))
    found = of(run(Encoder(), path), "trace")
    assert found.outcome == "failed"
    assert "it takes x, m, other; the model's inputs are signal, mask" in found.message
    assert "hint: declare the inputs in the file's order" in found.message


def test_training_mode_is_named(tmp_path):
    result = run(Encoder(), saved(tmp_path / "traced.pt", Encoder().train()), checks=("trace",))
    assert any("was traced in training mode" in note for note in result.notes)


def test_a_file_that_is_refused_costs_one_test(tmp_path):
    path = tmp_path / "traced.pt"
    whole = Path(saved(path, Encoder().eval())).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    result = run(Encoder(), str(path))
    assert [item.name for item in result.failures] == ["trace"]
    assert f"artifact {path}: torch.jit.load refuses it: " in of(result, "trace").message.splitlines()[0]


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Encoder()

    def forward(self, batch):
        return {"hidden": self.inner(batch["signal"], batch["mask"])[0]}


class Flat(nn.Module):
    """As the summary shows it, in another order."""

    def forward(self, batch_mask, batch_signal):
        return self.model({"signal": batch_signal, "mask": batch_mask})["hidden"]


def test_a_file_that_takes_nested_inputs_flat(tmp_path: Path) -> None:
    flat = Flat()
    flat.model = Nested()
    signal, mask = torch.randn(2, 5, 6), torch.ones(2, 5, dtype=torch.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(flat.eval(), (mask, signal)).save(str(tmp_path / "flat.pt"))
    result = check(
        Nested().eval(),
        inputs={"batch": INPUTS},
        artifact=str(tmp_path / "flat.pt"),
        checks=("trace", "outputs", "axis"),
    )
    assert result.passed, [item.message for item in result.failures]
    assert list(result.exports[0].signature.inputs) == ["batch.mask", "batch.signal"]
