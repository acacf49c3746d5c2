"""--torchscript-device. The ``lazy`` device of torch stands for another one: every machine has it, and it really computes."""

from __future__ import annotations

import json

import pytest
import torch
from plugin_runs import Run, assert_usage_error

needs_lazy = pytest.mark.skipif(
    int(torch.__version__.partition(".")[0]) < 2, reason="the lazy device of torch 1.13 ends the process on an error"
)
LAZY = """
import torch
import torch._lazy.ts_backend
try:
    torch.empty(1, device="lazy")
except NotImplementedError:  # once a process
    torch._lazy.ts_backend.init()
"""
MODELS = """
import torch
from torch import nn
from pytest_torchscript import Axis, TensorSpec

X = {"x": TensorSpec("batch", Axis("time", max=20), 4)}

class Layered(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        assert x.device == self.layer.weight.device
        return self.layer(x).cumsum(1)

class Frozen(Layered):
    def forward(self, x):
        return self.layer(x).sum(1) / float(x.shape[1])

class Tabled(Layered):
    def __init__(self):
        super().__init__()
        self.table = torch.ones(4)

    def forward(self, x):
        return self.layer(x) + self.table

def layered():
    return Layered().eval(), X

def there():
    return Layered().to("lazy").eval(), X

def examples():
    return Layered().eval(), {"x": torch.rand(2, 3, 4).to("lazy")}

def frozen():
    return Frozen().eval(), X

def tabled():
    return Tabled().eval(), X

def filled():
    fill = lambda generator, shape: torch.rand(shape, generator=generator).to("lazy")
    return Layered().eval(), {"x": TensorSpec("batch", "time", 4, fill=fill)}
"""
#: All but save_load: torch writes no tensors of the lazy device.
MOST = "not save_load"


@pytest.fixture(autouse=True)
def module(toys: pytest.Pytester) -> None:
    toys.makepyfile(device_models=MODELS)


def test_a_device_that_is_not_there(run: Run, pytester: pytest.Pytester) -> None:
    missing = "cuda:7"
    result = run("--torchscript-model", "device_models:layered", "--torchscript-device", missing)
    assert_usage_error(result, "--torchscript-device: device 'cuda:7' is not there")
    result.stderr.fnmatch_lines(["*finds cpu*"])
    pytester.makeini("[pytest]\ntorchscript_device = cuda:7\n")
    assert_usage_error(run("--torchscript-model", "device_models:layered"), "device 'cuda:7' is not there")
    assert_usage_error(run("--torchscript-device", "gpu"), "device 'gpu' does not exist")


def test_the_device_that_it_is_on_already(run: Run) -> None:
    run("--torchscript-model", "device_models:layered", "--torchscript-device", "cpu", "-k", "outputs").assert_outcomes(
        passed=1
    )


@needs_lazy
class TestElsewhere:
    @pytest.fixture(autouse=True)
    def lazy(self, pytester: pytest.Pytester) -> None:
        pytester.makeconftest(LAZY)

    def test_all_follow(self, run: Run, pytester: pytest.Pytester) -> None:
        result = run(
            *("--torchscript-model", "device_models:layered", "--torchscript-device", "lazy", "-k", MOST),
            *("--torchscript-report", "out.json"),
        )
        outcomes = result.parseoutcomes()
        assert outcomes["passed"] >= 12
        assert "failed" not in outcomes
        result.stdout.fnmatch_lines(["*Layered, 20 parameters, own weights, on lazy:0*"])
        model = json.loads((pytester.path / "out.json").read_text())["models"][0]
        assert (model["device"], model["dtype"]) == ("lazy:0", "float32")
        assert model["exports"][0]["portability"]["traced_on"] == "lazy"

    def test_a_factory_that_returns_one_from_elsewhere(self, run: Run) -> None:
        run("--torchscript-model", "device_models:there", "-k", "outputs or axis or values").assert_outcomes(passed=4)

    def test_examples_from_elsewhere_are_brought_and_that_is_said(self, run: Run) -> None:
        result = run("--torchscript-model", "device_models:examples", "-k", "outputs or axis")
        result.assert_outcomes(passed=3)
        result.stdout.fnmatch_lines(["*the example tensors are on lazy:0, and brought to cpu*"])

    def test_what_is_wrong_is_found_there(self, run: Run) -> None:
        result = run(
            *("--torchscript-model", "device_models:frozen", "--torchscript-device", "lazy", "-k", "axis or outputs")
        )
        result.assert_outcomes(passed=2, failed=1)
        result.stdout.fnmatch_lines(["*axis 'time' diverges*", "*device_models.py:* in forward: 11.0 became*"])

    def test_a_model_that_does_not_move_as_a_whole(self, run: Run) -> None:
        result = run("--torchscript-model", "device_models:tabled", "--torchscript-device", "lazy")
        assert result.ret == 1
        result.stdout.fnmatch_lines(
            [
                "*Tabled does not run on lazy; on cpu it takes batch=2 time=11*",
                "*at *device_models.py:* in forward: add raises*",
                "*hint: hold what this line reads as a buffer, or make it on the device of its input*",
            ]
        )

    def test_a_fill_with_a_device_of_its_own(self, run: Run) -> None:
        result = run("--torchscript-model", "device_models:filled", "--torchscript-device", "lazy")
        assert result.ret == 1
        result.stdout.fnmatch_lines(
            ["*TensorSpec: fill returned a tensor on lazy:0*", "*hint: make it on the CPU: inputs are drawn there*"]
        )

    def test_in_a_marker(self, run: Run, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(
            test_own="""
            import pytest
            import device_models

            @pytest.mark.torchscript(device_models.layered()[0], inputs=device_models.X, device="lazy")
            def test_marker(torchscript_eager, torchscript_traced, torchscript_inputs):
                answer = torchscript_eager(torchscript_inputs)
                assert answer.device.type == torchscript_traced(torchscript_inputs)[0].device.type == "lazy"

            @pytest.mark.torchscript(device_models.layered()[0], inputs=device_models.X, device="cuda:7")
            def test_not_there(torchscript_eager): ...
            """
        )
        result = run("test_own.py")
        result.assert_outcomes(passed=1, errors=1)
        result.stdout.fnmatch_lines(["*@pytest.mark.torchscript: device 'cuda:7' is not there*"])
