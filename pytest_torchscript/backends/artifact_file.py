"""A TorchScript file made elsewhere: looked at in a process of its own first, then used in place of a trace of ours."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pytest_torchscript.backends.base import ExportRequest, Traits
from pytest_torchscript.backends.torchscript import TorchScriptArtifact, TorchScriptBackend, load_torchscript
from pytest_torchscript.errors import BackendError

#: Loads a file that may be corrupt or crash the interpreter, and says what it wants.
_LOOK = """
import json, sys, warnings
warnings.simplefilter("ignore")
import torch
module = torch.jit.load(sys.argv[1], map_location="cpu")
arguments = [a for a in module.forward.schema.arguments if a.name != "self"]
print(json.dumps({
    "inputs": [a.name for a in arguments],
    "types": [str(a.type) for a in arguments],
    "training": bool(module.training),
    "class": str(module.original_name),
}))
"""
LOOK_SECONDS = 600


@dataclass(frozen=True)
class FileFacts:
    """What a TorchScript file says of itself: the parameters of its forward, in order, and its mode."""

    inputs: tuple[str, ...]
    training: bool
    class_name: str


def look_at_file(path: str) -> FileFacts:
    """Load a file in a process of its own and return what it wants. BackendError, in one line, for any file that cannot."""
    if not Path(path).is_file():
        raise BackendError(f"artifact {path}: no such file", hint="give the path of a file saved with torch.jit.save")
    try:
        done = subprocess.run(
            [sys.executable, "-c", _LOOK, path], capture_output=True, text=True, timeout=LOOK_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise BackendError(f"artifact {path}: not loaded within {LOOK_SECONDS} seconds", hint="save it again") from None
    if done.returncode:
        raise BackendError(
            f"artifact {path}: torch.jit.load refuses it: {_reason(done.stderr, done.returncode)}",
            hint="give a complete file saved with torch.jit.save, not a checkpoint of torch.save",
        )
    facts = json.loads(done.stdout.splitlines()[-1])
    if any(kind != "Tensor" for kind in facts["types"]):
        raise BackendError(
            f"artifact {path}: its inputs are {', '.join(facts['types'])}, not tensors alone",
            hint="trace a wrapper whose forward takes tensors, in the order of the model's inputs",
        )
    return FileFacts(tuple(facts["inputs"]), facts["training"], facts["class"])


def _reason(stderr: str, code: int) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line.split(":")[0]]
    said = errors[-1] if errors else lines[-1] if lines else ""
    return said[:240] if said and code > 0 else f"the process died with code {code}"


class FileBackend(TorchScriptBackend):
    """The TorchScript backend for one file. ``refusal`` is raised by `export`: a bad file costs the trace check alone."""

    traits = Traits(reexports=False, saves=True, torchscript=True)
    lacks: ClassVar[Mapping[str, str]] = {"reexports": "the artifact was made elsewhere: nothing else is exported"}

    def __init__(self, path: str, refusal: BackendError | None = None) -> None:
        super().__init__()
        self.path = path
        self.refusal = refusal

    def export(self, request: ExportRequest) -> TorchScriptArtifact:
        """Return the file's module, whatever the example is."""
        if self.refusal is not None:
            raise self.refusal
        return load_torchscript(Path(self.path))
