"""A process that holds a package of AOTInductor, and answers one call at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path

import torch

from pytest_torchscript.backends.base import Unavailable
from pytest_torchscript.common.exchange import exchange
from pytest_torchscript.errors import BackendError, cut

#: What the process runs: the package, called as its program was exported. Tensors go through two files, and a line each way
#: says that one is written; whatever the package prints goes where its errors go.
_SERVE = """
import os, sys
told = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
import torch
package, asked, answered, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
from torch.utils import _pytree
run = torch._inductor.aoti_load_package(package)
spec = _pytree.treespec_loads(run.loader.get_call_spec()[0])
print("ready", file=told, flush=True)
for _ in sys.stdin:
    try:
        request = torch.load(asked)
        torch.manual_seed(request["seed"])
        args, kwargs = _pytree.tree_unflatten(request["tensors"], spec)
        with torch.no_grad():
            leaves = _pytree.tree_leaves(run(*args, **kwargs))
        answer = {"tensors": [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]}
    except Exception as error:
        answer = {"error": str(error).strip() or type(error).__name__}
    torch.save(answer, answered)
    print("done", file=told, flush=True)
"""
#: Seconds that a process has to end by itself: it removes what it unpacked.
_FAREWELL = 5


class Child:
    """A package in a process of its own, started again after it died. BackendError where the package does not load."""

    def __init__(self, package: Path, timeout: float, environment: Mapping[str, str]) -> None:
        self.package, self.timeout, self.environment = package, timeout, environment
        self._folder = Path(package).parent / "-".join(("child", *environment.values()))
        self._folder.mkdir(exist_ok=True)
        self._process = self._started()

    def __call__(self, *tensors: torch.Tensor) -> list[torch.Tensor]:
        """Return what the package answers. RuntimeError with what it raised, or died of; `Unavailable` after the timeout."""
        if self._process.poll() is not None:
            self._process = self._started()
        request = {"seed": torch.initial_seed(), "tensors": [tensor.detach() for tensor in tensors]}
        torch.save(request, str(self._folder / "asked.pt"))
        if not self._line(self._process, "go"):
            raise RuntimeError(f"the process of the package {self._end()}")
        answer = torch.load(str(self._folder / "answered.pt"))
        if "error" in answer:
            raise RuntimeError(answer["error"])
        tensors_of: list[torch.Tensor] = answer["tensors"]
        return tensors_of

    def _started(self) -> subprocess.Popen[str]:
        places = [str(self._folder / name) for name in ("asked.pt", "answered.pt")]
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            _SERVE,
            str(self.package),
            *places,
            str(torch.get_num_threads()),
        ]
        with (self._folder / "errors.txt").open("w") as errors:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, **self.environment, "TMPDIR": str(self._folder)},
            )
        weakref.finalize(self, _ended, process)
        if not self._line(process, ""):
            self._process = process
            raise BackendError(f"the package does not load: its process {self._end()}", hint="see the line above")
        return process

    def _line(self, process: subprocess.Popen[str], said: str) -> str:
        """Send a line, where there is one, and wait for one; empty where the process ended. `Unavailable` after the timeout."""
        try:
            return exchange(process, said, seconds=self.timeout, kill=subprocess.Popen.kill)
        except subprocess.TimeoutExpired:
            raise Unavailable(
                f"the package gave no answer within {self.timeout:g} seconds",
                hint="--torchscript-option aot_inductor.timeout=SECONDS gives it more",
            ) from None

    def _end(self) -> str:
        """Say how the process ended, with its last words. `Unavailable` where it was killed from outside."""
        code = self._process.wait()
        if code == -signal.SIGKILL:
            raise Unavailable("the process of the package was killed", hint="the machine may have had no memory left")
        lines = (self._folder / "errors.txt").read_text(errors="replace").splitlines()
        last = next((f": {cut(line.strip(), 300)}" for line in reversed(lines) if line.strip()), "")
        return (f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}") + last


def _ended(process: subprocess.Popen[str]) -> None:
    """Close a process, and kill it where it does not end."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(_FAREWELL)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
