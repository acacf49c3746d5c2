"""--torchscript-model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from plugin_runs import Run, assert_usage_error, names

from pytest_torchscript.models.reference import parse_reference, place_of


def test_repeatable(run: Run) -> None:
    result = run("--torchscript-model", "zoo:good", "--torchscript-model=zoo:bad", "-k", "trace", "--co", "-q")
    assert names(result) == ["torchscript::zoo:good::test_trace", "torchscript::zoo:bad::test_trace"]


def test_twice(run: Run) -> None:
    result = run("--torchscript-model", "zoo:good", "--torchscript-model", "zoo:good")
    assert_usage_error(result, "--torchscript-model: 'zoo:good' is given twice")


@pytest.mark.parametrize("reference", ["", "   "])
def test_empty(run: Run, reference: str) -> None:
    assert_usage_error(run("--torchscript-model", reference), "--torchscript-model", "is empty")


def test_malformed(run: Run) -> None:
    assert_usage_error(run("--torchscript-model", "zoo:"), "--torchscript-model", "zoo")


def test_ini(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntorchscript_models =\n    zoo:good\n    zoo:bad\n")
    assert len(names(run("-k", "trace", "--co", "-q"))) == 2
    assert names(run("-k", "trace", "--co", "-q", "--torchscript-model", "zoo:bad")) == [
        "torchscript::zoo:bad::test_trace"
    ]


def test_toml(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\ntorchscript_models = ['zoo:good', 'zoo:bad']\n")
    assert len(names(run("-k", "trace", "--co", "-q"))) == 2


def test_ini_malformed(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntorchscript_models =\n    zoo:good\n    zoo:good\n")
    assert_usage_error(run(), "torchscript_models in tox.ini: 'zoo:good' is given twice")


CALL = """zoo:sized(16, name='a "b" [c]::d')"""


def test_a_call(run: Run, pytester: pytest.Pytester) -> None:
    result = run("--torchscript-model", CALL, "-k", "trace or outputs or time", "-v", "--junitxml=junit.xml")
    result.assert_outcomes(passed=3)
    assert "sized(16" in pytester.path.joinpath("junit.xml").read_text()
    result = run(f"torchscript::{CALL}::test_axis[time]")
    result.assert_outcomes(passed=1)


def test_a_failed_call_is_found_again(run: Run) -> None:
    call = """zoo:sized(16, bad=True, name='x y')"""
    run("--torchscript-model", call, "-k", "time").assert_outcomes(failed=1)
    result = run("--torchscript-model", call, "--lf", "--co", "-q", "-p", "cacheprovider")
    assert names(result) == [f"torchscript::{call}::test_axis[time]"]


def test_a_call_of_more_than_literals(run: Run) -> None:
    assert_usage_error(run("--torchscript-model", "zoo:sized(len('x'))"), "len('x') is no literal")


@pytest.mark.parametrize("form", [["--torchscript-model", "@models.txt"], ["--torchscript-model=@models.txt"]])
def test_a_file(run: Run, pytester: pytest.Pytester, form: list[str]) -> None:
    pytester.path.joinpath("models.txt").write_text("# ours\nzoo:good\n\nzoo:bad  # known\n")
    assert names(run(*form, "-k", "trace", "--co", "-q")) == [
        "torchscript::zoo:good::test_trace",
        "torchscript::zoo:bad::test_trace",
    ]


def test_a_file_in_the_ini(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntorchscript_models = @models.txt\n")
    pytester.path.joinpath("models.txt").write_text("zoo:good\nzoo:bad\n")
    assert len(names(run("-k", "trace", "--co", "-q"))) == 2


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("zoo:good\nzoo:good\n", "models.txt:2: 'zoo:good' stands in line 1 already"),
        ("@more.txt\n", "models.txt:1: '@more.txt' names another file"),
        ("\n", "the file names no model"),
    ],
)
def test_a_malformed_file(run: Run, pytester: pytest.Pytester, lines: str, message: str) -> None:
    pytester.path.joinpath("models.txt").write_text(lines)
    assert_usage_error(run("--torchscript-model=@models.txt"), "--torchscript-model", message)


def test_a_file_that_is_not_there(run: Run) -> None:
    assert_usage_error(run("--torchscript-model=@missing.txt"), "@missing.txt: the file cannot be read")
    assert run("--torchscript-model", "@missing.txt").ret == 4  # pytest itself looks for it, and says so


def test_one_folder_under_two_spellings_is_one_model(run: Run, pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("checkpoint")
    values = {"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    (folder / "config.json").write_text(json.dumps(values), encoding="utf-8")
    (pytester.path / "link").symlink_to(folder)
    names = ("checkpoint", "./checkpoint/", str(folder), "link")
    models = [word for name in names for word in ("--torchscript-model", name)]
    result = run(*models, "--torchscript-weights", "tiny", "-k", "test_trace")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["./checkpoint/ is the same model as checkpoint, and checked under that name", "link is *"]
    )


def test_a_snapshot_is_its_id(tmp_path: Path) -> None:
    repository = tmp_path / "models--prajjwal1--bert-tiny"
    for commit in ("abc123", "def456"):
        (repository / "snapshots" / commit).mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc123")
    newest, older = (str(repository / "snapshots" / commit) for commit in ("abc123", "def456"))
    assert (
        place_of(parse_reference(newest)) == place_of(parse_reference("prajjwal1/bert-tiny")) == "prajjwal1/bert-tiny"
    )
    assert place_of(parse_reference(older)) == older
