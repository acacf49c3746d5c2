"""--torchscript-report."""

from __future__ import annotations

import pytest
from plugin_runs import Run, assert_usage_error


def test_several_formats(run: Run, pytester: pytest.Pytester) -> None:
    paths = [f"--torchscript-report=out.{ending}" for ending in ("json", "md", "html", "png")]
    run("torchscript::zoo:good::test_axis", *paths).assert_outcomes(passed=2)
    for ending in ("json", "md", "html", "png"):
        assert (pytester.path / f"out.{ending}").stat().st_size > 100


def test_folder_that_is_not_there(run: Run) -> None:
    result = run("--torchscript-model", "zoo:good", "--torchscript-report", "nowhere/out.json")
    assert_usage_error(result, "--torchscript-report:", "nowhere", "does not exist")
    assert result.stdout.str().strip() == ""


@pytest.mark.parametrize("name", ["out.txt", "out"])
def test_ending(run: Run, name: str) -> None:
    assert_usage_error(run("--torchscript-report", name), "--torchscript-report:", ".json, .md, .html, .png")


def test_folder_in_place_of_a_file(run: Run, pytester: pytest.Pytester) -> None:
    pytester.mkdir("out.json")
    assert_usage_error(run("--torchscript-report", "out.json"), "folder")


def test_ini_path_starts_at_the_ini(run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makeini("[pytest]\ntorchscript_report = out.json\npythonpath = .\n")
    monkeypatch.chdir(pytester.mkdir("below"))
    run("torchscript::zoo:good::test_trace").assert_outcomes(passed=1)
    assert (pytester.path / "out.json").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("out.json", '{"name": "my settings"}'),
        ("README.md", "# TorchScript, and how we use it\n"),
        ("index.html", "<!DOCTYPE html><title>Home</title>"),
        ("photo.png", "\x89PNG"),
    ],
)
def test_a_file_of_somebody_else(run: Run, pytester: pytest.Pytester, name: str, text: str) -> None:
    (pytester.path / name).write_text(text, encoding="utf-8")
    assert_usage_error(run("--torchscript-report", name), "no report of ours", "name another, or remove it")
    assert (pytester.path / name).read_text(encoding="utf-8") == text


def test_an_older_report_is_replaced(run: Run, pytester: pytest.Pytester) -> None:
    names = [f"out.{ending}" for ending in ("html", "json", "md", "png")]
    (pytester.path / "out.md").touch()  # as mktemp makes one
    for _ in range(2):
        run("torchscript::zoo:good::test_trace", *(f"--torchscript-report={name}" for name in names)).assert_outcomes(
            passed=1
        )
    assert sorted(path.name for path in pytester.path.glob("*out.*")) == names
