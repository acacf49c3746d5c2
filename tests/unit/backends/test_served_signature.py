from __future__ import annotations

import pytest
import torch

from pytest_torchscript import OptionError
from pytest_torchscript.backends.served.signature import Port, declared, key_of, match_outputs


def test_declared_ports():
    assert declared(["ids", "mask:BOOL", "serving:0", "a:b:fp32"], "inputs") == (
        Port("ids"),
        Port("mask", "BOOL"),
        Port("serving:0"),
        Port("a:b", "FP32"),
    )
    with pytest.raises(OptionError, match=r"served option inputs: 'x:FP99' has an unknown datatype"):
        declared(["x:FP99"], "inputs")


def test_names_of_outputs():
    assert key_of("['hidden_states'][0]") == "hidden_states_0"
    assert key_of(".past.layers[1].keys") == "past_layers_1_keys"


def test_two_dims_of_one_size_are_told_apart_by_the_values():
    states = [torch.full((2, 3), float(index)) for index in range(2)]
    for dim in (0, 1):
        paths = ["['states'][0]", "['states'][1]"]
        (reading,), _ = match_outputs(paths, states, {"states": torch.stack(states, dim)}, "h")
        assert reading.dim == dim
        assert all(map(torch.equal, reading.read(torch.stack(states, dim)), states))
