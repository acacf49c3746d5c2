"""TensorFlow Serving's REST, version 1: columns (``inputs``), or rows (``instances``) for servers that know nothing else.

The answer names no datatypes: they come from the metadata, else eager's are taken. NaN and infinity are bare words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import torch

from pytest_torchscript.backends.served.datatypes import OF_TENSORFLOW, TORCH, check_text, converted
from pytest_torchscript.backends.served.options import COLUMNS, ROWS, Endpoint
from pytest_torchscript.backends.served.protocol import ModelProtocol, choose_signature, not_ready
from pytest_torchscript.backends.served.signature import Port, Signature, counted
from pytest_torchscript.backends.served.transport import Guest, Rejected
from pytest_torchscript.errors import BackendError

#: How the one output of an answer is called that has no name of its own.
_ONLY = "output"
_ASK = (
    "does the URL name a server of this protocol? /v1/models/NAME is TensorFlow Serving, /v2/models/NAME Open Inference"
)


class TensorFlowServing(ModelProtocol):
    """One model behind the protocol."""

    name = "TensorFlow Serving"
    forms = (COLUMNS, ROWS)

    def __init__(self, endpoint: Endpoint, guest: Guest, *, signature: str = "", form: str = "") -> None:
        super().__init__(guest)
        self.form = form
        self._signature_name = signature
        part = f"/versions/{quote(endpoint.version)}" if endpoint.version else ""
        part = f"/labels/{quote(endpoint.label)}" if endpoint.label else part
        self._model = f"/v1/models/{quote(endpoint.model)}{part}"

    def ready(self) -> None:
        """Ask for the state of the model: one version has to be AVAILABLE. BackendError where none is."""
        try:
            said = self.guest.json(self._model)
        except Rejected as error:
            raise not_ready(self.guest, error) from None
        versions = said.get("model_version_status") if isinstance(said, dict) else None
        if isinstance(said, dict) and versions is None and said.get("ready") in (True, "True"):  # KServe's version 1
            return
        if not isinstance(versions, list):
            raise BackendError(f"{self.guest.where}: the answer has no state of a model: {str(said)[:200]}", hint=_ASK)
        states = [(str(item.get("version")), str(item.get("state")), _said(item)) for item in versions]
        if not any(state == "AVAILABLE" for _, state, _ in states):
            listed = (
                "; ".join(f"version {version} is {state}{words}" for version, state, words in states)
                or "it has no version"
            )
            raise BackendError(
                f"{self.guest.where} is not ready: {self.guest.hidden(listed)}",
                hint="wait until the server has loaded it, then run again",
            )

    def signature(self) -> Signature:
        """Return the inputs and outputs of the signature; nothing where the server keeps them to itself.

        BackendError where it has no signature of the name asked for.
        """
        try:
            said = self.guest.json(f"{self._model}/metadata")
        except Rejected:
            return Signature()
        try:
            known = said["metadata"]["signature_def"]["signature_def"]
        except (KeyError, TypeError):
            return Signature()
        names = [name for name in known if name != "__saved_model_init_op"]
        wanted = choose_signature(names, self._signature_name, self.guest)
        if not wanted:
            return Signature()
        found = Signature(*(_ports(known[wanted].get(key) or {}) for key in ("inputs", "outputs")))
        self.outputs = found.outputs
        return found

    def infer(self, feed: Sequence[tuple[Port, torch.Tensor]], halves: Sequence[str] = ()) -> dict[str, torch.Tensor]:
        """Return the outputs by name, in the dtypes of the metadata; numbers of unknown dtype are float64 or int64."""
        columns = {}
        for port, tensor in feed:
            sent = converted(tensor, port.datatype, port.name)
            check_text(sent, port.datatype, port.name)
            columns[port.name] = sent.tolist()
        body: dict[str, Any] = {"signature_name": self._signature_name} if self._signature_name else {}
        if self.form == ROWS:
            self._same_rows(feed)
            rows = [dict(zip(columns, values)) for values in zip(*columns.values())]
            said = self._asked({**body, "instances": rows}, "predictions")
            return self._of_rows(said)
        said = self._asked({**body, "inputs": columns}, "outputs")
        named = said if isinstance(said, dict) else {self._only(): said}
        return {name: self._tensor(name, values) for name, values in named.items()}

    def _asked(self, body: Mapping[str, Any], key: str) -> Any:
        said = self.guest.json(f"{self._model}:predict", body)
        if not isinstance(said, dict) or key not in said:
            raise self.guest.unavailable(f"the answer has no {key}: {str(said)[:200]}", hint=_ASK)
        return said[key]

    def _same_rows(self, feed: Sequence[tuple[Port, torch.Tensor]]) -> None:
        counts = {port.name: len(tensor) if tensor.dim() else 0 for port, tensor in feed}
        if len(set(counts.values())) != 1:
            listed = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise BackendError(
                f"{self.guest.where}: in the form of rows every input needs the same number of them: {listed}",
                hint="use columns: served.form=columns",
            )

    def _of_rows(self, rows: Any) -> dict[str, torch.Tensor]:
        if not isinstance(rows, list) or not rows:
            raise self.guest.unavailable(f"the answer has no rows: {str(rows)[:200]}", hint=_ASK)
        if not isinstance(rows[0], dict):
            return {self._only(): self._tensor(self._only(), rows)}
        try:
            return {name: self._tensor(name, [row[name] for row in rows]) for name in rows[0]}
        except (KeyError, TypeError):
            raise self.guest.unavailable("the rows of the answer are not alike", hint=_ASK) from None

    def _only(self) -> str:
        return self.outputs[0].name if len(self.outputs) == 1 else _ONLY

    def _tensor(self, name: str, values: Any) -> torch.Tensor:
        datatype = next((port.datatype for port in self.outputs if port.name == name), "")
        try:
            if datatype in TORCH:
                return torch.tensor(values, dtype=TORCH[datatype])
            whole = torch.tensor(values)
            return whole if whole.dtype in (torch.int64, torch.bool) else torch.tensor(values, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise self.guest.unavailable(f"output {name!r} of the answer cannot be read: {error}", hint=_ASK) from None

    def typed(self, name: str) -> bool:
        """Whether the datatype of an output is the server's own."""
        return any(port.name == name and port.datatype in TORCH for port in self.outputs)


def _said(item: Mapping[str, Any]) -> str:
    words = (item.get("status") or {}).get("error_message") or ""
    return f" ({words})" if words else ""


def _ports(said: Mapping[str, Any]) -> tuple[Port, ...]:
    """Return ports from metadata, in the order of their names: the server has them in a map without one."""
    return tuple(_port(name, item) for name, item in sorted(said.items(), key=lambda pair: counted(pair[0])))


def _port(name: str, said: Mapping[str, Any]) -> Port:
    shape = said.get("tensor_shape") or {}
    dims = None if shape.get("unknown_rank") else tuple(int(dim["size"]) for dim in shape.get("dim") or ())
    return Port(name, OF_TENSORFLOW.get(str(said.get("dtype")), str(said.get("dtype") or "")), dims)
