"""The models of this repository, and factories that pytest-torchscript can call."""

from __future__ import annotations

import torch
from torch import nn
from transformers import BertConfig, BertModel

from pytest_torchscript import TensorSpec

CHANNELS = 16
SIGNAL = {"signal": TensorSpec("batch", "time", CHANNELS)}


class SignalEncoder(nn.Module):
    """Turn a signal (batch, time, channels) into one vector for each row."""

    def __init__(self, features: int = 8) -> None:
        super().__init__()
        self.smooth = nn.Conv1d(CHANNELS, features, kernel_size=3, padding=1)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Return the average over time (batch, features)."""
        hidden = torch.tanh(self.smooth(signal.transpose(1, 2)))
        return hidden.mean(2)


class FixedWindowEncoder(SignalEncoder):
    """The same with its length read as a Python number: an export works at the length of its example only."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Return the average over time (batch, features)."""
        hidden = torch.tanh(self.smooth(signal.transpose(1, 2)))
        return hidden.sum(2) / float(signal.shape[1])


def signal_encoder() -> tuple[nn.Module, dict[str, TensorSpec]]:
    """Make the encoder, and say what it takes."""
    return SignalEncoder().eval(), SIGNAL


def small_bert() -> nn.Module:
    """Make a BERT from a configuration; its inputs need no declaration."""
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return BertModel(BertConfig(vocab_size=200, max_position_embeddings=64, **sizes)).eval()
