from __future__ import annotations

import pytest
import torch

from pytest_torchscript.backends.served.diagnosis import diagnose


@pytest.mark.parametrize("values", [[1.0, 2.0], [float("nan"), float("inf")], []], ids=str)
def test_a_diagnosis_of_any_values(values):
    tensor = torch.tensor(values)
    assert "another model or other weights?" in diagnose([tensor + 1], [tensor], "it")


def test_a_diagnosis_of_rows():
    rows = torch.arange(12.0).reshape(3, 4)
    assert "its rows are rows 2, 0, 1 of eager's" in diagnose([rows[[2, 0, 1]]], [rows], "it")
    assert "another model" in diagnose([rows], [rows], "it")
