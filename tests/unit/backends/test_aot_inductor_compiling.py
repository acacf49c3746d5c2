"""The C++ compiler behind AOTInductor: found by its name, and quoted when it fails."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pytest_torchscript.backends.aot_inductor import compiling
from pytest_torchscript.errors import BackendError


class CppCompileError(RuntimeError):
    pass


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def compile_and_package(program: Any, *, package_path: str) -> None:
        raise error

    # Not in torch itself: what torch.export loads of it while it is another stays so.
    inductor = SimpleNamespace(aoti_compile_and_package=compile_and_package)
    monkeypatch.setattr(compiling, "torch", SimpleNamespace(_inductor=inductor, no_grad=torch.no_grad))


def test_its_own_lines_are_told_however_deep_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    inner = CppCompileError("compiling\n  a.cpp:1: error: no licence\nnote: nothing\n")
    outer = RuntimeError("backend failed")
    outer.__cause__ = inner
    failing(monkeypatch, outer)
    with pytest.raises(BackendError, match=r"the C\+\+ compiler failed") as caught:
        compiling.compiled(None, Path("m.pt2"))
    assert caught.value.evidence == ("a.cpp:1: error: no licence",)
    assert "whether no-such-compiler compiles anything here" in caught.value.hint


def test_what_is_not_the_compilers_passes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, ZeroDivisionError("not its fault"))
    with pytest.raises(ZeroDivisionError):
        compiling.compiled(None, Path("m.pt2"))


def test_the_environment_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", sys.executable)
    assert compiling.compiler() == sys.executable
    assert compiling.compiler_version().startswith("Python 3")
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert compiling.compiler() is None
    monkeypatch.delenv("CXX")
    assert compiling.compiler_name() in ("g++", "clang++", "cl")
