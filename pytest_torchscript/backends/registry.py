"""Backends by the name users give them: those of this package, and those that a repository brings by the hook.

No backend of this package is imported before it is asked for.
"""

from __future__ import annotations

import importlib
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pytest_torchscript.backends.base import BF16, Backend, MadeElsewhere, MarkedDevice
from pytest_torchscript.errors import OptionError, unknown
from pytest_torchscript.settings import Settings

_HOMES = {
    "torchscript": "pytest_torchscript.backends.torchscript:TorchScriptBackend",
    "torch_export": "pytest_torchscript.backends.torch_export:TorchExportBackend",
    "aot_inductor": "pytest_torchscript.backends.aot_inductor.backend:AotInductorBackend",
    "onnx": "pytest_torchscript.backends.onnx:OnnxBackend",
    "served": "pytest_torchscript.backends.served.backend:ServedBackend",
    "neuron": "pytest_torchscript.backends.neuron.inf1:NeuronBackend",
    "neuronx": "pytest_torchscript.backends.neuron.inf2:NeuronxBackend",
}
#: The device that tests with the plugin's marker for devices need.
_MARKED_DEVICE = "pytest_torchscript.backends.neuron.marked:NeuronDevice"
#: Distributions of backends whose versions a report names, where they are installed.
DISTRIBUTIONS = ("torch-neuron", "neuron-cc", "torch-neuronx", "neuronx-cc")
#: Files made elsewhere, by their ending; what is no other is TorchScript's.
_FILES = defaultdict(
    lambda: "pytest_torchscript.backends.artifact_file:TorchScriptFile",
    {
        ".onnx": "pytest_torchscript.backends.onnx_file:OnnxFile",
        ".pt2": "pytest_torchscript.backends.exported_file:ExportedFile",
        "package": "pytest_torchscript.backends.aot_inductor.file:PackageFile",
    },
)
#: What a model is exported with where nothing else is asked for.
DEFAULT = Settings().backends[0]


def backend_names(own: Iterable[type[Backend]] = ()) -> tuple[str, ...]:
    """Return the names of all backends, the default one first; ``own`` are the repository's."""
    return (*_HOMES, *(backend.name for backend in own))


def backend_class(name: str, own: Iterable[type[Backend]] = ()) -> type[Backend]:
    """Return a backend by name. OptionError for a name that is none."""
    brought = {backend.name: backend for backend in own}
    if name in brought:
        return brought[name]
    if name not in _HOMES:
        raise unknown("backend", name, (*_HOMES, *brought))
    found: type[Backend] = _imported(_HOMES[name])
    return found


def marked_device() -> type[MarkedDevice]:
    """Return what tests with the marker for devices run on; it is made of a run's settings."""
    found: type[MarkedDevice] = _imported(_MARKED_DEVICE)
    return found


def _imported(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)


def make_backend(name: str, settings: Settings) -> Backend:
    """Return a backend as the settings of a run have it. OptionError for a name that is none, or a malformed option."""
    chosen = backend_class(name, settings.own_backends)
    return chosen(chosen.options_from(settings))


def backend_of_file(path: str) -> MadeElsewhere:
    """Return the backend of a file made elsewhere, by what the file is. It tells of a bad file when it is asked to export."""
    home, _, attribute = _FILES[_kind_of_file(path)].partition(":")
    found: type[MadeElsewhere] = getattr(importlib.import_module(home), attribute)
    made: MadeElsewhere = found.of(path)
    return made


def _kind_of_file(path: str) -> str:
    """Tell files apart by their ending, and archives of torch by what lies in them."""
    ending = Path(path).suffix.lower()
    if ending != ".pt2":
        return ending
    try:
        names = zipfile.ZipFile(path).namelist()
    except (OSError, zipfile.BadZipFile):  # its reader says what is wrong
        return ending
    return "package" if any("/aotinductor/" in name for name in names) else ending


def backend_for(name: str, **options: Any) -> Backend:
    """Return a backend of this package with options of its own."""
    chosen = backend_class(name)
    return chosen(chosen.Options.of(options, backend=name))


def check_options(settings: Settings) -> None:
    """Raise OptionError for a backend that nothing answers to, and for an option that no backend has, or of another type."""
    known = backend_names(settings.own_backends)
    for name in (*settings.backends, *settings.options):
        if name not in known:
            raise unknown("backend", name, known)
    for name in settings.options:
        backend_class(name, settings.own_backends).options_from(settings)
    check_place(settings)
    if settings.neuron_options:
        from pytest_torchscript.backends.neuron.options import NeuronOptions

        NeuronOptions.of(settings.neuron_options, backend="neuron")


def check_place(settings: Settings) -> None:
    """Raise OptionError for a device that is not there, and for a dtype beside a backend that computes in its own: that is
    measured from eager in float32."""
    if settings.device is not None:
        from pytest_torchscript.common.devices import found

        found(settings.device)
    if settings.dtype in (None, "float32"):
        return
    for name in settings.backends:
        if make_backend(name, settings).traits.arithmetic == BF16:
            raise OptionError(
                f"dtype {settings.dtype} with backend {name!r}: what that computes in is measured from eager in float32",
                hint="leave the dtype out: options of the backend choose its arithmetic",
            )


def own_backends(answers: Iterable[Any]) -> tuple[type[Backend], ...]:
    """Return what implementations of the hook ``pytest_torchscript_backends`` brought, one list each.

    OptionError for what is no backend, has no name, or takes the name of another.
    """
    brought: dict[str, type[Backend]] = {}
    for answer in answers:
        for item in answer if isinstance(answer, (list, tuple)) else [answer]:
            if not (isinstance(item, type) and issubclass(item, Backend)):
                raise OptionError(
                    f"hook pytest_torchscript_backends: {item!r} is no class of backends",
                    hint="return a list of subclasses of pytest_torchscript.backends.Backend",
                )
            if not (isinstance(item.name, str) and item.name.isidentifier()):
                raise OptionError(
                    f"hook pytest_torchscript_backends: {item.__name__} has the name {item.name!r}",
                    hint="set its attribute name to one word: what --torchscript-backend is given",
                )
            if item.name in (*_HOMES, "axis") or brought.get(item.name, item) is not item:
                raise OptionError(
                    f"hook pytest_torchscript_backends: there is another backend {item.name!r} than {item.__name__}",
                    hint="give it a name of its own; taken are: " + ", ".join((*_HOMES, *brought)),
                )
            brought[item.name] = item
    return tuple(brought.values())
