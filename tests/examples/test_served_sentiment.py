"""The example of a served sentiment model, run as its owner would: a server beside pytest, in a copy of the folder."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import outside
import pytest
import torch

from pytest_torchscript.common.silence import quiet

EXAMPLE = Path(__file__).parents[2] / "examples" / "served_sentiment"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the example outside of the checkout."""
    copied = tmp_path_factory.mktemp("example") / "served_sentiment"
    shutil.copytree(EXAMPLE, copied, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return Path(copied)


@pytest.fixture(scope="module")
def url(folder):
    """The example's own server, on a free port, in a process of its own."""
    command = [sys.executable, "serve.py", "0"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def checked(folder, url, entry, signature, *arguments, **variables):
    """Run the suite against the server, beside what else is named; return what was printed and found."""
    options = ("--torchscript-option", f"served.url={url}", "--torchscript-option", f"served.signature={signature}")
    chosen = ("--torchscript-model", f"sentiment:{entry}", "--torchscript-backend", "served", *options)
    result = outside.run_pytest(folder, "-q", *arguments, *chosen, "--torchscript-report", "out.json", **variables)
    assert result.returncode == 0, result.stdout
    models = json.loads((folder / "out.json").read_text(encoding="utf-8"))["models"]
    (export,) = next(model for model in models if model["model"] == f"sentiment:{entry}")["exports"]
    assert {axis["axis"]: axis["verdict"] for axis in export["axes"]} == {"batch": "dynamic", "sequence": "dynamic"}
    checks = {check["name"]: check for check in export["checks"]}
    assert {checks[name]["outcome"] for name in ("outputs", "joint", "values", "sensitivity")} == {"passed"}
    assert "hidden_states holds 3 tensors of eager" in checks["trace"]["message"]
    return result.stdout


def test_one_sentence_and_the_suite_by_ids(folder, url):
    said = checked(folder, url, "by_ids", "serving_default", ".", SENTIMENT_REST=url)
    assert "SENTIMENT_GRPC" not in said or "skipped" in said


def test_the_suite_by_embeddings(folder, url):
    checked(folder, url, "by_embeddings", "embeds", "torchscript::sentiment:by_embeddings")


def test_one_sentence_by_grpc(folder):
    pytest.importorskip("grpc")
    pytest.importorskip("google.protobuf")
    from tests.grpc_model_server import serving_grpc

    save = "import sentiment; sentiment.exported()['serving_default'].save('traced.pt')"
    subprocess.run([sys.executable, "-W", "ignore", "-c", save], cwd=folder, check=True, stderr=subprocess.DEVNULL)
    inputs = dict.fromkeys(("input_ids", "attention_mask"), ("INT64", (-1, -1)))
    outputs = {"logits": ("FP32", (-1, 2)), "hidden_states": ("FP32", (3, -1, -1, 32))}
    with quiet():
        traced = torch.jit.load(str(folder / "traced.pt"))
    with serving_grpc(traced, inputs, outputs, name="sentiment") as server:
        result = outside.run_pytest(folder, "-q", "-k", "grpc", SENTIMENT_GRPC=server.v1)
    assert result.returncode == 0, result.stdout
    assert "1 passed, 2 deselected" in result.stdout


def test_the_readme_names_what_is_there(folder):
    text = (folder / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+\.py)`", text))
    assert named == {path.name for path in folder.glob("*.py")}
