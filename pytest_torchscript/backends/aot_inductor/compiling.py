"""The C++ compiler behind AOTInductor: whether it is there, and what it says when it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from pytest_torchscript.common.silence import mute
from pytest_torchscript.errors import BackendError, cut


def compiled(program: Any, path: Path) -> None:
    """Compile a program into a package. BackendError with the compiler's own lines where that fails."""
    try:
        with mute(), torch.no_grad():
            torch._inductor.aoti_compile_and_package(program, package_path=str(path))
    except Exception as error:
        cause = next((each for each in _chain(error) if type(each).__name__ == "CppCompileError"), None)
        if cause is None:
            raise
        said = [cut(line.strip(), 300) for line in str(cause).splitlines() if "error" in line.lower()]
        hint = f"see whether {compiler_name()} compiles anything here; the environment variable CXX names another"
        raise BackendError(f"the C++ compiler failed: {compiler()}", evidence=said[:3], hint=hint) from error


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def compiler_name() -> str:
    """Return what torch calls for a compiler: what CXX says, else the usual one of the system."""
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    return os.environ.get("CXX", usual)


def compiler() -> str | None:
    """Return the path of the compiler that torch will call, or None."""
    return shutil.which(compiler_name())


def compiler_version() -> str:
    """Return the first line that the compiler says of itself."""
    done = subprocess.run([compiler_name(), "--version"], capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0]
