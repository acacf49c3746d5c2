"""Which devices there are."""

from __future__ import annotations

import pytest
import torch

from pytest_torchscript.common.devices import (
    found,
    generators_of,
    let_go,
    rounds_to_tf32,
    seed_generators,
    set_up,
    there,
    wait_for,
)
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


@pytest.mark.parametrize("devices", [[], ["cuda"]], ids=["the CPU alone", "a device beside it"])
def test_generators_are_seeded_as_torch_does(monkeypatch: pytest.MonkeyPatch, devices: list[str]) -> None:
    monkeypatch.setattr("pytest_torchscript.common.devices.set_up", lambda: devices)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        expected = torch.rand(3)
        seed_generators(7)
        assert torch.equal(torch.rand(3), expected)
        assert torch.initial_seed() == 7


def test_a_device_is_set_up_where_torch_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    assert "cuda" not in set_up()
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    assert "cuda" in set_up()


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
