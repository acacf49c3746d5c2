"""The marker ``torchscript(...)``: bound to a real signature, and laid over the settings of the run."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pytest_torchscript.backends.registry import backend_names
from pytest_torchscript.errors import OptionError, closest, unknown
from pytest_torchscript.plugin import neuron
from pytest_torchscript.plugin.options import parse_axis
from pytest_torchscript.settings import NEURON_MODES, TASKS, WEIGHTS, Settings
from pytest_torchscript.spec import Axis

MARKER = "torchscript"


@dataclass(frozen=True)
class Declaration:
    """What the markers of a test say, the closest one first. ``changes`` are fields of Settings."""

    model: Any = None
    inputs: Mapping[str, Any] | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)


def torchscript(model: Any = None, inputs: Any = None, **settings: Any) -> Declaration:
    """Bind what a marker is given; this is its signature."""
    if inputs is not None and not isinstance(inputs, Mapping):
        raise OptionError(
            f"inputs: {type(inputs).__name__} does not map names to inputs",
            hint="write inputs={'signal': TensorSpec('batch', 'time', 16)}",
        )
    return Declaration(model, inputs, settings_changes(settings))


def declaration_of(item: pytest.Item) -> Declaration:
    """Return what all markers of a test say together. OptionError names the marker that is malformed."""
    merged = Declaration()
    for mark in reversed(list(item.iter_markers(MARKER))):
        try:
            inspect.signature(torchscript).bind(*mark.args, **mark.kwargs)
            own = torchscript(*mark.args, **mark.kwargs)
        except OptionError as error:
            raise OptionError(f"@pytest.mark.{MARKER}: {error.message}", hint=error.hint) from None
        except TypeError as error:
            raise OptionError(
                f"@pytest.mark.{MARKER}: {error}", hint="it takes model, inputs, axes and the settings by keyword"
            ) from None
        merged = Declaration(
            merged.model if own.model is None else own.model,
            merged.inputs if own.inputs is None else own.inputs,
            {**merged.changes, **own.changes},
        )
    return merged


#: Keywords that are written in the singular on the command line.
_ALIASES = {"backend": "backends", "anchors": "anchor"}
_CHOICES = {"weights": WEIGHTS, "task": TASKS, "neuron": NEURON_MODES}


def settings_changes(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return keywords as fields of Settings. OptionError names one that is none, or a word that is no choice."""
    known = Settings.__dataclass_fields__
    changes: dict[str, Any] = {}
    for given, value in keywords.items():
        name = _ALIASES.get(given, given)
        if name not in known:
            near = closest(given, known)
            raise OptionError(
                f"setting {given!r} does not exist",
                hint=(f"did you mean {near!r}? " if near else "") + "settings are: " + ", ".join(known),
            )
        changes[name] = _converted(name, value)
    return changes


def _converted(name: str, value: Any) -> Any:
    if name == "axes":
        return axes_of(value)
    if name in ("backends", "leave_out"):
        value = (value,) if isinstance(value, str) else tuple(value)
    if name in _CHOICES and value is not None and value not in _CHOICES[name]:
        raise OptionError(f"{name} {value!r} does not exist", hint="choose from: " + ", ".join(_CHOICES[name]))
    return value


def axes_of(given: Any) -> dict[str, Axis]:
    """Return axes by name from a mapping of names to Axis, size, sizes or text, or from Axis objects and texts in a list."""
    pairs: Iterable[tuple[str, Any]] = (
        given.items()
        if isinstance(given, Mapping)
        else (("", value) for value in ([given] if isinstance(given, str) else given))
    )
    axes = [_axis_of(name, value) for name, value in pairs]
    return {axis.name: axis for axis in axes}


def _axis_of(name: str, value: Any) -> Axis:
    if isinstance(value, Axis):
        return value if not name or value.name == name else replace(value, name=name)
    if isinstance(value, str):
        return parse_axis(f"{name}={value}" if name else value)
    if isinstance(value, int) and name:
        return Axis.fixed_at(name, value)
    if isinstance(value, (list, tuple)) and name and all(isinstance(size, int) for size in value):
        return Axis.fixed_at(name, *value)
    raise OptionError(
        f"axes: {value!r} does not describe an axis",
        hint="give an Axis, a size, a list of sizes, or text such as '1:512'",
    )


def changed(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """Return settings with some fields changed; axes and anchors are added to those that stand."""
    merged = dict(changes)
    for name in ("axes", "anchor"):
        if name in merged:
            merged[name] = {**getattr(settings, name), **merged[name]}
    result = replace(settings, **merged)
    known = backend_names(result.own_backends)
    for name in result.backends:
        if name not in known:
            raise unknown("backends", name, known)
    if (result.rtol is None) != (result.atol is None):
        raise OptionError(
            "give both rtol and atol, or neither", hint="without both, tolerances are calibrated for each model"
        )
    return result


def prepare(item: pytest.Item) -> None:
    """Refuse malformed markers; skip, or fail, a test that has no device."""
    malformed = ""
    try:
        declaration_of(item)
    except OptionError as error:
        malformed = str(error)
    if malformed:
        pytest.fail(malformed, pytrace=False)
    if item.get_closest_marker(neuron.MARKER):
        neuron.require_device(item)
