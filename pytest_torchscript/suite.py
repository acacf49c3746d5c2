"""The built-in suite: one thin test for each question that is put to an export.

Collected by `plugin.collection` as the module of each model; the name keeps pytest from collecting it as a file. What a test
does stands in ``checks/``; here is what it proves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_torchscript.plugin.verdicts import SuiteCase

pytestmark = pytest.mark.torchscript


def test_model(_torchscript_suite: SuiteCase) -> None:
    """Stand in for all others where the reference cannot be resolved, and say why."""
    _torchscript_suite.report_unresolved()


def test_trace(_torchscript_suite: SuiteCase) -> None:
    """It traces, and the tracer's warnings that matter are told."""
    _torchscript_suite.require("trace")


def test_determinism(_torchscript_suite: SuiteCase) -> None:
    """Eager agrees with itself under one seed."""
    _torchscript_suite.require("determinism")


def test_outputs(_torchscript_suite: SuiteCase) -> None:
    """The export equals eager on fresh inputs at the anchor, three calls in a row."""
    _torchscript_suite.require("outputs")


def test_axis(_torchscript_suite: SuiteCase, axis: str | None) -> None:
    """The export equals eager at every size tried of one axis."""
    _torchscript_suite.require("axis", axis)


def test_anchors(_torchscript_suite: SuiteCase) -> None:
    """Which other anchors would have made a worse trace; never fails by itself."""
    _torchscript_suite.require("anchors")


def test_joint(_torchscript_suite: SuiteCase) -> None:
    """The export equals eager with all axes moving at once."""
    _torchscript_suite.require("joint")


def test_values(_torchscript_suite: SuiteCase) -> None:
    """The export equals eager for other values at the same sizes, and without optional inputs."""
    _torchscript_suite.require("values")


def test_sensitivity(_torchscript_suite: SuiteCase) -> None:
    """Each input is felt, so that an export that ignores one cannot pass."""
    _torchscript_suite.require("sensitivity")


def test_padding(_torchscript_suite: SuiteCase) -> None:
    """A shorter input padded to the anchor answers as eager does without padding."""
    _torchscript_suite.require("padding")


def test_save_load(_torchscript_suite: SuiteCase) -> None:
    """The saved file, loaded in a fresh process, answers the same."""
    _torchscript_suite.require("save_load")


def test_freeze(_torchscript_suite: SuiteCase) -> None:
    """Freezing and optimising for inference change nothing."""
    _torchscript_suite.require("freeze")


def test_tied_weights(_torchscript_suite: SuiteCase) -> None:
    """What became of weights that eager ties."""
    _torchscript_suite.require("tied_weights")


def test_hidden_states(_torchscript_suite: SuiteCase) -> None:
    """The same with hidden states among the outputs."""
    _torchscript_suite.require("hidden_states")


def test_attentions(_torchscript_suite: SuiteCase) -> None:
    """The same with attentions among the outputs."""
    _torchscript_suite.require("attentions")


def test_speed(_torchscript_suite: SuiteCase) -> None:
    """Eager against export: latency at several sizes, as a ratio. Collected on request only."""
    _torchscript_suite.require("speed")


def test_neuron(_torchscript_suite: SuiteCase) -> None:
    """Compiled, really placed on the device, equal within the calibrated tolerance. Collected for Neuron backends only."""
    _torchscript_suite.require("neuron")


#: In the order of the report. `test_model` takes their place where there is no model.
TESTS = tuple(name for name in list(globals()) if name.startswith("test_") and name != "test_model")
