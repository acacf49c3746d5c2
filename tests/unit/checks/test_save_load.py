"""The check `save_load`: a file that cannot be written, one that cannot be used, and one that answers otherwise."""

from __future__ import annotations

from pathlib import Path

import torch

from pytest_torchscript.backends.torchscript import TorchScriptArtifact
from pytest_torchscript.checks.save_load import check_save_load
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.plan import make_plan
from pytest_torchscript.settings import Settings
from tests import toys
from tests.asking import answer, ask


class SavesAnother(TorchScriptArtifact):
    """Answers right, and writes another model to its file."""

    def save(self, path: Path) -> None:
        with quiet():
            torch.jit.trace(toys.Doubled(), torch.ones(2, 11, 4)).save(str(path))


class SavesText(TorchScriptArtifact):
    """Writes a file that is no model."""

    def save(self, path: Path) -> None:
        path.write_text("hello")


def lab_with(kind: type[TorchScriptArtifact]) -> Lab:
    lab = make_plan(toys.Sound(), Settings(), inputs=toys.SIGNAL).load()
    lab.export.made = kind(lab.export.artifact.module)
    return lab


def test_a_sound_model_passes_and_the_size_of_its_file_is_explained() -> None:
    found = answer(ask(toys.Sound(), "save_load"))
    assert found.outcome == "passed"
    assert "MB are weights and buffers of eager" in found.message


def test_what_cannot_be_saved_fails_there_alone() -> None:
    result = ask(toys.CannotSave(), "trace", "outputs", "save_load")
    assert {item.name: item.outcome for item in result.checks} == {
        "trace": "passed",
        "outputs": "passed",
        "save_load": "failed",
    }
    assert "does not save" in result.failures[0].message


def test_a_file_that_answers_otherwise_fails() -> None:
    found = check_save_load(lab_with(SavesAnother))
    assert found.outcome == "failed"
    assert found.headline == "loaded from its file it answers differently"
    assert "max |actual - expected| =" in "\n".join(found.evidence)


def test_a_file_that_cannot_be_loaded_fails_with_the_words_of_the_other_process() -> None:
    found = check_save_load(lab_with(SavesText))
    assert found.outcome == "failed"
    assert "cannot use it" in found.headline
    assert "the process ended with code 1" in found.evidence[0]
