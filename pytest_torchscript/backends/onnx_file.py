"""An ONNX file made elsewhere, run by onnxruntime in place of an export of ours."""

from __future__ import annotations

from pathlib import Path

from pytest_torchscript.backends.artifact_file import looked
from pytest_torchscript.backends.base import REORDERED, Artifact, ExportRequest, FileFacts, MadeElsewhere, Traits
from pytest_torchscript.backends.onnx import LOADER, OnnxArtifact, OnnxBackend
from pytest_torchscript.backends.onnx_format import package, weight_files
from pytest_torchscript.errors import BackendError
from pytest_torchscript.versions import installed_version

#: Reads the file, and then loads it with its weights, as onnxruntime will.
_LOOK = """
import json, sys
import onnx, onnxruntime
model = onnx.load(sys.argv[1], load_external_data=False)
options = onnxruntime.SessionOptions()
options.log_severity_level = 4
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
print(json.dumps({
    "inputs": [item.name for item in session.get_inputs()],
    "types": [item.type for item in session.get_inputs()],
    "made": " ".join(filter(None, (model.producer_name, model.producer_version))) or "unknown",
}))
"""


def look_at_onnx(path: str) -> FileFacts:
    """Return what a file takes. BackendError for one that cannot be used, `Unavailable` where a package is missing."""
    for name in ("onnx", "onnxruntime"):
        package(name)
    if not Path(path).is_file():
        raise BackendError(f"artifact {path}: no such file", hint="give the path of a file that was exported and saved")
    hint = "give a complete ONNX file, of an opset that this onnxruntime knows"
    _ask_for_weights(path, hint)
    facts = looked(path, _LOOK, by="onnxruntime", hint=hint)
    if any(not kind.startswith("tensor(") for kind in facts["types"]):
        raise BackendError(
            f"artifact {path}: its inputs are {', '.join(facts['types'])}, not tensors alone",
            hint="export a wrapper whose forward takes tensors",
        )
    return FileFacts(tuple(facts["inputs"]), training=False, class_name=f"made by {facts['made']}")


def _ask_for_weights(path: str, hint: str) -> None:
    """Raise BackendError where a file that holds weights is not beside the first."""
    try:
        names = weight_files(Path(path))
    except Exception as error:  # protobuf's own, in words for who knows protobuf
        said = f"artifact {path}: onnx cannot read it: {type(error).__name__}"
        raise BackendError(said, hint=hint) from None
    missing = [name for name in names if not (Path(path).parent / name).is_file()]
    if missing:
        raise BackendError(
            f"artifact {path}: its weights stand in {', '.join(missing)}, which is not beside it",
            hint="move that file with it, under its own name, or save it as one file",
        )


class OnnxFile(MadeElsewhere):
    """A file of ONNX."""

    name = OnnxBackend.name
    traits = Traits(arithmetic=REORDERED, reexports=False, saves=True)
    ending = OnnxBackend.ending
    look = staticmethod(look_at_onnx)

    def load(self, request: ExportRequest) -> Artifact:
        """Load it. Inputs go by the places that they have in the file."""
        names = self.facts.inputs if self.facts else ()
        details = {"file": self.path, "onnxruntime": installed_version("onnxruntime")}
        return OnnxArtifact(Path(self.path), request, details, names=names)

    def loader(self) -> str:
        """Load with torch and onnxruntime."""
        return LOADER
