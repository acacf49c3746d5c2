"""What both Neuron backends share: the plan, the checks around every call, the details for the report, the cache."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import torch

from pytest_torchscript.backends.base import (
    BF16,
    COMPILE,
    RUN,
    STAND_IN,
    Artifact,
    Backend,
    ExportRequest,
    Readiness,
    Traits,
)
from pytest_torchscript.backends.cache import ArtifactCache, CacheKey, cache_key
from pytest_torchscript.backends.fixed_shapes import ArtifactShapes
from pytest_torchscript.backends.neuron.detect import NeuronStatus, find_neuron, status_of
from pytest_torchscript.backends.neuron.emulate import emulate, load_emulated
from pytest_torchscript.backends.neuron.errors import explain, import_library
from pytest_torchscript.backends.neuron.generations import Generation
from pytest_torchscript.backends.neuron.log import NOTHING, Placement
from pytest_torchscript.backends.neuron.options import NeuronOptions
from pytest_torchscript.backends.neuron.plan import COMPILED_ONLY, neuron_plan
from pytest_torchscript.backends.registry import backend_class
from pytest_torchscript.backends.torchscript import LOADER
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import BackendError
from pytest_torchscript.settings import Settings


class NeuronArtifact(Artifact):
    """A compiled ScriptModule. It runs only where a device was positively found, and only what it was compiled for."""

    def __init__(
        self, module: torch.jit.ScriptModule, shapes: ArtifactShapes, *, details: Mapping[str, Any], runs: bool
    ) -> None:
        self.module = module
        self.shapes = shapes
        self.runs = runs
        #: Device, package, compiler and their versions, arguments, placement, warnings.
        self.details = dict(details)

    def __call__(self, *tensors: torch.Tensor) -> Any:
        """Run on the device. InputError for inputs it was not compiled for, BackendError where there is no device."""
        if not self.runs:
            raise BackendError(COMPILED_ONLY, hint="run on a machine with a device to compare values")
        self.shapes.check(tensors)
        try:
            with torch.no_grad():
                return self.module(*tensors)
        except Exception as error:
            known = explain(error)
            if known is not None:
                raise known from error
            raise

    def save(self, path: Path) -> None:
        """Write with torch.jit.save; loading needs the library imported first."""
        with quiet():
            torch.jit.save(self.module, str(path))


class NeuronBackendBase(Backend):
    """A backend whose artifacts have fixed shapes. Subclasses compile, and say where the graph was placed."""

    generation: Generation
    Options = NeuronOptions
    lacks: ClassVar[Mapping[str, str]] = {
        "ready": "no device",
        "reexports": "another compilation; check it with torchscript",
        "saves": "test_neuron saves it, loads it and asks it again",
        "torchscript": "a compiled artifact is frozen already",
    }
    options: NeuronOptions

    def __init__(self, options: NeuronOptions | None = None, *, status: NeuronStatus | None = None) -> None:
        super().__init__(options)
        self.mode = self.options.mode
        self.cache = self.options.cache
        self.status = status or find_neuron(backend=self.name)
        self.plan: Readiness = neuron_plan(self.mode, self.status)

    @property
    def traits(self) -> Traits:  # type: ignore[override]
        """A compiled artifact takes its own shapes; a stand-in is a trace behind the same check of shapes."""
        if self.plan.action == STAND_IN:
            return Traits(moves=False, saves=True, torchscript=True)
        return Traits(arithmetic=BF16, moves=False, reexports=False)

    @property
    def hint(self) -> str:  # type: ignore[override]
        """What a device answers wrongly is looked at by the check of its own."""
        if self.plan.action != RUN:
            return ""
        return "see test_neuron for whether it looks like precision, and test_trace for where the graph was placed"

    def readiness(self) -> Readiness:
        """Say by the plan what can be exported, and whether it may be run."""
        return self.plan

    @classmethod
    def options_from(cls, settings: Settings) -> NeuronOptions:
        """Join the options that had names of their own before backends had options."""
        own = {"mode": settings.neuron, "cache": settings.cache, **settings.neuron_options}
        values = {**own, **settings.options.get(cls.name, {})}
        made: NeuronOptions = NeuronOptions.of(values, backend="neuron")
        return made

    def loader(self) -> str:
        """Load a stand-in as TorchScript is loaded, an artifact after the library that defines its operators."""
        return LOADER if self.plan.action == STAND_IN else f"import {self.generation.library}\n{LOADER}"

    def export(self, request: ExportRequest) -> Artifact:
        """Compile, or emulate. BackendError for what is missing, known failures, nothing on the device."""
        if self.plan.action == STAND_IN:
            return emulate(request, backend=self.name, dynamic_batch=self.options.dynamic_batch)
        library = self._library()
        shapes = ArtifactShapes.of(request, dynamic_batch=self.options.dynamic_batch)
        shapes.check(request.example)
        if self.cache is None:
            module, details = self._compile(library, request)
            return self._artifact(module, shapes, details)
        return self._cached(library, request, shapes)

    def load(self, path: Path, request: ExportRequest) -> Artifact:
        """Load what an artifact wrote, after importing the library that defines its operators."""
        if self.plan.action == STAND_IN:
            return load_emulated(path, request, backend=self.name, dynamic_batch=self.options.dynamic_batch)
        library = self._library()
        shapes = ArtifactShapes.of(request, dynamic_batch=self.options.dynamic_batch)
        return self._artifact(self._load(path), shapes, self._facts(library))

    def _library(self) -> ModuleType:
        """Return the imported library, or raise what the plan says is missing."""
        if self.plan.action not in (RUN, COMPILE):
            raise BackendError(self.plan.reason, hint=self.plan.hint)
        self._prepare_environment()
        return import_library(self.generation)

    def _prepare_environment(self) -> None:
        """Set what must be set before the library is imported."""

    def _compile(self, library: ModuleType, request: ExportRequest) -> tuple[torch.jit.ScriptModule, dict[str, Any]]:
        """Compile and return the module with its details; known failures in our words."""
        try:
            module, placement, facts = self._trace(library, request)
        except Exception as error:
            known = explain(error, timeout=self.options.timeout)
            if known is None:
                raise
            raise self._blamed(known) from error
        if placement.verdict == NOTHING:
            raise BackendError(
                "nothing on the device: " + placement.reasons[0],
                evidence=placement.reasons[1:],
                hint="read which operators the log calls [not supported]; a tiny model may be too small to place",
            )
        details = {**self._facts(library), **facts, "placement": placement.verdict}
        details["warnings"] = [*details["warnings"], *placement.reasons]
        return module, details

    def _trace(
        self, library: ModuleType, request: ExportRequest
    ) -> tuple[torch.jit.ScriptModule, Placement, dict[str, Any]]:
        raise NotImplementedError

    def _blamed(self, error: BackendError) -> BackendError:
        """Add the compiler to a failure where none was found: it is the likeliest reason."""
        evidence = [*error.evidence, *(item.what for item in self.status.problems if item.kind == "compiler")]
        return BackendError(error.message, evidence=evidence, hint=error.hint)

    def _facts(self, library: ModuleType) -> dict[str, Any]:
        status = self.status
        version = status.version or str(getattr(library, "__version__", "unknown"))
        return {
            "backend": self.name,
            "mode": self.mode,
            "emulated": False,
            "compared": self.plan.answers,
            "note": "" if self.plan.answers else COMPILED_ONLY,
            "device": ", ".join(status.devices),
            "instance": status.instance,
            "package": f"{status.package_name} {version}",
            "compiler": f"{status.compiler_name} {status.compiler_version or 'version unknown'}",
            "compiler_args": list(self._arguments()),
            "dynamic_batch": self.options.dynamic_batch,
            "warnings": list(status.warnings),
        }

    def _arguments(self) -> tuple[str, ...]:
        return self.options.arguments(self.generation)

    def _artifact(
        self, module: torch.jit.ScriptModule, shapes: ArtifactShapes, details: Mapping[str, Any]
    ) -> NeuronArtifact:
        return NeuronArtifact(module, shapes, details=details, runs=self.plan.action == RUN)

    def _load(self, path: Path) -> torch.jit.ScriptModule:
        try:
            with quiet():
                module: torch.jit.ScriptModule = torch.jit.load(str(path))
                return module
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            raise known from error

    def _cached(self, library: ModuleType, request: ExportRequest, shapes: ArtifactShapes) -> NeuronArtifact:
        """Load the artifact of this request from the cache, or compile and keep it."""
        cache, key = ArtifactCache(str(self.cache)), self._key(library, request)
        path = cache.find(key)
        if path is not None and self.plan.action == RUN:
            details = {**self._facts(library), **cache.details(key)}
            details.update(compared=self.plan.answers, note="", mode=self.mode, cached=str(path))
            try:
                return self._artifact(self._load(path), shapes, details)
            except RuntimeError:  # a damaged file; compiled again below
                cache.drop(key)
        module, details = self._compile(library, request)
        artifact = self._artifact(module, shapes, details)
        if isinstance(module, torch.jit.ScriptModule):
            cache.keep(key, artifact.save, details)
        return artifact

    def _key(self, library: ModuleType, request: ExportRequest) -> CacheKey:
        facts = self._facts(library)
        versions = {"package": facts["package"], "compiler": facts["compiler"]}
        versions.update(torch=torch.__version__, python=platform.python_version())
        options = {"backend": self.name, "arguments": facts["compiler_args"], "fallback": self.options.fallback}
        options.update(dynamic_batch=self.options.dynamic_batch, segment=self.options.minimum_segment_size)
        return cache_key(request, options=options, versions=versions)


def neuron_backend(settings: Settings) -> NeuronBackendBase:
    """Return the Neuron backend of a run: the one asked for by name, else the one whose package and device are here."""
    status = status_of(settings)
    chosen = backend_class(status.backend)
    assert issubclass(chosen, NeuronBackendBase)
    return chosen(chosen.options_from(settings), status=status)
