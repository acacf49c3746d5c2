from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_torchscript.backends.neuron.detect import Problem, find_neuron
from pytest_torchscript.backends.neuron.inf1 import NeuronBackend
from pytest_torchscript.backends.registry import backend_for
from pytest_torchscript.errors import BackendError


def test_statistics_of_the_log_stand_in_the_details(neuron_machine, request_):
    neuron_machine("inf1")
    details = backend_for("neuron").export(request_).details
    assert details["log"]["percent_fused"] == 96.99
    assert details["log"]["compiled"] == 1


@pytest.mark.parametrize("behaviour", ["cpu_trace", "none", "all_back"])
@pytest.mark.parametrize("mode", ["auto", "require", "compile"])
def test_nothing_on_the_device_fails(neuron_machine, request_, behaviour, mode):
    neuron_machine("inf1", behaviour=behaviour)
    with pytest.raises(BackendError, match="nothing on the device"):
        backend_for("neuron", mode=mode).export(request_)


@pytest.mark.parametrize(
    ("behaviour", "said"), [("fallback", "_NeuronGraph$551"), ("low", "40 % of the arithmetic operators")]
)
def test_part_on_the_cpu_warns(neuron_machine, request_, behaviour, said):
    neuron_machine("inf1", behaviour=behaviour)
    details = backend_for("neuron").export(request_).details
    assert details["placement"] == "partly on CPU"
    assert any(said in warning for warning in details["warnings"])


def test_a_silent_log_is_made_up_for_by_the_graph(neuron_machine, request_):
    neuron_machine("inf1", behaviour="silent")
    details = backend_for("neuron").export(request_).details
    assert details["placement"] == "on device"
    assert details["neuron_operators"] > 0


def test_missing_compiler_is_blamed_for_a_failure(neuron_machine, request_):
    neuron_machine("inf1", behaviour="none")
    problem = Problem("compiler", "compiler neuron-cc is not installed")
    status = replace(find_neuron(), compiler="absent", problems=(problem,))
    with pytest.raises(BackendError, match="neuron-cc is not installed"):
        NeuronBackend(status=status).export(request_)
