"""The contract of a backend, as far as it can be wrong by itself; tests/backends asks each backend to keep it."""

from __future__ import annotations

import gc
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from pytest_torchscript.backends import base
from pytest_torchscript.errors import BackendError, OptionError


@dataclass(frozen=True)
class Choices(base.Options):
    parallel: int = 1
    header: str | None = None
    rounded: bool = False
    flags: tuple[str, ...] = ()


def test_what_no_check_knows_is_refused() -> None:
    assert base.Traits("reordered", moves=False).moves is False
    with pytest.raises(OptionError, match=r"arithmetic 'reorderd' does not exist.*\n.*did you mean 'reordered'"):
        base.Traits("reorderd")
    with pytest.raises(OptionError, match="action 'stop' does not exist"):
        base.Readiness("stop")


def test_a_stand_in_answers_and_a_compiler_alone_does_not() -> None:
    answers = [action for action in base.ACTIONS if base.Readiness(action).answers]
    assert answers == ["run", "stand-in"]
    assert base.Readiness("skip", "no licence", "buy one").message == "no licence\n    hint: buy one"


def test_options_are_typed_by_their_fields() -> None:
    made = Choices.of({"parallel": "4", "rounded": "yes", "flags": "-a '-b c'", "header": None}, backend="mine")
    assert made == Choices(4, None, True, ("-a", "-b c"))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"paralel": 1}, "mine option 'paralel' does not exist\n    hint: did you mean 'parallel'"),
        ({"parallel": "many"}, "mine option parallel='many' is not a number"),
        ({"rounded": "maybe"}, "mine option rounded='maybe' is not a truth value"),
        ({"flags": 3}, "mine option flags=3 is not a list of strings"),
    ],
)
def test_malformed_options_are_told(values: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        Choices.of(values, backend="mine")


class Gathers(nn.Module):
    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return torch.cat(tensors)


def test_a_request_hands_out_clones_places_and_a_folder_that_goes_with_it() -> None:
    one = torch.ones(2)
    request = base.ExportRequest(Gathers(), (one,), ("x",))
    request.clones()[0].add_(1)
    assert one.tolist() == [1, 1]
    assert request.placed(["a"]) == (("a",),)
    assert base.ExportRequest(nn.Identity(), (one,), ("x",)).placed(["a"]) == ("a",)
    folder = request.directory
    (folder / "file").write_text("kept as long as the request")
    assert request.directory == folder
    del request
    gc.collect()
    assert not folder.exists()


def test_a_bad_file_tells_of_itself_when_it_is_asked_to_export() -> None:
    request = base.ExportRequest(nn.Identity(), (torch.ones(2),), ("x",))
    refused = base.MadeElsewhere("gone.pt", refusal=BackendError("artifact gone.pt: no such file"))
    with pytest.raises(BackendError, match="no such file"):
        refused.export(request)
    with pytest.raises(NotImplementedError):
        base.MadeElsewhere("here.pt").export(request)
