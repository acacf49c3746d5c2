"""--torchscript-anchor."""

from __future__ import annotations

import pytest
from plugin_runs import Run, assert_usage_error, read_report

from pytest_torchscript.errors import OptionError
from pytest_torchscript.settings import anchor as read_anchor

MASKED = """
    import torch
    from torch import nn
    from pytest_torchscript import TensorSpec

    class Masked(nn.Module):
        def forward(self, x, mask=None):
            return x if mask is None else x * mask.unsqueeze(-1)

    def masked():
        mask = TensorSpec("batch", "time", dtype=torch.int64, low=0, high=2, role="mask", optional=True)
        return Masked().eval(), {"x": TensorSpec("batch", "time", 4), "mask": mask}
"""


@pytest.mark.parametrize(
    ("text", "anchor"), [("batch=1", ("batch", 1)), ("mask=none", ("mask", None)), ("mask=None", ("mask", None))]
)
def test_parse(text: str, anchor: tuple[str, int | None]) -> None:
    assert read_anchor(text) == anchor


@pytest.mark.parametrize("text", ["", "batch", "batch=", "batch=x", "=1", "batch=1:2"])
def test_malformed(text: str) -> None:
    with pytest.raises(OptionError, match="is not an anchor"):
        read_anchor(text)


def test_malformed_option(run: Run) -> None:
    assert_usage_error(run("--torchscript-anchor", "batch"), "--torchscript-anchor: 'batch' is not an anchor")


def test_size_zero(run: Run) -> None:
    assert_usage_error(run("--torchscript-anchor", "batch=0"), "size=0")


def test_traced_there(run: Run, pytester: pytest.Pytester) -> None:
    args = ("--torchscript-anchor", "batch=1", "--torchscript-anchor", "time=7", "--torchscript-report", "out.json")
    run("torchscript::zoo:good::test_trace", "torchscript::zoo:good::test_outputs", *args).assert_outcomes(passed=2)
    assert read_report(pytester.path)["models"][0]["exports"][0]["anchors"][0] == {"batch": 1, "time": 7}


def test_unknown_axis(run: Run) -> None:
    result = run("--torchscript-model", "zoo:good", "--torchscript-anchor", "bach=1")
    assert_usage_error(result, "axis 'bach' does not exist", "did you mean 'batch'?")


def test_input_left_out(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(masks=MASKED)
    args = ("--torchscript-anchor", "mask=none", "--torchscript-report", "out.json")
    run("torchscript::masks:masked::test_trace", *args).assert_outcomes(passed=1)
    signature = read_report(pytester.path)["models"][0]["exports"][0]["signature"]
    assert list(signature["inputs"]) == ["x"]


def test_unknown_input(run: Run) -> None:
    result = run("--torchscript-model", "zoo:good", "--torchscript-anchor", "mask=none")
    assert_usage_error(result, "input 'mask' does not exist")
