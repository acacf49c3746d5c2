"""The Open Inference Protocol, version 2, over REST: Triton, KServe, MLServer and others.

JSON holds every float32 and double exactly; NaN and infinity stand in it as bare words, which is how these servers write
them. Halves go as bytes behind the JSON, where the server lists that extension.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import torch

from pytest_torchscript.backends.served.datatypes import HALVES, TORCH, check_text, converted, from_bytes, to_bytes
from pytest_torchscript.backends.served.options import Endpoint
from pytest_torchscript.backends.served.protocol import ModelProtocol, not_ready
from pytest_torchscript.backends.served.signature import Port, Signature
from pytest_torchscript.backends.served.transport import Guest, Rejected

_LENGTH = "Inference-Header-Content-Length"
#: By what a server says in GET /v2 that it takes tensors as bytes.
_BINARY = "binary_tensor_data"


class OpenInference(ModelProtocol):
    """One model behind the protocol."""

    name = "Open Inference Protocol"

    def __init__(self, endpoint: Endpoint, guest: Guest) -> None:
        super().__init__(guest)
        version = f"/versions/{quote(endpoint.version)}" if endpoint.version else ""
        self._model = f"/v2/models/{quote(endpoint.model)}{version}"
        self._binary: bool | None = None

    def ready(self) -> None:
        """Ask whether the model is ready. BackendError where it is not, or where nobody knows it."""
        try:
            self.guest.ask(f"{self._model}/ready")
        except Rejected as said:
            raise not_ready(self.guest, said, known=self._known()) from None

    def _known(self) -> bool:
        try:
            self.guest.ask(self._model)
        except Rejected:
            return False
        return True

    def signature(self) -> Signature:
        """Return what the model says it takes and gives; nothing where the server keeps that to itself."""
        try:
            said = self.guest.json(self._model)
        except Rejected:
            return Signature()
        said = said if isinstance(said, dict) else {}
        return Signature(*(tuple(_port(item) for item in said.get(key) or ()) for key in ("inputs", "outputs")))

    def takes_bytes(self) -> bool:
        """Whether the server lists tensors as bytes; asked once."""
        if self._binary is None:
            try:
                said = self.guest.json("/v2")
            except Rejected:
                said = {}
            self._binary = isinstance(said, dict) and _BINARY in (said.get("extensions") or ())
        return self._binary

    def infer(self, feed: Sequence[tuple[Port, torch.Tensor]], halves: Sequence[str] = ()) -> dict[str, torch.Tensor]:
        """Return the outputs by name. ``halves`` names those that must come as bytes, for text has no such numbers."""
        in_bytes = any(port.datatype in HALVES for port, _ in feed) or bool(halves)
        in_bytes = in_bytes and self.takes_bytes()
        inputs, tail = [], b""
        for port, tensor in feed:
            sent = converted(tensor, port.datatype, port.name)
            item: dict[str, Any] = {"name": port.name, "shape": list(sent.shape), "datatype": port.datatype}
            if in_bytes:
                data = to_bytes(sent)
                item["parameters"], tail = {"binary_data_size": len(data)}, tail + data
            else:
                check_text(sent, port.datatype, port.name)
                item["data"] = sent.flatten().tolist()
            inputs.append(item)
        body: dict[str, Any] = {"id": "pytest-torchscript", "inputs": inputs}  # KServe answers 500 where it has no id
        if halves and in_bytes:
            body["outputs"] = [{"name": name, "parameters": {"binary_data": True}} for name in halves]
        head = json.dumps(body).encode()
        headers = {_LENGTH: str(len(head)), "Content-Type": "application/octet-stream"} if in_bytes else {}
        reply = self.guest.ask(f"{self._model}/infer", head + tail, headers)
        length = int(reply.headers.get(_LENGTH.lower(), 0) or 0)
        said = self.guest.parsed(reply.body[:length] if length else reply.body)
        return self._outputs(said, reply.body[length:] if length else b"")

    def _outputs(self, said: Any, tail: bytes) -> dict[str, torch.Tensor]:
        outputs: dict[str, torch.Tensor] = {}
        items = said.get("outputs") if isinstance(said, dict) else None
        if not isinstance(items, list):
            raise self.guest.unavailable(f"the answer has no outputs: {str(said)[:200]}", hint=_ASK)
        for item in items:
            try:
                name, datatype, shape = item["name"], item["datatype"], tuple(int(size) for size in item["shape"])
                size = (item.get("parameters") or {}).get("binary_data_size")
                if size is not None:
                    data, tail = tail[: int(size)], tail[int(size) :]
                    outputs[name] = from_bytes(data, datatype, shape)
                else:
                    outputs[name] = torch.tensor(_flat(item["data"]), dtype=TORCH[datatype]).reshape(shape)
            except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
                label = item.get("name", "?") if isinstance(item, dict) else "?"
                why = f"there is no {error}" if isinstance(error, KeyError) else str(error)
                raise self.guest.unavailable(
                    f"output {label!r} of the answer cannot be read: {why}", hint=_ASK
                ) from None
        return outputs


_ASK = (
    "does the URL name a server of this protocol? /v2/models/NAME is Open Inference, /v1/models/NAME TensorFlow Serving"
)


def _port(said: Mapping[str, Any]) -> Port:
    shape = said.get("shape")
    return Port(
        str(said.get("name")), str(said.get("datatype") or ""), tuple(int(dim) for dim in shape) if shape else None
    )


def _flat(data: Any) -> list[Any]:
    """Return numbers in a row: flat they should be, but nested lists are allowed."""
    while data and isinstance(data[0], list):
        data = [number for row in data for number in row]
    return list(data)
