"""A package of AOTInductor made elsewhere, run in place of one of ours."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from pytest_torchscript.backends.aot_inductor.backend import LOADER, AotInductorArtifact, AotInductorBackend
from pytest_torchscript.backends.artifact_file import looked
from pytest_torchscript.backends.base import REORDERED, Artifact, ExportRequest, FileFacts, MadeElsewhere, Traits

#: Loads the package, which another torch or another processor may not, and counts its inputs: their names are not kept.
_LOOK = """
import json, sys, warnings
warnings.simplefilter("ignore")
import torch
loaded = torch._inductor.aoti_load_package(sys.argv[1])
spec, _ = loaded.loader.get_call_spec()
count = torch.utils._pytree.treespec_loads(spec).num_leaves
print(json.dumps({"count": count}))
"""


def look_at_package(path: str) -> FileFacts:
    """Return how many inputs a package takes, by place. BackendError for one that cannot be loaded here."""
    hint = "a package is bound to its torch and its processor: compile it where it will run"
    facts = looked(path, _LOOK, by=f"AOTInductor of torch {torch.__version__}", hint=hint)
    names = tuple(f"input {place}" for place in range(facts["count"]))
    return FileFacts(names, training=False, class_name="a package of AOTInductor")


class PackageFile(MadeElsewhere):
    """A package of AOTInductor."""

    name = AotInductorBackend.name
    traits = Traits(arithmetic=REORDERED, reexports=False, saves=True)
    ending = AotInductorBackend.ending
    look = staticmethod(look_at_package)

    def load(self, request: ExportRequest) -> Artifact:
        """Load a copy in a process of its own: beside it stands what is exchanged."""
        path = request.directory / "model.pt2"
        shutil.copyfile(Path(self.path), path)
        return AotInductorArtifact(path, request, {"file": self.path}, AotInductorBackend.Options().timeout)

    def loader(self) -> str:
        """Load with torch alone."""
        return LOADER
