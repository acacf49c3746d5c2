"""Which devices there are."""

from __future__ import annotations

import pytest
import torch

from pytest_torchscript.common.devices import found, generators_of, let_go, rounds_to_tf32, there, wait_for
from pytest_torchscript.errors import OptionError


def test_the_cpu_is_there() -> None:
    assert there()[0] == "cpu"
    assert found("cpu") == torch.device("cpu")
    assert generators_of(torch.device("cpu")) == []


@pytest.mark.parametrize("name", ["cuda:63", "xla"])
def test_one_that_is_not_there(name: str) -> None:
    with pytest.raises(OptionError, match=f"device '{name}' is not there .+ finds cpu") as caught:
        found(name)
    assert caught.value.hint.startswith("give one of these")


@pytest.mark.parametrize("name", ["cpu", "meta"])
def test_nothing_is_to_be_done_for_what_has_no_queue(name: str) -> None:
    let_go(torch.device(name))
    wait_for(torch.device(name))


def test_tf32_is_a_switch_of_cuda() -> None:
    assert not rounds_to_tf32(torch.device("cpu"))
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        assert not rounds_to_tf32(torch.device("cuda"))
        torch.backends.cuda.matmul.allow_tf32 = True
        assert rounds_to_tf32(torch.device("cuda"))
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
