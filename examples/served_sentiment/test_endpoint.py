"""One sentence, as the guide of every server has it: by hand, by REST, and by gRPC where there is such a server."""

from __future__ import annotations

import json
import os
import urllib.request

import pytest
import torch
from sentiment import by_ids, tokens

REST = os.environ.get("SENTIMENT_REST", "http://127.0.0.1:8501/v1/models/sentiment")
GRPC = os.environ.get("SENTIMENT_GRPC", "")
SENTENCE = tokens("i love this film")


def served(url: str) -> dict[str, object]:
    return {"model": by_ids, "backend": "served", "option": {"served.url": url}}


def test_by_hand():
    body = json.dumps({"inputs": {name: tensor.tolist() for name, tensor in SENTENCE.items()}}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{REST}:predict", body)) as answer:
        bad, good = json.load(answer)["outputs"]["logits"][0]
    assert good > bad


@pytest.mark.torchscript(**served(REST))
def test_by_rest(torchscript_traced, torchscript_eager):
    compare(torchscript_traced, torchscript_eager)


@pytest.mark.skipif(not GRPC, reason="SENTIMENT_GRPC=grpc://HOST:PORT/v1/models/sentiment names a server by gRPC")
@pytest.mark.torchscript(**served(GRPC or REST))
def test_by_grpc(torchscript_traced, torchscript_eager):
    compare(torchscript_traced, torchscript_eager)


def compare(ask, eager):
    """The sentence alone, and beside a shorter one that is padded to it: logits, and each of the hidden states."""
    for inputs in (SENTENCE, tokens("i love this film", "awful music")):
        logits, *states = ask(**inputs)
        expected = eager(**inputs)
        assert logits.argmax(1).tolist() == [1, 0][: len(logits)]
        torch.testing.assert_close(logits, expected["logits"])
        assert len(states) == len(expected["hidden_states"]) == 3
        for state, truth in zip(states, expected["hidden_states"]):
            torch.testing.assert_close(state, truth)
