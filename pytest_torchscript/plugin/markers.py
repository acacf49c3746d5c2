"""The marker ``torchscript(...)``: bound to a real signature, and laid over the settings of the run."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_torchscript.errors import OptionError
from pytest_torchscript.plugin import neuron
from pytest_torchscript.plugin.options import run_of
from pytest_torchscript.settings import Settings, changed, read_keywords

MARKER = "torchscript"


@dataclass(frozen=True)
class Declaration:
    """What the markers of a test say, the closest one first. ``changes`` are fields of Settings."""

    model: Any = None
    inputs: Any = None
    changes: Mapping[str, Any] = field(default_factory=dict)


def torchscript(model: Any = None, inputs: Any = None, **settings: Any) -> Declaration:
    """Bind what a marker is given; this is its signature."""
    if isinstance(inputs, (bool, int, float, str)):  # what else it may be is told when the model is: that takes torch
        raise OptionError(
            f"inputs: a value of type {type(inputs).__name__} holds no inputs by name or by place",
            hint="write inputs={'signal': TensorSpec('batch', 'time', 16)}",
        )
    return Declaration(model, inputs, read_keywords(settings))


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


def settings_of(item: pytest.Item) -> Settings:
    """Return the settings of the run with those of a test's markers laid over them. OptionError where they do not fit."""
    declared = declaration_of(item)
    try:
        return with_changes(run_of(item.config).settings, declared.changes)
    except OptionError as error:
        raise OptionError(f"@pytest.mark.{MARKER}: {error.message}", hint=error.hint) from None


def with_changes(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """Return the settings of a run with those of a marker, or of a call, laid over them. OptionError where they do not fit."""
    from pytest_torchscript.backends.registry import check_options

    result = changed(settings, changes)
    for name in ("timeout", "memory"):
        if changes.get(name) is not None:
            raise OptionError(
                f"{name}={changes[name]:g}: a model of a test lives in the process of the test, which keeps no limit",
                hint=f"name the model on the command line, with --torchscript-{name}",
            )
    if changes:
        check_options(result)
    return result


def prepare(item: pytest.Item) -> None:
    """Refuse malformed markers; skip, or fail, a test that has no device."""
    malformed = ""
    try:
        settings_of(item)
    except OptionError as error:
        malformed = str(error)
    if malformed:
        pytest.fail(malformed, pytrace=False)
    if item.get_closest_marker(neuron.MARKER):
        neuron.require_device(item)
