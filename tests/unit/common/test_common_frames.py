"""Whose code a file is, and which line of it raised."""

from __future__ import annotations

import importlib.util
import sysconfig
from pathlib import Path

import pytest
import torch
from torch import nn

import pytest_torchscript
from pytest_torchscript.common.frames import is_machinery, is_model_file, is_tracer, raising_frame

TORCH = Path(torch.__file__).parent
SITE = Path(sysconfig.get_path("purelib"))


@pytest.mark.parametrize(
    ("file", "mine"),
    [
        ("/home/me/model.py", True),
        ("/home/me/torch/model.py", True),
        ("/home/me/pytest_torchscript/model.py", True),
        ("<string>", True),
        (str(SITE / "transformers" / "masking_utils.py"), True),
        (str(SITE / "einops" / "einops.py"), False),
        (str(TORCH / "nn" / "functional.py"), False),
        (str(Path(sysconfig.get_path("stdlib"), "functools.py")), False),
        (str(Path(pytest_torchscript.__file__).parent / "models" / "calling.py"), False),
        ("<frozen importlib._bootstrap>", False),
    ],
)
def test_whose_code_a_file_is(file: str, mine: bool) -> None:
    assert is_model_file(file) is mine


def test_machinery_is_told_by_its_folder_too() -> None:
    assert is_machinery(str(TORCH / "nn" / "modules" / "module.py"))
    assert is_tracer(str(TORCH / "jit" / "_trace.py"))
    assert not is_machinery(str(TORCH / "nn" / "functional.py"))
    assert not is_machinery("/home/me/torch/nn/modules/module.py")
    assert not is_tracer("/home/me/torch/jit/_trace.py")


SOURCE = """
import json, torch

def deep(x):
    return json.loads(x)

def shapes(x):
    return torch.zeros(2) @ torch.zeros(3)
"""


@pytest.fixture
def in_a_folder_called_torch(tmp_path: Path) -> object:
    path = tmp_path / "torch" / "encoder.py"
    path.parent.mkdir()
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("encoder_in_torch", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("function", "line"), [("deep", 5), ("shapes", 8)])
def test_the_innermost_line_of_the_user_is_named(in_a_folder_called_torch: object, function: str, line: int) -> None:
    with pytest.raises(Exception, match=r".") as caught:
        getattr(in_a_folder_called_torch, function)("no json")
    frame = raising_frame(caught.value)
    assert frame is not None
    assert (Path(frame.filename).name, frame.lineno, frame.name) == ("encoder.py", line, function)


def test_a_module_of_torchs_own_is_named_where_no_line_is_the_users() -> None:
    try:
        exec(compile("module(x)", "<frozen test>", "exec"), {"module": nn.Linear(2, 2), "x": torch.zeros(3)})
    except RuntimeError as error:
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # less this test's own frame
        frame = raising_frame(error)
    assert frame is not None
    assert frame.filename.startswith(str(TORCH))
    assert raising_frame(ValueError("never raised")) is None
