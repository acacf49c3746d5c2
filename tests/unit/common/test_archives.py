"""Archives that unpack to a thousand times their own length."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch

from pytest_torchscript.backends.artifact_file import look_at_file
from pytest_torchscript.common.archives import bomb
from pytest_torchscript.errors import BackendError, ModelError
from pytest_torchscript.lab.plan import make_plan
from pytest_torchscript.models import checkpoint
from pytest_torchscript.settings import Settings


def pack(path: Path, size: int = 20_000_000) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("data.pkl", bytes(size))
    return path


def test_a_bomb_is_told_in_a_sentence(tmp_path: Path) -> None:
    said = bomb(pack(tmp_path / "bomb.pt"))
    assert said.startswith("its ")
    assert said.endswith("times as many: not unpacked")


def test_what_is_none_is_let_through(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1000, 100)}, tmp_path / "weights.bin")
    (tmp_path / "text").write_text("no archive", encoding="utf-8")
    assert bomb(tmp_path / "weights.bin") == bomb(tmp_path / "text") == bomb(tmp_path / "nowhere") == ""


def test_an_artifact_is_not_unpacked(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="not unpacked"):
        look_at_file(str(pack(tmp_path / "bomb.pt")))


def test_weights_are_not_unpacked(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not unpacked"):
        checkpoint._refuse_unsafe(pack(tmp_path / "pytorch_model.bin"))


@pytest.mark.parametrize("count", [10**6, 10**12])
def test_a_configuration_of_a_million_layers_is_refused(tmp_path: Path, count: int) -> None:
    text = f'{{"model_type": "bert", "hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": {count}}}'
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=f"num_hidden_layers={count}"):
        make_plan(str(tmp_path), Settings(weights="random"))
    assert make_plan(str(tmp_path), Settings(weights="tiny")).blueprint.config.num_hidden_layers < 10
