from __future__ import annotations

import pytest

from pytest_torchscript.errors import (
    BackendError,
    Error,
    InputError,
    ModelError,
    OptionError,
    TorchScriptFailure,
    clean,
    closest,
    did_you_mean,
    first_line,
    text_of,
    unknown,
    visible,
    with_hint,
)


@pytest.mark.parametrize("kind", [OptionError, ModelError, InputError, BackendError, TorchScriptFailure])
def test_every_error_is_laid_out_alike(kind: type[Error]) -> None:
    error = kind("subject: what is wrong", hint="do this", evidence=["first", "second"])
    assert isinstance(error, Error)
    assert str(error) == "subject: what is wrong\n    first\n    second\n    hint: do this"
    assert (error.message, error.hint, error.evidence) == ("subject: what is wrong", "do this", ("first", "second"))


def test_a_message_alone() -> None:
    assert str(Error("what")) == "what"
    assert with_hint("what", "how") == "what\n    hint: how"


def test_a_wrong_model_is_an_assertion() -> None:
    assert issubclass(TorchScriptFailure, AssertionError)
    assert not issubclass(OptionError, AssertionError)


def test_closest() -> None:
    assert closest("sequnce", ["batch", "sequence"]) == "sequence"
    assert closest("height", iter(["batch", "sequence"])) == ""
    assert closest("x", []) == ""


def test_a_word_that_is_no_choice() -> None:
    assert str(unknown("weights", "tinny", ("auto", "tiny"))) == (
        "weights 'tinny' does not exist\n    hint: did you mean 'tiny'? choose from: tiny, auto"
    )
    assert unknown("axis", "height", ["batch"], listed="the axes are").hint == "the axes are: batch"
    assert unknown("axis", 3, []).hint == "choose from: none"


def test_other_words_for_a_choice_are_named_and_not_listed() -> None:
    error = unknown("setting", "bakcend", ["backends", "weights"], also=["backend"])
    assert error.hint in (
        "did you mean 'backend'? choose from: backends, weights",
        "did you mean 'backends'? choose from: backends, weights",
    )


def test_nothing_close_is_not_asked() -> None:
    assert did_you_mean("height", ["batch"]) == ""
    assert did_you_mean("bach", ["batch"]) == "did you mean 'batch'? "


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("\n  first that says something \nsecond"), "ValueError: first that says something"),
        (KeyError(), "KeyError"),
        (RuntimeError("\n \n"), "RuntimeError"),
    ],
)
def test_first_line(error: BaseException, line: str) -> None:
    assert first_line(error) == line


def test_a_long_first_line_is_cut() -> None:
    line = first_line(ValueError("x" * 999), limit=50)
    assert len(line) == 50
    assert line.endswith("…")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("red \x1b[31m\x07 \u202egnp", r"red \x1b[31m\x07 \u202egnp"),
        ("via http://user:pass@proxy:8080/x", "via http://***@proxy:8080/x"),
        ("https://token@host failed", "https://***@host failed"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("{'Proxy-Authorization': 'Basic dXNlcg=='}", "{'Proxy-Authorization': '***'}"),
        ("token hf_abcdefghijklmnop was refused", "token hf_*** was refused"),
        ("two\nlines\tand é, 日本", "two\nlines\tand é, 日本"),
        ("a@b and http://host/a@b", "a@b and http://host/a@b"),
    ],
)
def test_what_a_terminal_obeys_and_what_is_secret_is_not_shown(said: str, shown: str) -> None:
    assert clean(said) == shown
    assert str(ModelError(said)) == shown
    assert text_of(ValueError(said)) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\ttext ä 中", "plain\n\ttext ä 中"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("one\r\ntwo\rthree", "one\ntwo\\x0dthree"),
        ("a\u202eb", "a\\u202eb"),
        ("::error::x\n  ::stop-commands::y\na::b", "\\x3a:error::x\n  \\x3a:stop-commands::y\na::b"),
        ("x ##[error]y", "x #\\x23[error]y"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert with_hint(text) == shown
