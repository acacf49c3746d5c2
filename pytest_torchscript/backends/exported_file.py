"""A file of torch.export.save made elsewhere, used in place of an export of ours."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree

from pytest_torchscript.backends.artifact_file import looked
from pytest_torchscript.backends.base import Artifact, ExportRequest, FileFacts, MadeElsewhere, Traits
from pytest_torchscript.backends.torch_export import ExportedArtifact, TorchExportBackend
from pytest_torchscript.common.silence import mute
from pytest_torchscript.errors import BackendError

#: Loads a file that may be corrupt, and says what it wants: an input that is no tensor is a constant there.
_LOOK = """
import json, sys, warnings
warnings.simplefilter("ignore")
import torch
program = torch.export.load(sys.argv[1])
wanted = program.graph_signature.user_inputs
print(json.dumps({"inputs": [str(name) for name in wanted], "tensors": all(isinstance(name, str) for name in wanted)}))
"""
#: Calls the program as it was exported, whatever stood by name; a fresh process imports torch alone.
LOADER = """
import torch
from torch.utils import _pytree

def load(path):
    program = torch.export.load(path)
    module, spec = program.module(), program.call_spec.in_spec

    def run(*tensors):
        args, kwargs = _pytree.tree_unflatten(tensors, spec)
        return module(*args, **kwargs)

    return run
"""


def look_at_exported(path: str) -> FileFacts:
    """Return what a file takes. BackendError, with the torch that saved it, for one that this torch does not load."""
    made = _torch_of(path)
    by = f"torch.export.load of torch {torch.__version__}"
    hint = "give a complete file saved with torch.export.save"
    if made and made != torch.__version__:
        hint = f"it was saved by torch {made}: load it with that, or export it again with this one"
    facts = looked(path, _LOOK, by=by, hint=hint)
    if not facts["tensors"]:
        raise BackendError(
            f"artifact {path}: its inputs are {', '.join(facts['inputs'])}, not tensors alone",
            hint="export a wrapper whose forward takes tensors",
        )
    return FileFacts(tuple(facts["inputs"]), training=False, class_name=f"torch {made or 'unknown'}")


def _torch_of(path: str) -> str:
    """Return the version of torch that saved a file; empty where the file does not say."""
    try:
        with zipfile.ZipFile(path) as archive:
            texts = [archive.read(name) for name in archive.namelist() if name.endswith(("model.json", "program.json"))]
        return str(json.loads(texts[0]).get("torch_version", "")) if texts else ""
    except (OSError, ValueError, zipfile.BadZipFile, AttributeError):
        return ""


class ExportedFile(MadeElsewhere):
    """A file of torch.export.save."""

    name = TorchExportBackend.name
    traits = Traits(reexports=False, saves=True)
    ending = TorchExportBackend.ending
    look = staticmethod(look_at_exported)

    def load(self, request: ExportRequest) -> Artifact:
        """Load it."""
        with mute():
            return _LoadedArtifact(torch.export.load(self.path), request)

    def loader(self) -> str:
        """Load with torch alone."""
        return LOADER


class _LoadedArtifact(ExportedArtifact):
    """A program that was exported by name or with nested inputs is called so."""

    def __init__(self, program: Any, request: ExportRequest) -> None:
        super().__init__(program, request)
        module: Callable[..., Any] = self._run

        def run(*tensors: torch.Tensor) -> Any:
            args, kwargs = _pytree.tree_unflatten(tensors, program.call_spec.in_spec)
            return module(*args, **kwargs)

        self._run = run
        self.notes = ()  # what another export would do is not asked of a file
