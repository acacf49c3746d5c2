"""What the servers of these tests are given: traced files of a very small BERT and of a baked mean, and how each is served."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from pytest_torchscript.models.calling import Positional

NAMES = ("input_ids", "attention_mask", "token_type_ids")
ANSWERS = ("last_hidden_state", "pooler_output")
LENGTH, LIMIT, CUT = 192, 8, 128


def bert() -> torch.nn.Module:
    """Return a BERT of one layer, felt by each of its inputs."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=LENGTH,
        initializer_range=0.5,
    )
    return BertModel(config).eval()


class Mean(torch.nn.Module):
    """Divides by the length of its example."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum(1) / float(x.shape[1])


@dataclass(frozen=True)
class Served:
    """One model of a server: a file, its ports, the most rows it takes, and the length it cuts its inputs to; 0 for neither."""

    name: str
    file: Path
    inputs: Mapping[str, tuple[str, list[int]]]
    outputs: Mapping[str, tuple[str, list[int]]]
    limit: int = 0
    cut: int = 0


def traced_files(folder: Path) -> list[Served]:
    """Write the files, and return what to serve."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        ids = torch.ones(2, 11, dtype=torch.int64)
        torch.jit.trace(Positional(bert(), NAMES), (ids, ids, ids * 0), check_trace=False).save(str(folder / "bert.pt"))
        torch.jit.trace(Mean().eval(), torch.randn(2, 11, 4), check_trace=False).save(str(folder / "mean.pt"))
    inputs = {name: ("INT64", [-1, -1]) for name in NAMES}
    outputs = dict(zip(ANSWERS, [("FP32", [-1, -1, 16]), ("FP32", [-1, 16])]))
    return [
        Served("bert", folder / "bert.pt", inputs, outputs),
        Served("limited", folder / "bert.pt", inputs, outputs, limit=LIMIT),
        Served("cut", folder / "bert.pt", inputs, outputs, cut=CUT),
        Served("mean", folder / "mean.pt", {"x": ("FP32", [-1, -1, 4])}, {"mean": ("FP32", [-1, 4])}),
    ]


def free_port() -> int:
    """Return a port of this machine that nobody listens to."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def running(
    command: list[str], urls: list[str], log: Path, env: dict[str, str], *, seconds: float = 90
) -> Iterator[None]:
    """Start a server, wait until every URL answers 200, and stop it in the end. Fails with its log where it does not."""
    with log.open("wb") as written:
        process = subprocess.Popen(command, stdout=written, stderr=subprocess.STDOUT, env=env)
    try:
        end = time.monotonic() + seconds
        while not all(map(answers, urls)):
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{command[0]} did not get ready:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
