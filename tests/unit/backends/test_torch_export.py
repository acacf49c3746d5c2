from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript.backends import ExportRequest, Refused
from pytest_torchscript.backends.registry import backend_for
from pytest_torchscript.checks import check
from pytest_torchscript.models.calling import Positional
from tests import toys

BACKEND = backend_for("torch_export")
DIMS = {"x": ("batch", "time", 4)}

pytestmark = pytest.mark.skipif(BACKEND.readiness().action == "skip", reason="torch.export has no Dim.AUTO here")


class Threshold(nn.Module):
    def forward(self, x):
        return x * 2 if x.shape[1] > 20 else x


class Loop(nn.Module):
    def forward(self, x):
        return torch.stack([x[row] * 2 for row in range(x.shape[0])])


def exported(module):
    request = ExportRequest(Positional(module, ("x",)).eval(), (torch.randn(2, 11, 4),), ("x",), DIMS)
    return BACKEND.export(request)


@pytest.mark.parametrize(
    ("module", "frozen", "said"),
    [
        (toys.Sound(), {}, ""),
        (toys.FrozenMean(), {"time": 11}, "torch.export specialised time=11; with strict=True time would move"),
        (Loop(), {"batch": 2}, "torch.export specialised batch=2; strict=True does the same"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_was_specialised_is_known_and_told(module, frozen, said):
    artifact = exported(module)
    assert artifact.details["specialised"] == artifact.frozen == frozen
    assert "".join(artifact.notes) == said


def test_a_range_stands_in_the_details():
    artifact = exported(Threshold())
    assert artifact.details["ranges"]["time"] == "VR[2, 20]"
    assert not artifact.notes


def test_a_guard_is_told_by_axis_and_input():
    with pytest.raises(Refused, match="Guard failed: time of x == 11"):
        exported(toys.FrozenMean())(torch.randn(2, 12, 4))
    with pytest.raises(Refused, match="Guard failed: time of x <= 20"):
        exported(Threshold())(torch.randn(2, 21, 4))


def test_a_refused_export_prints_nothing_and_keeps_its_words(capfd):
    with pytest.raises(Exception, match="data-dependent"):
        exported(toys.FrozenSign())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("module", "axis", "verdict"),
    [
        (toys.Sound(), "time", "dynamic"),
        (toys.FrozenMean(), "time", "fixed"),
        (toys.FrozenView(), "time", "fixed"),
        (Loop(), "batch", "fixed"),
        (Threshold(), "time", "fixed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_verdicts_and_lines(module, axis, verdict):
    found = check(module.eval(), inputs=toys.SIGNAL, backends=("torch_export",), checks="axis").axis(axis)
    assert found.verdict == verdict
    assert [cause.function for cause in found.causes[:1]] == (["forward"] if verdict == "fixed" else [])


def test_the_file_is_loaded_by_torch_alone():
    (found,) = check(toys.Sound().eval(), inputs=toys.SIGNAL, backends=("torch_export",), checks="save_load").checks
    assert found.outcome == "passed", found.message
