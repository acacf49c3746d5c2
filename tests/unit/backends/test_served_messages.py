"""The messages of both gRPC protocols, described at run time."""

from __future__ import annotations

import sys

import pytest

from pytest_torchscript.backends.served import messages
from pytest_torchscript.errors import BackendError


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(BackendError, match="gRPC needs grpcio and protobuf") as raised:
        messages.needed("grpc")
    assert raised.value.hint == "pip install 'pytest-torchscript[grpc]'"


def test_bytes_that_are_no_message():
    pytest.importorskip("google.protobuf")
    with pytest.raises(ValueError, match="no ModelInferResponse"):
        messages.parsed("ModelInferResponse", b"\xff\xff\xff")


def test_every_field_is_of_a_type_that_is_described() -> None:
    pytest.importorskip("google.protobuf")
    known = messages.message_types()
    assert set(known) == set(messages._FIELDS)
    sent = messages.message("ModelInferRequest", model_name="m", id="1", raw_input_contents=[b"ab"])
    assert messages.parsed("ModelInferRequest", sent.SerializeToString()) == sent
