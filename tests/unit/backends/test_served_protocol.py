"""What both protocols share: why a model is not ready, and which signature is meant."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_torchscript.backends.served.protocol import ModelProtocol, choose_signature, not_ready
from pytest_torchscript.backends.served.transport import Rejected
from pytest_torchscript.errors import BackendError

GUEST = SimpleNamespace(where="http://h/v2/models/m")


@pytest.mark.parametrize(
    ("status", "known", "said", "hint"),
    [
        (401, False, "http://h/v2/models/m: the server answers 401", "served.header_env=VARIABLE"),
        (404, False, "no such model or version is ready there", "look at the name and the version"),
        (503, True, "is not ready", "wait until the server has loaded it"),
    ],
)
def test_why_a_model_is_not_ready(status: int, known: bool, said: str, hint: str) -> None:
    found = not_ready(GUEST, Rejected(status, "no"), known=known)
    assert said in found.message
    assert hint in found.hint


@pytest.mark.parametrize(
    ("known", "wanted", "chosen"),
    [
        (["serving_default", "other"], "", "serving_default"),
        (["other"], "", "other"),
        (["one", "two"], "", ""),
        (["one", "two"], "two", "two"),
        ([], "", ""),
    ],
)
def test_which_signature_is_meant(known: list[str], wanted: str, chosen: str) -> None:
    assert choose_signature(known, wanted, GUEST) == chosen


def test_a_signature_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(BackendError, match=r"has no signature 'three'\n    hint: .*: one, two"):
        choose_signature(["one", "two"], "three", GUEST)


def test_a_protocol_says_each_of_its_answers_itself() -> None:
    made = ModelProtocol(GUEST)
    for ask in (made.ready, made.signature, lambda: made.infer([])):
        with pytest.raises(NotImplementedError):
            ask()
    assert made.typed("output")
