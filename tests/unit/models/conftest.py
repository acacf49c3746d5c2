"""Checkpoints of a very small BERT, whole and broken."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_bert import SMALL


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that save_pretrained wrote."""
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("checkpoints") / "whole"
    torch.manual_seed(0)
    BertModel(BertConfig(**SMALL)).save_pretrained(folder)
    return folder


@pytest.fixture
def broken(whole: Path, tmp_path: Path) -> Callable[[Callable[[Path], Any]], str]:
    """Copies the whole checkpoint, lets a function break the copy, and returns its path."""

    def make(breaks: Callable[[Path], Any]) -> str:
        folder = tmp_path / "broken"
        shutil.copytree(whole, folder)
        breaks(folder)
        return str(folder)

    return make
