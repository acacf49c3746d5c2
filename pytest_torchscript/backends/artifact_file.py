"""A TorchScript file made elsewhere: looked at in a process of its own first, then used in place of a trace of ours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_torchscript.backends.base import Artifact, FileFacts, MadeElsewhere, Traits
from pytest_torchscript.backends.torchscript import LOADER, TorchScriptBackend, load_torchscript
from pytest_torchscript.errors import BackendError

if TYPE_CHECKING:
    import torch

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


class TorchScriptFile(MadeElsewhere):
    """A file of torch.jit.save."""

    name = TorchScriptBackend.name
    traits = Traits(reexports=False, saves=True, torchscript=True)

    @classmethod
    def of(cls, path: str) -> TorchScriptFile:
        """Look at a file."""
        try:
            return cls(path, look_at_file(path))
        except BackendError as error:
            return cls(path, refusal=error)

    def load(self, device: torch.device | str = "cpu") -> Artifact:
        """Load it onto a device."""
        return load_torchscript(Path(self.path), device)

    def loader(self) -> str:
        """Load with torch alone."""
        return LOADER
