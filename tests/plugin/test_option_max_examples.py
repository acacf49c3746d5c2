"""--torchscript-max-examples, and what is taken from hypothesis: its seed, and the examples of a profile."""

from __future__ import annotations

import pytest
from plugin_runs import Run, read_report

from pytest_torchscript.errors import OptionError
from pytest_torchscript.settings import count


@pytest.mark.parametrize("text", ["0", "-1", "x", "", "1.5"])
def test_count(text: str) -> None:
    with pytest.raises(OptionError, match="is not a number of examples"):
        count(text)


def test_max_examples(run: Run, pytester: pytest.Pytester) -> None:
    args = ("torchscript::zoo:good::test_axis[time]", "--torchscript-report", "out.json")
    run(*args, "--torchscript-max-examples", "200").assert_outcomes(passed=1)
    many = read_report(pytester.path)["models"][0]["exports"][0]["axes"][0]["tried"]
    run(*args, "--torchscript-max-examples", "1").assert_outcomes(passed=1)
    few = read_report(pytester.path)["models"][0]["exports"][0]["axes"][0]["tried"]
    assert len(few) < len(many)


SETTINGS = """
    import pytest
    from pytest_torchscript.plugin.models import with_profile
    from pytest_torchscript.plugin.options import run_of

    def test_settings(request):
        settings = with_profile(run_of(request.config).settings)
        assert (settings.seed, settings.max_examples) == ({seed}, {examples})
"""


PROFILES = """
    from hypothesis import settings

    settings.register_profile("thorough", max_examples=500)
    settings.register_profile("usual", max_examples=100)
"""


@pytest.mark.parametrize(
    ("args", "seed", "examples"),
    [
        ((), 0, None),
        (("--hypothesis-seed=7",), 7, None),
        (("--hypothesis-seed=cheese",), 3577366283, None),
        (("--hypothesis-profile=thorough",), 0, 500),
        (("--hypothesis-profile=usual",), 0, None),
        (("--hypothesis-profile=thorough", "--torchscript-max-examples=9"), 0, 9),
    ],
    ids=str,
)
def test_taken(run: Run, pytester: pytest.Pytester, args: tuple[str, ...], seed: int, examples: int | None) -> None:
    import zlib

    if "cheese" in str(args):
        seed = zlib.crc32(b"cheese")
    pytester.makeconftest(PROFILES)
    pytester.makepyfile(test_own=SETTINGS.format(seed=seed, examples=examples))
    run(*args).assert_outcomes(passed=1)


def test_without_hypothesis_plugin(run: Run) -> None:
    run("torchscript::zoo:good::test_axis", "-p", "no:hypothesispytest").assert_outcomes(passed=2)


def test_ci_profile(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    run("torchscript::zoo:bad::test_axis", "--hypothesis-profile=ci").assert_outcomes(passed=1, failed=1)


def test_same_seed_same_sizes(run: Run, pytester: pytest.Pytester) -> None:
    tried = []
    for _ in range(2):
        run("torchscript::zoo:good::test_axis[time]", "--hypothesis-seed=3", "--torchscript-report", "out.json")
        tried.append((pytester.path / "out.json").read_text().partition('"tried"')[2].partition("]")[0])
    assert tried[0] == tried[1]
