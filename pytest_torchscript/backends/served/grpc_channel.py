"""An exchange by gRPC: its codes become those of HTTP, so that what a server says is sorted in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_torchscript.backends.served.messages import needed
from pytest_torchscript.backends.served.transport import NoAnswer, Reply

_CODES = {
    "INVALID_ARGUMENT": 400,
    "OUT_OF_RANGE": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
#: Answers may be of any size; the library's own bound is 4 MB.
_OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


class GrpcChannel:
    """Calls methods by their paths, with bytes both ways. BackendError where grpcio is not installed."""

    def __init__(self, host: str, *, secure: bool, timeout: float, secret: Mapping[str, str]) -> None:
        grpc = needed("grpc")
        self._error = grpc.RpcError
        self.timeout = timeout
        self._secret = [(name.lower(), value) for name, value in secret.items()]
        if secure:
            self._channel = grpc.secure_channel(host, grpc.ssl_channel_credentials(), options=_OPTIONS)
        else:
            self._channel = grpc.insecure_channel(host, options=_OPTIONS)

    def __call__(self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Call one method. Codes that say no are replies; NoAnswer where the call itself broke."""
        call = self._channel.unary_unary(path, request_serializer=_same, response_deserializer=_same)
        try:
            return Reply(200, call(body or b"", timeout=self.timeout, metadata=self._secret))
        except self._error as error:
            code, words = _said(error)
            if code == "DEADLINE_EXCEEDED":
                raise NoAnswer(f"no answer within {self.timeout:g} seconds") from None
            return Reply(_CODES.get(code, 500), f"{code}: {words}".encode())


def _said(error: Any) -> tuple[str, str]:
    return error.code().name, str(error.details() or "nothing more")


def _same(data: bytes) -> bytes:
    return data
