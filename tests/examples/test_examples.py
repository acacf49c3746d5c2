"""The example repository, run as its owner would: pytest in its folder, with the package installed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import outside
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy of the example repository outside the checkout."""
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    copied = shutil.copytree(EXAMPLES / "encoder_repository", tmp_path / "encoder_repository", ignore=ignored)
    return Path(copied)


def test_the_repository_passes(repository: Path) -> None:
    result = outside.run_pytest(repository, "-v", "-p", "no:randomly", "--torchscript-report", "out.md")
    assert result.returncode == 0, result.stdout
    assert re.search(r"\d+ passed, \d+ skipped in ", result.stdout)
    assert "torchscript: conftest" in result.stdout
    assert "time   dynamic  1 to 64" in result.stdout  # the ini file's range
    assert "conftest" in (repository / "out.md").read_text(encoding="utf-8")


def test_its_factory_is_checked_by_name(repository: Path) -> None:
    arguments = ("--torchscript-model", "encoders:small_bert", "--torchscript-max-examples", "5")
    result = outside.run_pytest(
        repository, *arguments, "torchscript::encoders:small_bert", "-k", "trace or outputs or axis"
    )
    assert result.returncode == 0, result.stdout
    assert re.search(r"^    batch +dynamic", result.stdout, re.MULTILINE)
    assert re.search(r"^    sequence +dynamic +1 to 64", result.stdout, re.MULTILINE)


def test_a_vision_language_model_is_judged_from_its_configuration(tmp_path: Path) -> None:
    import transformers

    if int(transformers.__version__.split(".")[0]) < 5:
        pytest.skip("the line that freezes the number of pictures is that of transformers 5")
    folder = Path(shutil.copytree(EXAMPLES / "vision_language", tmp_path / "vision_language"))
    result = outside.run_pytest(folder, "-p", "no:randomly", "-k", "trace or axis", HF_HUB_OFFLINE="1")
    assert result.returncode == 0, result.stdout
    assert re.search(r"^    batch +fixed", result.stdout, re.MULTILINE)
    assert re.search(r"^    images +fixed +1 to 3", result.stdout, re.MULTILINE)
    assert re.search(r"^    sequence +dynamic", result.stdout, re.MULTILINE)
    assert "modeling_llava.py:" in result.stdout
    declared = ("--torchscript-axis", "batch=1", "--torchscript-axis", "images=1")
    one = outside.run_pytest(
        folder,
        "-p",
        "no:randomly",
        *declared,
        "-k",
        "axis and sequence",
        "-o",
        "torchscript_known_failures=",
        HF_HUB_OFFLINE="1",
    )
    assert one.returncode == 0, one.stdout
    assert re.search(r"^    sequence +dynamic", one.stdout, re.MULTILINE)
