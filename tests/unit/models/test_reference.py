from __future__ import annotations

from pathlib import Path

import pytest

from pytest_torchscript.errors import OptionError
from pytest_torchscript.models.reference import expand, parse_reference, read_references


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


@pytest.mark.parametrize(
    ("text", "target", "arguments", "keywords"),
    [
        ("torch.nn:LSTM(16, 32, batch_first=True)", "torch.nn:LSTM", (16, 32), {"batch_first": True}),
        ("timm:create_model('vit_tiny', img_size=160)", "timm:create_model", ("vit_tiny",), {"img_size": 160}),
        ("zoo:make()", "zoo:make", (), {}),
        ("zoo:make ([1, -2], {'a': (None, 1.5)})", "zoo:make", ([1, -2], {"a": (None, 1.5)}), {}),
        ("zoo:make('a::test_b[c]', r'C:\\x')", "zoo:make", ("a::test_b[c]", "C:\\x"), {}),
        ("zoo:Class.make(')')", "zoo:Class.make", (")",), {}),
    ],
)
def test_calls(text: str, target: str, arguments: tuple[object, ...], keywords: dict[str, object]) -> None:
    found = parse_reference(text)
    assert (found.kind, found.text, found.target) == ("factory", text, target)
    assert (found.arguments, dict(found.keywords)) == (arguments, keywords)


def test_without_a_call_the_target_is_all_of_it() -> None:
    assert parse_reference("zoo:make").target == "zoo:make"
    assert parse_reference("bert-base-uncased").target == "bert-base-uncased"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zoo:make(open('x'))", "open('x') is no literal"),
        ("zoo:make(dtype=torch.float16)", "dtype=torch.float16 is no literal"),
        ("zoo:make(*[1, 2])", "*[1, 2] is no literal"),
        ("zoo:make(**{'a': 1})", "**{'a': 1} is no literal"),
        ("zoo:make(1 + x)", "1 + x is no literal"),
        ("zoo:make(1,, 2)", "is not a list of arguments"),
        ("zoo:make(a=1, a=2)", "a is given twice"),
        ("zoo:make(1).eval()", "is more than one call"),
        ("zoo:make(1)(2)", "is more than one call"),
    ],
)
def test_nothing_is_evaluated(text: str, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse_reference(text)
    assert message in caught.value.message
    assert caught.value.hint


def test_a_file_of_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub" / "checkpoint").mkdir(parents=True)
    path = tmp_path / "sub" / "models.txt"
    path.write_text(
        "# those we ship\n\nbert-base-uncased  # the encoder\n./checkpoint\nzoo:make(' # ')  # a call\nzoo:make('#1')\n"
    )
    monkeypatch.chdir(tmp_path)
    expected = ["bert-base-uncased", "sub/checkpoint", "zoo:make(' # ')", "zoo:make('#1')"]
    assert read_references("sub/models.txt") == expected
    assert read_references(path) == expected


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("zoo:good\n\nzoo:good\n", "models.txt:3: 'zoo:good' stands in line 1 already"),
        ("@others.txt\n", "models.txt:1: '@others.txt' names another file"),
        ("# nothing\n", "@models.txt: the file names no model"),
        ("zoo:good\nzoo:make(x)\n", "models.txt:2: reference 'zoo:make(x)': x is no literal"),
    ],
)
def test_malformed_files(lines: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("models.txt").write_text(lines)
    with pytest.raises(OptionError) as caught:
        read_references("models.txt")
    assert message in caught.value.message
    assert caught.value.hint


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="the file cannot be read: No such file"):
        read_references(tmp_path / "missing.txt")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(OptionError, match="not text in UTF-8"):
        read_references(tmp_path / "bytes.txt")
