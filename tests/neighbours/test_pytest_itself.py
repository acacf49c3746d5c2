"""What pytest and hypothesis offer everybody, with this plugin: profiles, seeds, strictness, import modes, ini files."""

from __future__ import annotations

import json
from pathlib import Path

import outside
import pytest
from together import FEW, Run, needs, outcomes, verdicts

GOOD = ("--torchscript-model", "zoo:good")
BAD = ("--torchscript-model", "zoo:bad")
REPORT = ("--torchscript-report", "out.json")
OWN = """
import pytest
import zoo
from hypothesis import given
from pytest_torchscript import strategies

@pytest.mark.torchscript(model=zoo.good)
@given(inputs=strategies.inputs(zoo.INPUTS))
def test_own(torchscript_traced, inputs):
    assert torchscript_traced(*inputs.values())[0].shape[1] == 4
"""
PROFILE = """
from hypothesis import settings
settings.register_profile("nightly", max_examples=7, derandomize=True, database=None, deadline=1)
"""


def without_times(path: Path) -> object:
    """Return a report's record less what no two runs share."""

    def cleaned(value: object) -> object:
        if isinstance(value, dict):
            return {
                key: cleaned(item)
                for key, item in value.items()
                if key not in ("seconds", "message", "notes", "padding")
            }
        return [cleaned(item) for item in value] if isinstance(value, list) else value

    return cleaned(json.loads(path.read_text(encoding="utf-8")))


class TestHypothesis:
    def test_a_profile_holds_for_the_suite_and_for_own_tests(self, folder: pytest.Pytester, run: Run) -> None:
        folder.makeconftest(PROFILE)
        folder.makepyfile(OWN)
        result = run("--hypothesis-profile", "nightly", *GOOD, *FEW, ".")
        result.assert_outcomes(passed=4)

    def test_own_test_under_the_profile_of_ci(
        self, folder: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CI", "true")
        folder.makepyfile(OWN)
        run("--hypothesis-profile", "ci").assert_outcomes(passed=1)

    @pytest.mark.parametrize("seed", ["0", "12345", "random words"])
    def test_a_seed_repeats_a_run(self, folder: pytest.Pytester, run: Run, seed: str) -> None:
        records = []
        for _ in range(2):
            run("--hypothesis-seed", seed, *BAD, *FEW, *REPORT).assert_outcomes(passed=3, failed=1)
            records.append(without_times(folder.path / "out.json"))
        assert records[0] == records[1]

    def test_without_its_pytest_plugin(self, folder: pytest.Pytester) -> None:
        result = outside.run_pytest(folder.path, "-p", "no:hypothesispytest", *GOOD, *FEW)
        assert result.returncode == 0, result.stdout


class TestStrictness:
    def test_strict_markers_and_config(self, folder: pytest.Pytester, run: Run) -> None:
        folder.makepyfile(
            OWN
            + """
@pytest.mark.neuron
def test_on_chip():
    raise AssertionError("there is no chip here")
"""
        )
        result = run("--strict-markers", "--strict-config", "-rs", *GOOD, "-m", "torchscript or neuron", *FEW, ".")
        assert result.ret == 0

    def test_every_warning_is_an_error(self, folder: pytest.Pytester) -> None:
        folder.makepyfile(OWN)
        result = outside.run_pytest(
            folder.path, "-p", "no:randomly", "-W", "error", *GOOD, *BAD, ".", "-k", "not deadly"
        )
        lines = result.stdout.splitlines()
        assert "Warning" not in result.stdout
        assert [line.split()[1] for line in lines if line.startswith("FAILED")] == [
            "torchscript::zoo:bad::test_axis[time]"
        ]

    def test_warnings_of_python_are_errors_too(self, folder: pytest.Pytester) -> None:
        warned = ("-W", "error::DeprecationWarning:pytest_torchscript", "-W", "error::ResourceWarning")
        result = outside.run_pytest(folder.path, *GOOD, *FEW, python=warned)
        assert result.returncode == 0, result.stdout


class TestFolders:
    @pytest.mark.parametrize("mode", ["prepend", "append", "importlib"])
    def test_import_modes(self, folder: pytest.Pytester, run: Run, mode: str) -> None:
        folder.makeini("[pytest]\npythonpath = .\n")
        folder.makepyfile(OWN)
        run("--import-mode", mode, *GOOD, *FEW, ".", "-p", "no:cacheprovider").assert_outcomes(passed=4)

    def test_importlib_mode_with_an_overridden_fixture(self, folder: pytest.Pytester, run: Run) -> None:
        folder.makeini("[pytest]\npythonpath = .\naddopts = --import-mode=importlib\n")
        folder.makeconftest("import pytest, zoo\n@pytest.fixture\ndef torchscript_model():\n    return zoo.good()\n")
        result = run(*FEW, *REPORT)
        result.assert_outcomes(passed=3)
        assert verdicts(folder.path) == {"conftest": {"batch": "dynamic", "time": "dynamic"}}

    def test_a_conftest_that_reorders_and_selects(self, folder: pytest.Pytester, run: Run) -> None:
        folder.makeconftest(
            """
            def pytest_collection_modifyitems(config, items):
                items.reverse()
                gone = [item for item in items if "values" in item.name]
                config.hook.pytest_deselected(items=gone)
                items[:] = [item for item in items if item not in gone]
            """
        )
        run(*GOOD, *FEW, *REPORT).assert_outcomes(passed=4)
        assert {name for name, _ in outcomes(folder.path, "zoo:good")} == {
            "trace",
            "outputs",
            "axis[batch]",
            "axis[time]",
        }

    def test_a_folder_below_the_rootdir(
        self, folder: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder.makeini("[pytest]\npythonpath = .\ntorchscript_models = zoo:good\n")
        below = folder.mkdir("below")
        monkeypatch.chdir(below)
        run(*FEW, *REPORT).assert_outcomes(passed=4)
        assert list(verdicts(below)) == ["zoo:good"]

    def test_pytest_ini_wins_over_pyproject(self, folder: pytest.Pytester, run: Run) -> None:
        folder.makepyprojecttoml('[tool.pytest.ini_options]\ntorchscript_models = ["zoo:bad"]\n')
        run(*FEW, *REPORT).assert_outcomes(passed=3, failed=1)
        assert list(verdicts(folder.path)) == ["zoo:bad"]
        (folder.path / "pytest.ini").write_text("[pytest]\ntorchscript_models = zoo:good\n", encoding="utf-8")
        run(*FEW, *REPORT).assert_outcomes(passed=4)
        assert list(verdicts(folder.path)) == ["zoo:good"]


@pytest.mark.skipif(
    bool(outside.plugin_arguments()), reason="pytest-torchscript is not installed: no entry point to disable"
)
class TestDisabled:
    def test_a_disabled_plugin_leaves_nothing(self, folder: pytest.Pytester) -> None:
        folder.makepyfile(
            "def test_own(pytestconfig):\n    assert not pytestconfig.pluginmanager.has_plugin('torchscript')\n"
        )
        result = outside.run_pytest(folder.path, "-p", "no:torchscript", "-p", "no:randomly")
        assert "1 passed" in result.stdout, result.stdout
        assert "torchscript:" not in result.stdout

    def test_its_options_are_unknown_then(self, folder: pytest.Pytester) -> None:
        result = outside.run_pytest(folder.path, "-p", "no:torchscript", *GOOD)
        assert result.returncode == pytest.ExitCode.USAGE_ERROR
        assert "unrecognized arguments: --torchscript-model" in result.stdout


@needs("xdist")
def test_loadscope_and_loadgroup_keep_a_model_together(folder: pytest.Pytester) -> None:
    for dist in ("loadscope", "loadgroup", "worksteal"):
        result = outside.run_pytest(
            folder.path, "-p", "no:randomly", "-n", "2", "--dist", dist, *GOOD, *BAD, *FEW, *REPORT
        )
        assert "1 failed, 7 passed" in result.stdout, result.stdout
        assert verdicts(folder.path)["zoo:good"] == {"batch": "dynamic", "time": "dynamic"}
