"""What a failed check says of its cause: the line, also where all traces are alike or where torch itself names it."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

from pytest_torchscript import Axis, TensorSpec, check
from pytest_torchscript.backends import Backend
from pytest_torchscript.lab.evidence import Suspicion
from pytest_torchscript.results import FAILED, CheckResult
from tests import toys
from tests.asking import lab_of


def failure(model: nn.Module, name: str, inputs: dict[str, TensorSpec] = toys.SIGNAL) -> CheckResult:
    (found,) = check(model, inputs=inputs, checks=(name,)).checks
    assert found.outcome == FAILED, found
    return found


def line_of(model: type[nn.Module], mark: str = "# named") -> str:
    lines, first = inspect.getsourcelines(model)
    (at,) = [first + at for at, line in enumerate(lines) if line.rstrip().endswith(mark)]
    return f"{__file__}:{at} in "


class SwapsData(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = x * 0
        out.data = torch.relu(x - 0.5)  # named
        return out


class SwapsBuffer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.mean.data = x.mean((0, 1))  # named
        return x - self.mean


class SharesSize(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time = x.shape[1]
        padding = time
        padding %= 4  # named
        return nn.functional.pad(x, (0, 0, 0, padding)).sum(1) / time


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (SwapsData, "forward: the data of a tensor is swapped here, which no trace records"),
        (SharesSize, "in place, under every name that holds it: under the tracer a size is a tensor"),
    ],
)
def test_a_trace_wrong_on_its_own_example_has_a_line(model: type[nn.Module], said: str) -> None:
    message = failure(model(), "outputs").message
    (line,) = [line for line in message.splitlines() if line_of(model) in line]
    assert said in line


def test_a_buffer_that_keeps_what_its_example_made_of_it_fails_for_other_values() -> None:
    message = failure(SwapsBuffer(), "values").message
    assert line_of(SwapsBuffer) in message


class SharesSizeAndRaises(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time = x.shape[1]
        padding = time
        padding %= 4  # named
        padded = nn.functional.pad(x, (0, 0, 0, padding))
        return padded.view(x.shape[0], time + padding, 4)  # raises


def test_a_trace_that_fails_names_what_led_there() -> None:
    message = failure(SharesSizeAndRaises(), "trace").message
    assert line_of(SharesSizeAndRaises) in message
    assert line_of(SharesSizeAndRaises, "# raises") in message


class WarnsInVain(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] == 0:  # the tracer warns of it, and it does no harm
            return x
        return x * 2


class ClampsLater(Backend):
    """Its export is wrong where a value is large, whatever the model says."""

    name = "clamps_later"

    def export(self, request):
        return lambda *tensors: [answer.clamp(-3, 3) for answer in request.module(*tensors)]


def test_no_line_is_blamed_for_what_an_export_does_by_itself() -> None:
    lab = lab_of(WarnsInVain(), backend="clamps_later", own_backends=(ClampsLater,), backends=("clamps_later",))
    inputs = {"x": torch.full((2, 11, 4), 9.0)}
    assert lab.bench.trial(inputs).fails
    assert lab.evidence.warnings
    assert lab.evidence.explain_values(inputs) == []
    (said,) = lab.evidence.places([])
    assert said == "line not known: a trace of the model does not show it; exporting or running may be to blame"


class OwnFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(x)


class CallsOwnFunction(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return OwnFunction.apply(x)  # named


def test_a_file_that_cannot_be_written_names_the_line_that_torch_names() -> None:
    message = failure(CallsOwnFunction(), "save_load").message
    assert line_of(CallsOwnFunction) in message
    assert "Could not export Python function call 'OwnFunction'" in message


class ChainedAddmm(nn.Module):
    """Freezing takes `addmm` apart, and works out shapes as if nothing were broadcast (pytorch/pytorch 92742)."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.rand(6, 4))
        self.left = nn.Parameter(torch.rand(6, 3))
        self.right = nn.Parameter(torch.rand(4, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.sin(x)
        first = torch.addmm(self.bias, self.left, x)  # named
        second = torch.addmm(first, first, self.right)
        return torch.cos(second)


class NormalisesChannels(nn.Module):
    """Freezing folds the norm into the layer as if both worked on the same dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.norm = nn.BatchNorm1d(3)
        nn.init.uniform_(self.norm.weight)
        nn.init.uniform_(self.norm.running_mean)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer(x)
        x = self.norm(x)  # named
        return torch.relu(x)


@pytest.mark.parametrize(
    ("model", "dims", "operation"),
    [
        (ChainedAddmm, (3, "width"), "addmm: RuntimeError: The size of tensor"),
        pytest.param(
            NormalisesChannels,
            ("batch", 3, 3),
            "batch_norm: ",
            marks=pytest.mark.skipif(not hasattr(torch, "compile"), reason="torch before 2 folds no norm into a layer"),
        ),
    ],
)
def test_what_freezing_breaks_is_named(model: type[nn.Module], dims: tuple[int | str, ...], operation: str) -> None:
    inputs = {"x": TensorSpec(*(Axis(dim, min=4, max=4) if dim == "width" else dim for dim in dims))}
    message = failure(model().eval(), "freeze", inputs).message
    assert f"{line_of(model)}forward: {operation}" in message


def test_an_axis_is_clear_where_nothing_of_it_reaches_python() -> None:
    evidence = lab_of(toys.Sound()).evidence
    evidence.export.artifact  # noqa: B018 - the export is the trace that is asked about
    assert evidence.suspect_axis("time") == Suspicion(few=True, alone=True)
    assert not evidence.suspect_axis("time").deciding
    assert evidence.unread


def test_where_sizes_are_compared_the_numbers_are_worth_trying() -> None:
    evidence = lab_of(toys.Needle()).evidence
    evidence.export.artifact  # noqa: B018 - as above
    found = evidence.suspect_axis("time")
    assert (found.few, found.alone, found.hints, found.deciding) == (True, True, (28, 29, 30), True)
    assert evidence.suspect_axis("batch") == Suspicion(few=True, alone=True)


def test_nothing_is_clear_where_python_takes_the_size_or_where_the_export_is_no_trace() -> None:
    evidence = lab_of(toys.FrozenMean()).evidence
    evidence.export.artifact  # noqa: B018 - as above
    assert not evidence.suspect_axis("time").few
    assert evidence.suspect_axis("batch").few
    untried = lab_of(toys.Sound()).evidence
    assert untried.reach is None
    assert not untried.unread


class Table(nn.Module):
    """Compares one size of each axis, and neither with the other."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if x.shape[1] > 40:
            x = x * 2
        if y.shape[1] > 50:
            y = y * 3
        return x.sum(1) + y.sum(1)


BOTH = {"x": TensorSpec("batch", "left", 4), "y": TensorSpec("batch", "right", 4)}


def traces(model: nn.Module, inputs: dict[str, TensorSpec]) -> tuple[dict[str, Suspicion], int]:
    """Return what is suspected of each axis, and how many traces of eager were made to tell."""
    lab = lab_of(model, inputs=inputs)
    lab.export.artifact  # noqa: B018 - as above
    made = []
    trace = lab.evidence.trace
    lab.evidence.trace = lambda inputs, copy=None: made.append(trace(inputs, copy)) or made[-1]  # type: ignore[method-assign, func-returns-value]
    return {name: lab.evidence.suspect_axis(name) for name in lab.spec.moving}, len(made)


def test_one_trace_tells_of_all_axes_where_every_size_that_was_read_is_one_of_theirs() -> None:
    found, made = traces(Table(), BOTH)
    assert made == 2  # that at the anchor, and one
    assert [found[name].same_program(7, 60) for name in ("batch", "left")] == [True, False]
    assert found["left"].same_program(7, 38)
    assert (found["left"].hints, found["right"].hints) == ((39, 40, 41), (49, 50, 51))


class Sum(Table):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        both = torch.cat([x, y], 1)
        return both * 2 if both.shape[1] > 40 else both


class Frozen(Table):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return super().forward(x, y) / int(x.shape[1])


@pytest.mark.parametrize("model", [Sum, Frozen])
def test_else_each_axis_has_a_trace_of_its_own(model: type[nn.Module]) -> None:
    found, made = traces(model(), BOTH)
    assert made >= 4
    assert found["batch"].same_program(1, 1 << 20)
    if model is Sum:
        assert found["left"].hints == found["right"].hints == (39, 40, 41)
    else:
        assert found["left"].causes
        assert found["right"].hints == (49, 50, 51)


class Difference(nn.Module):
    """Freezes how far two sizes are apart."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (x.sum(1) + y.sum(1)) * (int(x.shape[1]) - int(y.shape[1]))


def test_axes_do_not_stay_as_far_apart_as_they_were() -> None:
    found, _ = traces(Difference(), BOTH)
    assert found["left"].causes
    assert found["right"].causes
