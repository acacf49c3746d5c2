from __future__ import annotations

from pathlib import Path

import pytest

from pytest_torchscript.errors import OptionError
from pytest_torchscript.models.reference import expand, parse_reference


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("bert-base-uncased", "hub"),
        ("google-bert/bert-base-uncased", "hub"),
        ("Helsinki-NLP/opus-mt-en-de", "hub"),
        ("microsoft/phi-1_5", "hub"),
        (" gpt2 ", "hub"),
        ("./missing", "directory"),
        ("../missing", "directory"),
        ("/missing/checkpoint", "directory"),
        ("~/checkpoint", "directory"),
        ("missing/", "directory"),
        ("runs/42/last", "directory"),
        ("C:\\dir", "directory"),
        ("C:/dir", "directory"),
        ("package:factory", "factory"),
        ("package.module:factory", "factory"),
        ("package.module:Class.make", "factory"),
    ],
)
def test_kinds(text: str, kind: str) -> None:
    assert parse_reference(text).kind == kind
    assert parse_reference(text).text == text.strip()


def test_an_existing_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gpt2").mkdir()
    (tmp_path / "a:b").mkdir()
    assert parse_reference("gpt2").kind == "directory"
    assert parse_reference("a:b").kind == "directory"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "reference '' is empty", "name a Hub id"),
        ("   ", "reference '' is empty", "name a Hub id"),
        ("package:", "is not package.module:factory", "both sides of ':' must be there"),
        (":factory", "is not package.module:factory", "both sides of ':' must be there"),
        (":", "is not package.module:factory", "both sides of ':' must be there: package.module:make_model"),
        ("a:b:c", "is not package.module:factory", "name a Hub id"),
        ("models/bert.py:make", "is not package.module:factory", "models.bert:make"),
        ("two words", "is neither a Hub id nor an existing directory", "name a Hub id"),
        ("name--with--dashes", "is neither a Hub id nor an existing directory", "name a Hub id"),
        ("naïve", "is neither a Hub id nor an existing directory", "name a Hub id"),
        ("owner//name", "is neither a Hub id nor an existing directory", "name a Hub id"),
    ],
)
def test_malformed(text: str, message: str, hint: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse_reference(text)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_only_a_tilde_is_expanded() -> None:
    assert expand("./x") == "./x"
    assert "~" not in expand("~/x")
