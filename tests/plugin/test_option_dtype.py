"""--torchscript-dtype."""

from __future__ import annotations

import json

import pytest
import torch
from plugin_runs import Run, assert_usage_error

from pytest_torchscript.errors import OptionError
from pytest_torchscript.settings import make_settings

MODELS = """
import torch
from torch import nn
from pytest_torchscript import TensorSpec

class Layered(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        assert x.dtype == self.layer.weight.dtype
        return self.layer(x)

class Tabled(Layered):
    def __init__(self):
        super().__init__()
        self.table = torch.ones(4, 4)

    def forward(self, x):
        return self.layer(x) @ self.table

def layered():
    return Layered().eval(), {"x": TensorSpec("batch", 4)}

def doubled():
    return Layered().double().eval(), {"x": TensorSpec("batch", 4)}

def shown():
    return Layered().eval(), {"x": torch.rand(3, 4)}

class TooLarge(Layered):
    def bfloat16(self):
        raise MemoryError("out of memory")

def too_large():
    return TooLarge().eval(), {"x": TensorSpec("batch", 4)}

def tabled():
    return Tabled().eval(), {"x": TensorSpec("batch", 4)}
"""
CHEAP = "outputs or axis or values or save_load"


@pytest.fixture(autouse=True)
def module(toys: pytest.Pytester) -> None:
    toys.makepyfile(dtype_models=MODELS)


@pytest.mark.parametrize("given", ["layered", "shown", "doubled"])
def test_inputs_and_weights_follow(run: Run, pytester: pytest.Pytester, given: str) -> None:
    result = run(
        *("--torchscript-model", f"dtype_models:{given}", "--torchscript-dtype", "bfloat16", "-k", CHEAP),
        *("--torchscript-report", "out.json"),
    )
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*Layered, 20 parameters, own weights, in bfloat16*"])
    model = json.loads((pytester.path / "out.json").read_text())["models"][0]
    assert (model["dtype"], model["device"]) == ("bfloat16", "cpu")


def test_without_it_a_model_stays_as_it_is(run: Run) -> None:
    result = run("--torchscript-model", "dtype_models:doubled", "-k", CHEAP)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*own weights, in float64*"])


def test_in_the_ini_and_in_a_marker(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntorchscript_dtype = float64\n")
    pytester.makepyfile(
        test_own="""
        import pytest, torch
        import dtype_models

        @pytest.mark.torchscript(dtype_models.layered()[0], inputs=dtype_models.layered()[1], dtype=torch.bfloat16)
        def test_marker(torchscript_eager, torchscript_inputs, torchscript):
            assert torchscript_inputs["x"].dtype == torch.bfloat16
            assert torchscript_eager(torchscript_inputs).dtype == torch.bfloat16
            assert torchscript.check(dtype_models.layered()[0], inputs=dtype_models.layered()[1]).dtype == "bfloat16"

        @pytest.mark.torchscript(dtype_models.layered()[0], inputs=dtype_models.layered()[1])
        def test_ini(torchscript_inputs):
            assert torchscript_inputs["x"].dtype == torch.float64
        """
    )
    run("test_own.py").assert_outcomes(passed=2)


def test_a_dtype_that_the_model_cannot_take(run: Run) -> None:
    result = run("--torchscript-model", "dtype_models:tabled", "--torchscript-dtype", "bfloat16")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "*Tabled does not run in bfloat16; in float32 it takes batch=2*",
            "*RuntimeError: *BFloat16*",
            "*at *dtype_models.py:20 in forward: matmul raises*",
            "*hint: hold what this line reads as a buffer*or leave out --torchscript-dtype bfloat16*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_copy_that_there_is_no_room_for(run: Run) -> None:
    result = run("--torchscript-model", "dtype_models:too_large", "--torchscript-dtype", "bfloat16")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["torchscript::dtype_models:too_large: out of memory", "*hint: narrow the axis*"])


def test_a_word_that_is_none(run: Run) -> None:
    assert_usage_error(run("--torchscript-dtype", "bfloat61"), "dtype 'bfloat61' does not exist")
    with pytest.raises(OptionError, match="dtype 'int64' does not exist"):
        make_settings(dtype=torch.int64)


def test_a_backend_that_is_measured_in_float32(run: Run) -> None:
    result = run(
        *("--torchscript-model", "dtype_models:layered", "--torchscript-dtype", "bfloat16"),
        *("--torchscript-backend", "neuronx"),
    )
    assert_usage_error(result, "dtype bfloat16 with backend 'neuronx'")
