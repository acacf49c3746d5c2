from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import pytest

from pytest_torchscript.errors import LibraryError
from pytest_torchscript.versions import installed_version, library_name, numbers_of

pytest_plugins = ["pytester"]


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("1.13.1.2.11.13.0", (1, 13, 1, 2, 11, 13, 0)),
        ("2.13.0+cpu", (2, 13, 0)),
        ("2.14.0a0+git1234", (2, 14, 0)),
        ("5.0.0.dev0", (5, 0, 0)),
        ("1.0.post1", (1, 0)),
        ("", ()),
        ("of the day", ()),
    ],
)
def test_the_numbers_of_a_version(version: str, numbers: tuple[int, ...]) -> None:
    assert numbers_of(version) == numbers


def test_the_first_name_that_a_release_has_is_taken() -> None:
    assert library_name("collections", "Renamed", "OrderedDict", used_for="order") is collections.OrderedDict
    assert library_name("collections", "OrderedDict", "Renamed", used_for="order") is collections.OrderedDict


@pytest.mark.parametrize("home", ["transformers.cache_utils", "transformers.no_such_module.inside"])
def test_a_name_that_is_gone_is_told_in_one_sentence(home: str) -> None:
    with pytest.raises(LibraryError) as caught:
        library_name(home, "StaleCache", "OlderCache", used_for="caches")
    version = installed_version("transformers")
    assert caught.value.message == f"transformers {version} has no {home}.StaleCache or OlderCache, used for caches"
    assert caught.value.hint == "install a release of transformers that was tried: docs/stacks.md lists them"


def test_a_library_that_is_not_there_is_told_so() -> None:
    with pytest.raises(LibraryError, match=r"^no_such_library is not installed, used for nothing"):
        library_name("no_such_library.part", "Name", used_for="nothing")


def test_what_a_library_itself_lacks_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wants_more.py").write_text("import what_it_wants\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="what_it_wants"):
        library_name("wants_more", "Name", used_for="nothing")


@pytest.fixture(scope="module")
def caches() -> Any:
    """The module of caches, with all that imports from it: `pytester` drops what is imported after it was made."""
    import transformers.cache_utils

    assert transformers.LlamaForCausalLM
    return transformers.cache_utils


def test_a_run_says_it_once_and_shows_no_traceback(
    caches: Any, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(caches, "DynamicCache")
    chosen = (
        "--torchscript-model=HuggingFaceTB/SmolLM2-135M",
        "--torchscript-task=causal-lm-with-past",
        "--torchscript-weights=tiny",
    )
    # -rN: where CI is set, pytest repeats the whole message in its short summary.
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-rN", "-k", "test_trace", *chosen)
    text = result.stdout.str()
    said = "has no transformers.cache_utils.DynamicCache, used for caches of past keys and values"
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert text.count(said) == 1
    assert "Traceback" not in text
    assert "versions.py" not in text
