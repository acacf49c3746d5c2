"""--torchscript-map-location."""

from __future__ import annotations

import pytest
from plugin_runs import Run, assert_usage_error

BOUND = """
import torch
from torch import nn
from pytest_torchscript import TensorSpec

class Bound(nn.Module):
    def forward(self, x):
        return x + torch.arange(4, device=x.device)

def bound():
    return Bound().eval(), {"x": TensorSpec("batch", 4)}
"""


@pytest.fixture(autouse=True)
def module(toys: pytest.Pytester) -> None:
    toys.makepyfile(bound_models=BOUND)


def test_without_it_the_summary_warns(run: Run) -> None:
    result = run("--torchscript-model", "bound_models:bound", "-k", "device")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["*warning: bound to the device it was traced on (cpu), *: at *bound_models.py:7 in forward: arange *"]
    )


def test_in_the_ini(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntorchscript_map_location = cuda\n")
    run("--torchscript-model", "bound_models:bound", "-k", "device").assert_outcomes(failed=1)


def test_with_it_the_test_fails(run: Run) -> None:
    result = run("--torchscript-model", "bound_models:bound", "-k", "device", "--torchscript-map-location", "cuda")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*bound to cpu: 1 line of the model names the device, and it will be loaded on cuda*"])
    result.stdout.fnmatch_lines(["*again: *--torchscript-map-location cuda*", "*hint: trace it on cuda*"])


def test_a_device_that_is_none(run: Run) -> None:
    assert_usage_error(
        run("--torchscript-model", "zoo:good", "--torchscript-map-location", "gpu"), "device 'gpu' does not exist"
    )
