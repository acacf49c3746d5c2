from __future__ import annotations

import pytest

from pytest_torchscript.backends.registry import backend_for, make_backend
from pytest_torchscript.errors import OptionError
from pytest_torchscript.settings import Settings


def test_user_arguments_replace_ours(neuron_machine, request_, recorded):
    neuron_machine("inf1")
    options = {"compiler_args": "--fast-math none --neuroncore-pipeline-cores 4"}
    details = backend_for("neuron", **options).export(request_).details
    assert details["compiler_args"] == ["--fast-math", "none", "--neuroncore-pipeline-cores", "4"]
    assert recorded()[0]["compiler_args"] == details["compiler_args"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"time_out": "9"}, "did you mean 'timeout'"),
        ({"timeout": "soon"}, "is not a number above 0"),
        ({"timeout": 0}, "is not a number above 0"),
        ({"fallback": "maybe"}, "is not a truth value"),
        ({"compiler_args": 3}, "is not a list of strings"),
    ],
)
def test_malformed_options_are_refused(neuron_machine, options, said):
    with pytest.raises(OptionError, match=said):
        backend_for("neuron", **options)


def test_backend_options_are_those_of_the_settings():
    settings = Settings(neuron="compile", neuron_options={"timeout": 9}, cache="kept")
    options = make_backend("neuron", settings).options
    assert (options.mode, options.timeout, options.cache) == ("compile", 9, "kept")
    assert make_backend("neuron", Settings(options={"neuron": {"timeout": "8"}})).options.timeout == 8
