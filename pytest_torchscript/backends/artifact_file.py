"""A TorchScript file made elsewhere: looked at in a process of its own first, then used in place of a trace of ours."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from pytest_torchscript.backends.base import Artifact, ExportRequest, FileFacts, MadeElsewhere, Traits
from pytest_torchscript.backends.torchscript import LOADER, TorchScriptBackend, load_torchscript
from pytest_torchscript.common.archives import bomb
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


def look_at_file(path: str) -> FileFacts:
    """Load a file in a process of its own and return what it wants. BackendError, in one line, for any file that cannot."""
    facts = looked(
        path,
        _LOOK,
        by="torch.jit.load",
        hint="give a complete file saved with torch.jit.save, not a checkpoint of torch.save",
    )
    if any(kind != "Tensor" for kind in facts["types"]):
        raise BackendError(
            f"artifact {path}: its inputs are {', '.join(facts['types'])}, not tensors alone",
            hint="trace a wrapper whose forward takes tensors, in the order of the model's inputs",
        )
    return FileFacts(tuple(facts["inputs"]), facts["training"], facts["class"])


def looked(path: str, code: str, *, by: str, hint: str) -> dict[str, Any]:
    """Return the facts that code prints about a file, as JSON in its last line, in a process of its own.

    BackendError, in one line, for a file that is not there, and for one that kills the process, hangs it, or is refused
    ``by`` what reads it.
    """
    if not Path(path).is_file():
        raise BackendError(f"artifact {path}: no such file", hint="give the path of a file that was exported and saved")
    swollen = bomb(path)
    if swollen:
        raise BackendError(f"artifact {path}: {swollen}", hint=hint)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, path], capture_output=True, text=True, timeout=LOOK_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise BackendError(f"artifact {path}: not loaded within {LOOK_SECONDS} seconds", hint="save it again") from None
    if done.returncode:
        said = _reason(done.stderr, done.returncode)
        raise BackendError(f"artifact {path}: {by} refuses it: {said}", hint=hint)
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def _reason(stderr: str, code: int) -> str:
    """Return the last error that was told; torch.export tells the true one in its log, and then says to look there."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    logged = re.findall(r"\] [\w.]*?(\w+Error: .*)", stderr)
    errors = logged or [line for line in lines if "Error" in line.split(":")[0]]
    said = errors[-1] if errors else lines[-1] if lines else ""
    return said[:240] if said and code > 0 else f"the process died with code {code}"


class TorchScriptFile(MadeElsewhere):
    """A file of torch.jit.save."""

    name = TorchScriptBackend.name
    traits = Traits(reexports=False, saves=True, torchscript=True)

    look = staticmethod(look_at_file)

    def load(self, request: ExportRequest) -> Artifact:
        """Load it onto the request's device."""
        return load_torchscript(Path(self.path), request.device)

    def loader(self) -> str:
        """Load with torch alone."""
        return LOADER
