"""--torchscript-write-known-failures."""

from __future__ import annotations

import pytest
from plugin_runs import Run, assert_usage_error

MODELS = [f"--torchscript-model=zoo:sized({size}, bad=True)" for size in range(2, 12)]
WRITE = "--torchscript-write-known-failures=known.toml"
READ = "--torchscript-known-failures=known.toml"


def test_ten_failing_models_go_green_and_a_repaired_one_red(run: Run, pytester: pytest.Pytester) -> None:
    result = run(*MODELS, "-k", "axis", WRITE)
    result.assert_outcomes(passed=10, failed=10)
    result.stdout.fnmatch_lines(["known failures: *known.toml: 10 entries added"])
    result = run(*MODELS, "-k", "axis", READ)
    result.assert_outcomes(passed=10, xfailed=10)
    assert result.ret == 0
    source = (pytester.path / "zoo.py").read_text(encoding="utf-8")
    repaired = source.replace("Bad() if bad else", "Bad() if bad and size != 5 else")
    (pytester.path / "zoo.py").write_text(repaired, encoding="utf-8")
    result = run(*MODELS, "-k", "axis", READ)
    result.assert_outcomes(passed=10, xfailed=9, failed=1)
    result.stdout.fnmatch_lines(["torchscript::zoo:sized(5, bad=True): axis[[]time] passes, but is listed *"])


def test_what_is_there_is_kept_and_not_repeated(run: Run, pytester: pytest.Pytester) -> None:
    run(MODELS[0], "-k", "axis", WRITE)
    path = pytester.path / "known.toml"
    first = path.read_text(encoding="utf-8")
    assert first == (
        '[[known]]\nmodel = "zoo:sized(2, bad=True)"\naxis = "time"\nverdict = "diverges"\nreason = "TODO"\n'
    )
    commented = "# ours\n" + first.replace("TODO", "it counts").rstrip()
    path.write_text(commented, encoding="utf-8")
    result = run(*MODELS[:2], "-k", "axis", WRITE)
    result.stdout.fnmatch_lines(["known failures: *known.toml: 1 entry added"])
    assert path.read_text(encoding="utf-8") == commented + "\n\n" + first.replace("sized(2", "sized(3")
    run(*MODELS[:2], "-k", "axis", WRITE)
    assert path.read_text(encoding="utf-8").count("[[known]]") == 2


def test_what_passes_again_is_not_written(run: Run, pytester: pytest.Pytester) -> None:
    text = '[[known]]\nmodel = "zoo:good"\ncheck = "trace"\nreason = "old"\n'
    (pytester.path / "known.toml").write_text(text, encoding="utf-8")
    result = run("torchscript::zoo:good::test_trace", READ, "--torchscript-write-known-failures=new.toml")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["known failures: *new.toml: 0 entries added"])
    assert not (pytester.path / "new.toml").exists()


def test_errors_and_own_tests_are_told(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from zoo import bad

        @pytest.mark.torchscript(model=bad)
        def test_own(torchscript):
            torchscript.check()
        """
    )
    result = run("--torchscript-model=zoo:missing", WRITE)
    said = "known failures: *known.toml: 0 entries added; 1 errors are no failures; 1 tests of your own *"
    result.stdout.fnmatch_lines([said])
    assert not (pytester.path / "known.toml").exists()


def test_the_file_is_looked_at_before_the_run(run: Run, pytester: pytest.Pytester) -> None:
    assert_usage_error(run(MODELS[0], "--torchscript-write-known-failures=nowhere/known.toml"), "does not exist")
    (pytester.path / "known.toml").write_text("[[known]]\n", encoding="utf-8")
    assert_usage_error(run(MODELS[0], WRITE), "[[known]] number 1 has no model")
