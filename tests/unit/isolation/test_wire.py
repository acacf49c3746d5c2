"""What passes between a run and the process of a model."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from pytest_torchscript.errors import BackendError, InputError, OptionError
from pytest_torchscript.isolation import wire


def test_errors_cross_as_they_are() -> None:
    error = wire.read_error(wire.plain_error(InputError("no", hint="yes", evidence=["seen"])))
    assert type(error) is InputError
    assert str(error) == "no\n    seen\n    hint: yes"

    class OwnError(BackendError):
        pass

    assert type(wire.read_error(wire.plain_error(OwnError("gone")))) is BackendError


def top() -> str:
    return "here"


def test_what_is_brought_is_found_again() -> None:
    assert wire.Brought.of(top).load() is top
    with pytest.raises(OptionError, match="cannot be brought to a process of its own"):
        wire.Brought.of(lambda: None)


def test_requests_go_by_length_until_there_are_none() -> None:
    stream = io.BytesIO()
    wire.send(stream, {"do": "plan", "sizes": (1, 2)})
    wire.send(stream, {"do": "load"})
    stream.seek(0)
    assert [wire.receive(stream) for _ in range(3)] == [{"do": "plan", "sizes": (1, 2)}, {"do": "load"}, None]


@pytest.mark.parametrize("said", [b"", b"no message\n", b"[1, 2]\n", b'{"half": '])
def test_what_is_no_message_is_the_end(said: bytes) -> None:
    assert wire.hear(io.BytesIO(said)) is None


def test_answers_are_lines_of_plain_data() -> None:
    stream = io.BytesIO()
    wire.tell(stream, {"piece": {"path": Path("x")}})
    stream.seek(0)
    assert wire.hear(stream) == {"piece": {"path": "x"}}


def test_what_stands_in_a_file_of_its_own_is_loaded_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "brought_for_once.py").write_text("class Mine:\n    name = 'mine'\n", encoding="utf-8")
    try:
        found = wire.Brought("brought_for_once", "Mine", str(tmp_path / "brought_for_once.py")).load()
    finally:
        sys.modules.pop("brought_for_once", None)
    assert found.name == "mine"
