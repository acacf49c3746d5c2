"""Files of ONNX, and the packages that read them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_torchscript.backends.base import Unavailable
from pytest_torchscript.errors import first_line

#: Under which key a file holds the order of its inputs.
INPUTS = "inputs"


def package(name: str) -> Any:
    """Import a package of the extra. `Unavailable` where it is not there."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        hint = "pip install 'pytest-torchscript[onnx]'"
        raise Unavailable(f"package {name} is not installed", evidence=[first_line(error)], hint=hint) from None


def weight_files(path: Path) -> list[str]:
    """Return the names of the files beside a file of ONNX that hold its weights."""
    model = package("onnx").load(str(path), load_external_data=False)
    entries = [entry for tensor in model.graph.initializer for entry in tensor.external_data]
    return sorted({entry.value for entry in entries if entry.key == "location"})


def signed(path: Path, names: Sequence[str]) -> int:
    """Write the order of the inputs into a file, for an exporter leaves out unused ones; return the opset."""
    onnx = package("onnx")
    model = onnx.load(str(path), load_external_data=False)
    onnx.helper.set_model_props(model, {INPUTS: " ".join(names)})
    onnx.save(model, str(path))
    return next(int(item.version) for item in model.opset_import if not item.domain)
