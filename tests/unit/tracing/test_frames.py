"""Whose line it is, and what is said of lines that cannot be read."""

from __future__ import annotations

from pathlib import Path

import torch

from pytest_torchscript.tracing.frames import (
    Frame,
    model_stack,
    parse_range,
)

TORCH = Path(torch.__file__).parent


def test_a_stack_ends_where_the_tracer_was_called() -> None:
    text = (
        f"/me/helper.py(3): mean\n/me/model (1).py(12): <lambda>\n{TORCH}/jit/_trace.py(9): trace\n/me/test.py(1): f\n"
    )
    assert parse_range(text) == (Frame("/me/helper.py", 3, "mean"), Frame("/me/model (1).py", 12, "<lambda>"))
    assert parse_range("") == ()


def test_a_scripted_function_is_named_too() -> None:
    text = '  File "/me/model.py", line 7\ndef forward(x):\n    return x + 1\n           ~~~~~ <--- HERE\n'
    assert parse_range(text) == (Frame("/me/model.py", 7, "<scripted>"),)


def test_frames_of_torch_count_only_for_a_model_of_torch_alone() -> None:
    inner = Frame(str(TORCH / "nn" / "functional.py"), 5, "softmax")
    call = Frame(str(TORCH / "nn" / "modules" / "module.py"), 6, "_call_impl")
    mine = Frame("/me/model.py", 7, "forward")
    assert model_stack((inner, call, mine)) == (mine,)
    assert model_stack((inner, call)) == (inner,)
    assert model_stack(()) == ()
