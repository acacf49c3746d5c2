from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pytest_torchscript.errors import OptionError
from pytest_torchscript.report import known
from pytest_torchscript.report.known import Item, KnownFailures, add_failures, read_known_failures
from pytest_torchscript.results import AxisResult, CheckResult, ExportResult, ModelResult, RunReport

if TYPE_CHECKING:
    from pathlib import Path

LISTED = """
[[known]]
model = "funnel-transformer/*"
axis = "sequence"
verdict = "diverges"
reason = "built for one length"

[[known]]
model = "tests/test_own.py::test_it[a]"
check = "save_load"
backend = "onnx"
reason = "cannot be saved"

[[known]]
model = "swin"
check = "axis[height]"
reason = "windows"
"""


def read(folder: Path, text: str) -> KnownFailures:
    path = folder / "known.toml"
    path.write_text(text, encoding="utf-8")
    return read_known_failures(str(path))


def test_a_failure_that_is_listed_has_a_reason(tmp_path: Path) -> None:
    known = read(tmp_path, LISTED)
    assert (
        known.match("funnel-transformer/small", "axis", axis="sequence", verdict="diverges") == "built for one length"
    )
    assert known.match("tests/test_own.py::test_it[a]", "save_load", backend="onnx") == "cannot be saved"
    assert known.match("swin", "axis", axis="height", verdict="fixed") == "windows"


def test_other_failures_are_news(tmp_path: Path) -> None:
    known = read(tmp_path, LISTED)
    assert known.match("funnel-transformer/small", "axis", axis="sequence", verdict="fixed") is None
    assert known.match("funnel-transformer/small", "axis", axis="batch", verdict="diverges") is None
    assert known.match("funnel-transformer/small", "joint", verdict="diverges") is None
    assert known.match("bert", "axis", axis="sequence", verdict="diverges") is None
    assert known.match("tests/test_own.py::test_it[a]", "save_load", backend="torchscript") is None


def test_a_listed_test_that_passes_is_recognised(tmp_path: Path) -> None:
    known = read(tmp_path, LISTED)
    entry = known.listed(Item("funnel-transformer/base", "axis", "sequence"))
    assert entry is not None
    assert entry.reason == "built for one length"
    assert known.listed(Item("funnel-transformer/base", "trace")) is None


def test_an_axis_of_any_name(tmp_path: Path) -> None:
    known = read(tmp_path, '[[known]]\nmodel = "m"\ncheck = "axis"\nreason = "r"')
    assert known.match("m", "axis", axis="anything", verdict="fixed") == "r"


def test_entries_that_match_nothing(tmp_path: Path) -> None:
    known = read(tmp_path, LISTED)
    ran = [Item("swin", "axis", "height"), Item("funnel-transformer/small", "axis", "sequence", "torchscript")]
    entry = "[[known]] number 2: model='tests/test_own.py::test_it[a]' check='save_load'"
    assert known.unmatched(ran) == [f"{tmp_path / 'known.toml'}: {entry} matches no test of this run"]
    assert len(known.unmatched([])) == 3
    assert KnownFailures().unmatched([]) == []


def test_an_empty_file_lists_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "").entries == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[known", "it is not TOML"),
        (f"a = {'[' * 100_000}", "it is n"),  # nested too deeply, or, of a parser that counts, not TOML
        ("[known]\nmodel = 'm'", "'known' is one table, not a list"),
        ("known = [1]", r"\[\[known\]\] number 1 is no table"),
        ("[[knwon]]", "the top-level key 'knwon' is unknown"),
        ("[[known]]\nmodle = 'm'", "number 1: the key 'modle' is unknown\n    hint: did you mean 'model'?"),
        ("[[known]]\ncomment = 'm'", "the key 'comment' is unknown\n    hint: the keys are: model, check"),
        ("[[known]]\nmodel = 3", "model=3 is no text"),
        ("[[known]]\nmodel = ' '", "model=' ' is no text"),
        ("[[known]]\naxis = 'a'\nreason = 'r'", "number 1 has no model"),
        ("[[known]]\nmodel = 'm'\naxis = 'a'", "has no reason"),
        ("[[known]]\nmodel = 'm'\nreason = 'r'", "names neither a check nor an axis"),
        ("[[known]]\nmodel = 'm'\nreason = 'r'\ncheck = 'joint'\naxis = 'a'", "check='joint' has no axis"),
        ("[[known]]\nmodel='m'\nreason='r'\naxis='a'\nverdict='dynamic'", "verdict='dynamic' does not fail a test"),
    ],
)
def test_a_malformed_file_says_where(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(OptionError, match=said) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(f"known failures {str(tmp_path / 'known.toml')!r}: ")
    assert "\n    hint: " in str(error.value)


def test_a_check_that_does_not_exist(tmp_path: Path) -> None:
    known = read(
        tmp_path, "[[known]]\nmodel='m'\nreason='r'\ncheck='axis[a]'\n[[known]]\nmodel='m'\nreason='r'\ncheck='savelod'"
    )
    known.require_checks(["axis", "savelod"])
    with pytest.raises(
        OptionError, match=r"number 2: check 'savelod' does not exist\n    hint: did you mean 'save_load'[?] "
    ) as raised:
        known.require_checks(["axis", "save_load"])
    assert str(raised.value).endswith("checks are: axis, save_load")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="there is no such file"):
        read_known_failures(str(tmp_path / "gone.toml"))
    with pytest.raises(OptionError, match="it cannot be read"):
        read_known_failures(str(tmp_path))
    (tmp_path / "latin.toml").write_bytes("# é".encode("latin-1"))
    with pytest.raises(OptionError, match="hint: give a text file in UTF-8"):
        read_known_failures(str(tmp_path / "latin.toml"))


def failed(model: str, *names: str, backends: tuple[str, ...] = ("torchscript",)) -> ModelResult:
    axes = [AxisResult("time", 1, 9, "fixed"), AxisResult("batch", 1, 9, "dynamic")]
    checks = [CheckResult(name, "failed") for name in names]
    return ModelResult(model, exports=[ExportResult(backend, checks=checks, axes=axes) for backend in backends])


@pytest.mark.parametrize("name", ["a*b", "a?", "[x]", 'say "so"', "back\\slash", "ä\x7f\n\x1b", "it's ${{ x }}"])
def test_what_is_written_matches_what_failed_and_no_other(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / "known.toml")
    report = RunReport(models=[failed(name, "axis[time]", "save_load")])
    assert add_failures(path, report, [name], None) == 2
    known = read_known_failures(path)
    assert known.match(name, "axis", axis="time", verdict="fixed") == "TODO"
    assert known.match(name, "axis", axis="batch", verdict="fixed") is None
    assert known.match(name, "save_load") == "TODO"
    assert known.match("axxb", "save_load") is None
    assert add_failures(path, report, [name], None) == 0


def test_a_backend_is_written_where_there_are_several(tmp_path: Path) -> None:
    path = str(tmp_path / "known.toml")
    report = RunReport(models=[failed("m", "axis", backends=("onnx", "torch_export"))])
    assert add_failures(path, report, ["m"], None) == 2
    assert [entry.backend for entry in read_known_failures(path).entries] == ["onnx", "torch_export"]
    assert [entry.axis for entry in read_known_failures(path).entries] == ["time", "time"]


def test_two_runs_at_once_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "known.toml")
    checks = [CheckResult("trace", "failed", 0.0, "")]
    reports = [
        RunReport(models=[ModelResult(f"m{number}", exports=[ExportResult("torchscript", checks=checks)])])
        for number in range(8)
    ]
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda report: add_failures(path, report, [report.models[0].model], None), reports))
    assert added == [1] * 8
    assert {entry.model for entry in read_known_failures(path).entries} == {f"m{number}" for number in range(8)}
    monkeypatch.setattr(known, "_WAIT", 0.01)
    with known._held(path), pytest.raises(OSError, match="could not be acquired"):
        add_failures(path, reports[0], ["m0"], None)
