"""Whose line it is, and what is said of lines that cannot be read."""

from __future__ import annotations

from pathlib import Path

import torch

from pytest_torchscript.tracing.frames import (
    Frame,
    make_cause,
    model_stack,
    parse_range,
    source_line,
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


def test_a_line_is_quoted_where_it_can_be_read() -> None:
    frame = Frame(__file__, 1, "<module>")
    assert source_line(frame).startswith('"""Whose line it is')
    cause = make_cause((frame,), "7 became 11")
    assert (cause.file, cause.line, cause.evidence) == (__file__, 1, "7 became 11")


def test_a_line_that_cannot_be_read_says_so() -> None:
    absent = make_cause((Frame("/nowhere/model.py", 12, "forward"),), "7 became 11")
    assert str(absent) == "/nowhere/model.py:12 in forward: 7 became 11 (the source cannot be read)"
    generated = make_cause((Frame("<string>", 2, "forward"),), "7 became 11")
    assert str(generated) == "line not known: 7 became 11 (in generated code)"
    called = make_cause((Frame("<string>", 2, "g"), Frame("/me/model.py", 3, "f")), "7 became 11")
    assert called.evidence.endswith("(in generated code, called at /me/model.py:3)")
    assert str(make_cause((), "7 became 11")) == "line not known: 7 became 11"
