"""An exchange by gRPC: secrets go as metadata, and codes become those of HTTP."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_torchscript.backends.served import transport
from pytest_torchscript.backends.served.grpc_channel import GrpcChannel
from tests import toys
from tests.grpc_model_server import serving_grpc
from tests.served_models import IN, OUT, put, said


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    pytest.importorskip("grpc")
    pytest.importorskip("google.protobuf")
    monkeypatch.setattr(transport, "WAITS", (0.0, 0.0, 0.0))


def test_secrets_go_as_metadata(monkeypatch):
    monkeypatch.setenv("SERVED_KEY", "Authorization: Bearer open-sesame")
    with serving_grpc(toys.Sound(), IN, OUT) as server:
        result = put(server, toys.Sound(), "outputs", served={"header_env": "SERVED_KEY"})
    assert server.seen[-1]["authorization"] == "Bearer open-sesame"
    assert "sesame" not in repr(result)


def test_nobody_is_there():
    with serving_grpc(toys.Sound(), IN, OUT) as server:
        pass
    assert "asked 4 times, the server says 503: UNAVAILABLE" in said(put(server, toys.Sound(), "trace"), "trace")


@pytest.mark.parametrize(
    ("code", "status"), [("INVALID_ARGUMENT", 400), ("NOT_FOUND", 404), ("UNAVAILABLE", 503), ("DATA_LOSS", 500)]
)
def test_codes_are_those_of_http(code, status):
    import grpc

    class Failed(grpc.RpcError):
        def code(self):
            return getattr(grpc.StatusCode, code)

        def details(self):
            return "it said no"

    channel = GrpcChannel("nowhere:1", secure=False, timeout=1, secret={})

    def fail(*given, **more):
        raise Failed

    channel._channel = SimpleNamespace(unary_unary=lambda *given, **more: fail)
    reply = channel("/method")
    assert (reply.status, reply.body) == (status, f"{code}: it said no".encode())
