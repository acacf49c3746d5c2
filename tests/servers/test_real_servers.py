"""A traced BERT behind Triton and behind MLServer, against eager: each server is started, waited for, asked and stopped.

Skipped where the server's package is absent: `nox -s triton` and `nox -s mlserver` install them.
"""

from __future__ import annotations

import importlib.util

import pytest
import torch
import traced_files
from ml_server import ml_server
from triton_server import triton

from pytest_torchscript import Axis, TensorSpec
from pytest_torchscript.checks.run import run_all
from pytest_torchscript.lab.plan import make_plan
from pytest_torchscript.settings import make_settings

SERVERS = {"triton": ("pytriton", triton), "mlserver": ("mlserver", ml_server)}
WAYS = {"REST": 0, "gRPC": 1}
AXES = {"batch": Axis("batch", max=16), "sequence": Axis("sequence", max=160)}


@pytest.fixture(scope="module", params=sorted(SERVERS))
def roots(request, tmp_path_factory):
    package, start = SERVERS[request.param]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    folder = tmp_path_factory.mktemp(request.param)
    models = traced_files.traced_files(folder)
    (folder / "server").mkdir()
    with start(models, folder / "server") as found:
        yield found


def put(url, model=None, *, inputs=None, checks=(), axes=AXES, **served):
    """Return what was found of a model behind a URL, and how many requests it took."""
    from pytest_torchscript.checks.registry import check_named

    settings = make_settings(backend="served", options={"served": {"url": url, **served}}, axes=axes)
    lab = make_plan(model or traced_files.bert(), settings, inputs=inputs).load("served")
    result = run_all(lab, checks=tuple(map(check_named, checks)) or None)
    return result, lab.backend.budget.spent


def verdicts(result):
    return {axis.axis: axis.verdict for export in result.exports for axis in export.axes}


def axis_named(result, name):
    return next(axis for export in result.exports for axis in export.axes if axis.axis == name)


def said(result):
    return {check.name: (check.outcome, check.message) for check in result.checks}


@pytest.mark.parametrize("way", WAYS, ids=list(WAYS))
def test_a_sound_bert(roots, way):
    result, requests = put(f"{roots[WAYS[way]]}/v2/models/bert", requests=500)
    found = said(result)
    assert result.passed, found
    assert verdicts(result) == {"batch": "dynamic", "sequence": "dynamic"}
    assert found["outputs"][0] == found["values"][0] == found["joint"][0] == found["padding"][0] == "passed"
    assert "attention_mask: felt" in found["sensitivity"][1]
    assert found["save_load"] == ("skipped", "nothing is saved: the file is the server's")
    assert found["freeze"][0] == "skipped"
    assert "nothing is traced or frozen" in found["freeze"][1]
    assert 40 < requests <= 500
    assert not any("request budget" in message for _, message in found.values())


@pytest.mark.parametrize("way", WAYS, ids=list(WAYS))
def test_a_batch_limit(roots, way):
    result, _ = put(f"{roots[WAYS[way]]}/v2/models/limited", checks=["axis"])
    assert verdicts(result) == {"batch": "fixed", "sequence": "dynamic"}
    assert axis_named(result, "batch").counterexample["batch"] == 9
    assert "batch-size must be <= 8 for" in said(result)["axis[batch]"][1]


def test_a_cut(roots):
    result, _ = put(f"{roots[0]}/v2/models/cut", checks=["axis"])
    assert verdicts(result) == {"batch": "dynamic", "sequence": "diverges"}
    assert axis_named(result, "sequence").counterexample["sequence"] == 129


def test_a_baked_mean(roots):
    inputs = {"x": TensorSpec(Axis("batch", max=16), Axis("time", max=64), 4)}
    result, _ = put(f"{roots[0]}/v2/models/mean", traced_files.Mean(), inputs=inputs, checks=["axis"], axes=None)
    assert verdicts(result) == {"batch": "dynamic", "time": "diverges"}
    axis = axis_named(result, "time")
    assert axis.counterexample == {"batch": 1, "time": 1}
    assert axis.causes[0].file.endswith("traced_files.py")
    assert "float(x.shape[1])" in axis.causes[0].source


def test_another_model(roots):
    torch.manual_seed(3)
    other = traced_files.bert()
    torch.nn.init.normal_(other.embeddings.word_embeddings.weight)
    result, _ = put(f"{roots[0]}/v2/models/bert", other, checks=["outputs", "axis"])
    assert said(result)["outputs"][0] == "failed"
    assert "another model or other weights?" in said(result)["outputs"][1]
    assert said(result)["axis[batch]"] == ("skipped", "see test_outputs")
