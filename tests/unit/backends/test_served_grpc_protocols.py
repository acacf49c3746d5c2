"""The backend `served` by gRPC, in both protocols: a stand-in that describes its messages at run time, as the package does."""

from __future__ import annotations

import pytest
import torch

from pytest_torchscript import TensorSpec
from pytest_torchscript.backends.served import transport
from tests import toys
from tests.asking import ask
from tests.grpc_model_server import serving_grpc
from tests.served_models import IN, OUT, PROTOCOLS, outcomes, said, verdicts


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    pytest.importorskip("grpc")
    pytest.importorskip("google.protobuf")
    monkeypatch.setattr(transport, "WAITS", (0.0, 0.0, 0.0))


def put(server, model, *checks, version="v2", inputs=None, **served):
    options = {"url": getattr(server, version), **served}
    return ask(model, *checks, inputs=inputs, backend="served", options={"served": options})


@pytest.mark.parametrize("version", PROTOCOLS)
@pytest.mark.parametrize("typed", [False, True], ids=["bytes", "numbers"])
def test_a_sound_server_passes(version, typed):
    with serving_grpc(toys.Sound(), IN, OUT, typed=typed) as server:
        result = put(server, toys.Sound(), version=version, arithmetic="same")
    assert result.passed
    assert verdicts(result) == {"batch": "dynamic", "time": "dynamic"}
    assert "by gRPC" in str(result.exports[0].device)


@pytest.mark.parametrize("version", PROTOCOLS)
@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "INTERNAL", "UNKNOWN"])
def test_a_batch_limit_is_fixed_with_the_servers_sentence(version, code):
    with serving_grpc(toys.Sound(), IN, OUT, limit=4, code=code) as server:
        result = put(server, toys.Sound(), "axis", version=version)
    assert verdicts(result) == {"batch": "fixed", "time": "dynamic"}
    assert f"{code}: batch-size must be <= 4 for 'toy'" in said(result, "axis[batch]")


@pytest.mark.parametrize("version", PROTOCOLS)
def test_a_server_that_dies_is_an_error(version):
    with serving_grpc(toys.Sound(), IN, OUT, dies=12) as server:
        result = put(server, toys.Sound(), version=version)
    assert "failed" not in outcomes(result).values()
    errors = [check.message for check in result.checks if check.outcome == "error"]
    assert len(errors) == 2
    assert "asked 4 times, the server says 503: UNAVAILABLE: the model is being unloaded" in errors[0]


@pytest.mark.parametrize("version", PROTOCOLS)
def test_a_model_that_nobody_knows(version):
    with serving_grpc(toys.Sound(), IN, OUT) as server:
        setattr(server, version, getattr(server, version) + "x")
        result = put(server, toys.Sound(), "trace", version=version)
    assert outcomes(result) == {"trace": "error"}
    assert "no such model or version is ready there: the server answers 404: NOT_FOUND" in said(result, "trace")


@pytest.mark.parametrize(("version", "words"), [("v1", "version 1 is LOADING (soon)"), ("v2", "toy is not ready")])
def test_a_model_that_is_loading(version, words):
    with serving_grpc(toys.Sound(), IN, OUT, state=20) as server:
        assert words in said(put(server, toys.Sound(), "trace", version=version), "trace")


def test_a_signature_by_name():
    with serving_grpc(toys.Sound(), IN, OUT, signature="embeds") as server:
        assert put(server, toys.Sound(), "outputs", version="v1", signature="embeds").passed
        assert put(server, toys.Sound(), "outputs", version="v1").passed  # the only one
        missing = put(server, toys.Sound(), "trace", version="v1", signature="other")
    assert "has no signature 'other'" in said(missing, "trace")
    assert "hint: give one of its own with served.signature: embeds" in said(missing, "trace")


@pytest.mark.parametrize("version", PROTOCOLS)
def test_without_metadata_inputs_go_by_eagers_names(version):
    with serving_grpc(toys.Sound(), IN, OUT, metadata=False) as server:
        result = put(server, toys.Sound(), "trace", "outputs", "axis", version=version)
    assert result.passed
    assert "inputs go by eager's names" in said(result, "trace")


class Twice(torch.nn.Module):
    """Doubles what it gets."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2


@pytest.mark.parametrize("version", PROTOCOLS)
@pytest.mark.parametrize("typed", [False, True], ids=["bytes", "numbers"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32], ids=str)
def test_datatypes_arrive_as_they_are(version, dtype, typed):
    names = {torch.float16: "FP16", torch.bfloat16: "BF16", torch.float64: "FP64", torch.int64: "INT64"}
    name = names.get(dtype, "INT32")
    if typed and version == "v2" and name in ("FP16", "BF16"):
        pytest.skip("the protocol has no numbers of that kind")
    spec = TensorSpec(
        "batch", "time", dtype=dtype, **({} if dtype.is_floating_point else {"low": -(2**29), "high": 2**29})
    )
    with serving_grpc(Twice(), {"x": (name, (-1, -1))}, {"output": (name, (-1, -1))}, typed=typed) as server:
        result = put(server, Twice(), "outputs", "axis", version=version, inputs={"x": spec}, arithmetic="same")
    assert result.passed
    assert verdicts(result) == {"batch": "dynamic", "time": "dynamic"}


def test_far_whole_numbers_travel_as_bytes():
    inputs = {"x": TensorSpec("batch", dtype=torch.int64, low=2**60, high=2**61)}
    with serving_grpc(Twice(), {"x": ("INT64", (-1,))}, {"output": ("INT64", (-1,))}) as server:
        assert put(server, Twice(), "outputs", "axis", inputs=inputs).passed


def test_requests_at_once():
    with serving_grpc(toys.Sound(), IN, OUT) as server:
        assert put(server, toys.Sound(), "batching", parallel=4).passed
