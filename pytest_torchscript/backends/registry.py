"""Backends by the name users give them. No backend is imported before it is asked for."""

from __future__ import annotations

import importlib
from typing import Any

from pytest_torchscript.backends.base import Backend
from pytest_torchscript.backends.detect import NEURON_BACKENDS
from pytest_torchscript.errors import BackendError, closest
from pytest_torchscript.settings import Settings

_HOMES = {
    "torchscript": "pytest_torchscript.backends.torchscript:TorchScriptBackend",
    "neuron": "pytest_torchscript.backends.neuron:NeuronBackend",
    "neuronx": "pytest_torchscript.backends.neuronx:NeuronxBackend",
}


def backend_for(name: str, **options: Any) -> Backend:
    """Return a backend by name; options are the backend's own. BackendError for a name that has no backend."""
    if name not in _HOMES:
        near = closest(name, _HOMES)
        raise BackendError(
            f"backend {name!r} is not supported by this version",
            hint=(f"did you mean {near!r}? " if near else "") + "backends: " + ", ".join(_HOMES),
        )
    home, _, attribute = _HOMES[name].partition(":")
    backend: Backend = getattr(importlib.import_module(home), attribute)(**options)
    return backend


def backend_options(name: str, settings: Settings) -> dict[str, Any]:
    """Return the keywords of `backend_for` that settings hold for a backend."""
    if name not in NEURON_BACKENDS:
        return {}
    return {"mode": settings.neuron, "options": settings.neuron_options, "cache": settings.cache}
