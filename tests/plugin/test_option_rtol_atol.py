"""--torchscript-rtol and --torchscript-atol."""

from __future__ import annotations

import pytest
from plugin_runs import Run, assert_usage_error

from pytest_torchscript.errors import OptionError
from pytest_torchscript.settings import tolerance


@pytest.mark.parametrize("text", ["-1", "x", "", "nan", "inf"])
def test_tolerance(text: str) -> None:
    with pytest.raises(OptionError, match="is not a tolerance"):
        tolerance(text)


@pytest.mark.parametrize(("given", "missing"), [("rtol", "atol"), ("atol", "rtol")])
def test_half_a_tolerance(run: Run, given: str, missing: str) -> None:
    result = run(f"--torchscript-{given}", "1e-3")
    assert_usage_error(result, f"--torchscript-{given} is given without --torchscript-{missing}")


def test_half_a_tolerance_in_the_ini(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntorchscript_rtol = 1e-3\n")
    assert_usage_error(run(), "--torchscript-rtol is given without --torchscript-atol")
    assert run("--torchscript-atol", "1e-3", "--torchscript-model", "zoo:good", "-k", "trace").ret == 0


def test_tolerance_replaces_calibration(run: Run) -> None:
    args = ("torchscript::zoo:bad::test_axis", "--torchscript-rtol", "0", "--torchscript-atol", "1000")
    run(*args).assert_outcomes(passed=2)
