"""AOTInductor: what torch.export made, compiled to C++ and packaged, for servers without Python.

The package drops the guards of the export: at a size that was specialised it answers wrongly, or reads what it does not own.
So it runs in a process of its own. A second one, which runs with the switch that torch offers against this, is started where
somebody asks what that switch would refuse.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from pytest_torchscript.backends.aot_inductor.child import Child
from pytest_torchscript.backends.aot_inductor.compiling import compiled, compiler, compiler_name, compiler_version
from pytest_torchscript.backends.base import (
    REORDERED,
    SKIP,
    Artifact,
    Backend,
    ExportRequest,
    Options,
    Readiness,
    Traits,
)
from pytest_torchscript.backends.cache import ArtifactCache, CacheKey, cache_key
from pytest_torchscript.backends.torch_export import exported_program, ranges_of, specialised_axes
from pytest_torchscript.errors import BackendError, OptionError
from pytest_torchscript.settings import Settings
from pytest_torchscript.versions import numbers_of

#: The switch: torch then looks at dtypes and sizes before each call. It is off unless it is set.
SWITCH = "AOTI_RUNTIME_CHECK_INPUTS"
#: From here on a package is made of the exported program alone.
_SINCE = (2, 6)

#: What a fresh process needs: torch.
LOADER = """
import torch
from torch.utils import _pytree

def load(path):
    package = torch._inductor.aoti_load_package(path)
    spec = _pytree.treespec_loads(package.loader.get_call_spec()[0])

    def run(*tensors):
        args, kwargs = _pytree.tree_unflatten(tensors, spec)
        return package(*args, **kwargs)

    return run
"""


@dataclass(frozen=True)
class AotInductorOptions(Options):
    """``timeout``: seconds that a call may take. ``cache``: a folder for compiled packages, as ``--torchscript-cache``."""

    numbers = "a number of seconds above 0"

    timeout: float = 600.0
    cache: Path | None = None

    def __post_init__(self) -> None:
        if not self.timeout > 0:
            raise OptionError(f"aot_inductor option timeout={self.timeout:g} is not {self.numbers}", hint="write 600")


class AotInductorArtifact(Artifact):
    """A package, called in a child process. ``details`` say which axes the export behind it had specialised."""

    def __init__(self, path: Path, request: ExportRequest, details: Mapping[str, Any], timeout: float) -> None:
        self.path, self.details = path, details
        self._request = request  # its folder holds the package
        self._timeout = timeout
        self._child = Child(path, timeout, {SWITCH: "0"})

    @cached_property
    def switched(self) -> Child:
        """The same package with the switch on, in another process."""
        return Child(self.path, self._timeout, {SWITCH: "1"})

    def __call__(self, *tensors: torch.Tensor) -> list[torch.Tensor]:
        """Run on tensors in the order of the request; RuntimeError for what the package raised, or what it died of."""
        return self._child(*tensors)

    def save(self, path: Path) -> None:
        """Copy the package."""
        shutil.copyfile(self.path, path)


class AotInductorBackend(Backend):
    """Compiles what torch.export makes with ``strict=False``, as torch's own options are."""

    name = "aot_inductor"
    traits = Traits(arithmetic=REORDERED, reexports=False, saves=True)
    ending = ".pt2"
    Options = AotInductorOptions
    lacks = {"reexports": "another export is compiled for long; check it with {default}"}  # noqa: RUF012 - read only

    @classmethod
    def options_from(cls, settings: Settings) -> AotInductorOptions:
        """Take the cache from its own option where this backend is given none."""
        values = {"cache": settings.cache, **settings.options.get(cls.name, {})}
        made: AotInductorOptions = AotInductorOptions.of(values, backend=cls.name)
        return made

    def readiness(self) -> Readiness:
        """It needs a torch that packages, and a C++ compiler."""
        if numbers_of(torch.__version__) < _SINCE:
            wanted = ".".join(map(str, _SINCE))
            return Readiness(
                SKIP, f"torch {torch.__version__} has no packages of AOTInductor", f"install torch {wanted}"
            )
        if compiler() is None:
            return Readiness(
                SKIP,
                f"AOTInductor needs a C++ compiler, and {compiler_name()} is not there",
                "install one (Debian: apt-get install g++), or name it in the environment variable CXX",
            )
        return Readiness()

    def export(self, request: ExportRequest) -> AotInductorArtifact:
        """Export, then compile, or take the package from the cache. What torch.export raises passes through."""
        program = exported_program(request, strict=False)
        details = {"specialised": specialised_axes(program, request), "ranges": ranges_of(program, request)}
        path = request.directory / "model.pt2"
        key = self._key(program, request) if self.options.cache else None
        if key is None:
            compiled(program, path)
            return AotInductorArtifact(path, request, details, self.options.timeout)
        cache = ArtifactCache(str(self.options.cache))
        kept = cache.find(key)
        if kept is not None:
            shutil.copyfile(kept, path)
            try:
                return AotInductorArtifact(path, request, {**details, "cached": str(kept)}, self.options.timeout)
            except BackendError:  # a damaged file: compiled again
                cache.drop(key)
        compiled(program, path)
        artifact = AotInductorArtifact(path, request, details, self.options.timeout)
        cache.keep(key, artifact.save, details)
        return artifact

    def loader(self) -> str:
        """Load with torch alone."""
        return LOADER

    def _key(self, program: Any, request: ExportRequest) -> CacheKey | None:
        """Return what a package depends on, this machine included; None where a model without a trace has no key."""
        graph = f"{program.graph_module.code} {program.range_constraints}"
        machine = {"machine": platform.machine(), "cpu": torch.backends.cpu.get_cpu_capability()}
        versions = {"torch": torch.__version__, "compiler": compiler_version(), **machine}
        options = {"backend": self.name, "program": hashlib.sha256(graph.encode()).hexdigest()}
        try:
            return cache_key(request, options=options, versions=versions)
        except Exception:  # the tracer's: the package is compiled each time
            return None
