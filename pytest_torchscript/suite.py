"""The built-in suite: one thin test for each question that is put to an export.

Collected by `plugin.collection` as the module of each model; the name keeps pytest from collecting it as a file. What a test
does stands in ``checks/``; here is what it proves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_torchscript.plugin.outcome import SuiteCase

pytestmark = pytest.mark.torchscript


def test_model(torchscript_suite: SuiteCase) -> None:
    """Stand in for all others where the reference cannot be resolved, and say why."""
    torchscript_suite.report_unresolved()


def test_trace(torchscript_suite: SuiteCase) -> None:
    """It traces, and the tracer's warnings that matter are told."""
    torchscript_suite.require("trace")


def test_determinism(torchscript_suite: SuiteCase) -> None:
    """Eager agrees with itself under one seed."""
    torchscript_suite.require("determinism")


def test_outputs(torchscript_suite: SuiteCase) -> None:
    """The export equals eager on fresh inputs at the anchor, three calls in a row."""
    torchscript_suite.require("outputs")


def test_axis(torchscript_suite: SuiteCase, axis: str | None) -> None:
    """The export equals eager at every size tried of one axis."""
    torchscript_suite.require("axis", axis)


def test_anchors(torchscript_suite: SuiteCase) -> None:
    """Which other anchors would have made a worse trace; never fails by itself."""
    torchscript_suite.require("anchors")


def test_joint(torchscript_suite: SuiteCase) -> None:
    """The export equals eager with all axes moving at once."""
    torchscript_suite.require("joint")


def test_values(torchscript_suite: SuiteCase) -> None:
    """The export equals eager for other values at the same sizes, and without optional inputs."""
    torchscript_suite.require("values")


def test_sensitivity(torchscript_suite: SuiteCase) -> None:
    """Each input is felt, so that an export that ignores one cannot pass."""
    torchscript_suite.require("sensitivity")


def test_padding(torchscript_suite: SuiteCase) -> None:
    """A shorter input padded to the anchor answers as eager does without padding."""
    torchscript_suite.require("padding")


def test_save_load(torchscript_suite: SuiteCase) -> None:
    """The saved file, loaded in a fresh process, answers the same."""
    torchscript_suite.require("save_load")


def test_freeze(torchscript_suite: SuiteCase) -> None:
    """Freezing and optimising for inference change nothing."""
    torchscript_suite.require("freeze")


def test_tied_weights(torchscript_suite: SuiteCase) -> None:
    """What became of weights that eager ties."""
    torchscript_suite.require("tied_weights")


def test_hidden_states(torchscript_suite: SuiteCase) -> None:
    """The same with hidden states among the outputs."""
    torchscript_suite.require("hidden_states")


def test_attentions(torchscript_suite: SuiteCase) -> None:
    """The same with attentions among the outputs."""
    torchscript_suite.require("attentions")


def test_speed(torchscript_suite: SuiteCase) -> None:
    """Eager against export: latency at several sizes, as a ratio. Collected on request only."""
    torchscript_suite.require("speed")


def test_generation(torchscript_suite: SuiteCase) -> None:
    """Greedy and beam tokens equal those of eager's ``generate``, up to ties. Collected for tasks that generate."""
    torchscript_suite.require("generation")


def test_neuron(torchscript_suite: SuiteCase) -> None:
    """Compiled, really placed on the device, equal within the calibrated tolerance. Collected for Neuron backends only."""
    torchscript_suite.require("neuron")


#: In the order of the report. `test_model` takes their place where there is no model.
TESTS = tuple(name for name in list(globals()) if name.startswith("test_") and name != "test_model")
