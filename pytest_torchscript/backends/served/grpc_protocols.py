"""Both protocols by gRPC: tensors go as bytes, of any datatype, and nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from pytest_torchscript.backends.served.datatypes import OF_TENSORFLOW, TORCH, converted, from_bytes, to_bytes
from pytest_torchscript.backends.served.messages import message, parsed
from pytest_torchscript.backends.served.options import Endpoint
from pytest_torchscript.backends.served.protocol import ModelProtocol, choose_signature, not_ready
from pytest_torchscript.backends.served.signature import Port, Signature, counted
from pytest_torchscript.backends.served.transport import Guest, Rejected
from pytest_torchscript.errors import BackendError

_OPEN = "/inference.GRPCInferenceService/"
_PREDICT, _STATUS = "/tensorflow.serving.PredictionService/", "/tensorflow.serving.ModelService/GetModelStatus"
_ASK = (
    "does the URL name a server of this protocol? /v2/models/NAME is Open Inference, /v1/models/NAME TensorFlow Serving"
)
#: TensorFlow's numbers for its datatypes, and for the states of a version.
_NUMBERS = {
    1: "DT_FLOAT",
    2: "DT_DOUBLE",
    3: "DT_INT32",
    4: "DT_UINT8",
    5: "DT_INT16",
    6: "DT_INT8",
    7: "DT_STRING",
    9: "DT_INT64",
    10: "DT_BOOL",
    14: "DT_BFLOAT16",
    17: "DT_UINT16",
    19: "DT_HALF",
    22: "DT_UINT32",
    23: "DT_UINT64",
}
_DATATYPES = {number: OF_TENSORFLOW[name] for number, name in _NUMBERS.items()}
_NUMBER_OF = {datatype: number for number, datatype in _DATATYPES.items()}
_STATES = {0: "UNKNOWN", 10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}
#: Where a tensor's numbers stand that were not written as bytes.
_CONTENTS = {
    "BOOL": "bool_contents",
    "INT64": "int64_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
}
_VALUES = {
    "BOOL": "bool_val",
    "INT64": "int64_val",
    "UINT32": "uint32_val",
    "UINT64": "uint64_val",
    "FP32": "float_val",
    "FP64": "double_val",
    **dict.fromkeys(("FP16", "BF16"), "half_val"),
    **dict.fromkeys(("UINT8", "UINT16", "INT8", "INT16", "INT32"), "int_val"),
}


class _Grpc(ModelProtocol):
    def _call(self, path: str, request: Any, answer: str) -> Any:
        reply = self.guest.ask(path, request.SerializeToString())
        try:
            return parsed(answer, reply.body)
        except ValueError as error:
            raise self.guest.unavailable(f"the answer is no message of this protocol: {error}", hint=_ASK) from None

    def _read(self, name: str, make: Any) -> torch.Tensor:
        try:
            tensor: torch.Tensor = make()
        except (KeyError, ValueError, RuntimeError, OverflowError) as error:
            why = f"its datatype is {error}" if isinstance(error, KeyError) else str(error)
            raise self.guest.unavailable(f"output {name!r} of the answer cannot be read: {why}", hint=_ASK) from None
        return tensor


class OpenInferenceGrpc(_Grpc):
    """One model behind inference.GRPCInferenceService."""

    name = "Open Inference Protocol by gRPC"

    def __init__(self, endpoint: Endpoint, guest: Guest) -> None:
        super().__init__(guest)
        self._model = {"name": endpoint.model, "version": endpoint.version}

    def ready(self) -> None:
        """Ask whether the model is ready. BackendError where it is not, or where nobody knows it."""
        try:
            said = self._call(f"{_OPEN}ModelReady", message("ModelReadyRequest", **self._model), "ModelReadyResponse")
        except Rejected as error:
            raise not_ready(self.guest, error) from None
        if not said.ready:
            raise not_ready(self.guest, Rejected(404, f"{self._model['name']} is not ready"))

    def signature(self) -> Signature:
        """Return what the model says it takes and gives; nothing where the server keeps that to itself."""
        asked = message("ModelMetadataRequest", **self._model)
        try:
            said = self._call(f"{_OPEN}ModelMetadata", asked, "ModelMetadataResponse")
        except Rejected:
            return Signature()
        return Signature(*(tuple(map(_port, ports)) for ports in (said.inputs, said.outputs)))

    def infer(self, feed: Sequence[tuple[Port, torch.Tensor]], halves: Sequence[str] = ()) -> dict[str, torch.Tensor]:
        """Return the outputs by name."""
        request = message(
            "ModelInferRequest", model_name=self._model["name"], model_version=self._model["version"], id="suite"
        )
        for port, tensor in feed:
            sent = converted(tensor, port.datatype, port.name)
            request.inputs.add(name=port.name, datatype=port.datatype, shape=list(sent.shape))
            request.raw_input_contents.append(to_bytes(sent))
        said = self._call(f"{_OPEN}ModelInfer", request, "ModelInferResponse")
        raw = list(said.raw_output_contents)
        outputs: dict[str, torch.Tensor] = {}
        for index, item in enumerate(said.outputs):
            data = raw[index] if index < len(raw) else None
            outputs[item.name] = self._read(item.name, lambda item=item, data=data: _opened(item, data))
        return outputs


def _port(said: Any) -> Port:
    return Port(said.name, said.datatype, tuple(said.shape) or None)


def _opened(item: Any, data: bytes | None) -> torch.Tensor:
    shape = tuple(item.shape)
    if data is not None:
        return from_bytes(data, item.datatype, shape)
    numbers = list(getattr(item.contents, _CONTENTS[item.datatype]))
    return torch.tensor(numbers, dtype=TORCH[item.datatype]).reshape(shape)


class TensorFlowServingGrpc(_Grpc):
    """One model behind tensorflow.serving.PredictionService."""

    name = "TensorFlow Serving by gRPC"

    def __init__(self, endpoint: Endpoint, guest: Guest, *, signature: str = "") -> None:
        super().__init__(guest)
        self._signature_name = signature
        self._spec: dict[str, Any] = {"name": endpoint.model}
        if endpoint.version.isdigit():
            self._spec["version"] = {"value": int(endpoint.version)}
        if endpoint.label:
            self._spec["version_label"] = endpoint.label

    def ready(self) -> None:
        """Ask for the state of the model: one version has to be AVAILABLE. BackendError where none is."""
        try:
            said = self._call(_STATUS, message("ModelStatusRequest", model_spec=self._spec), "ModelStatusResponse")
        except Rejected as error:
            raise not_ready(self.guest, error) from None
        found = [
            (item.version, _STATES.get(item.state, str(item.state)), item.status.error_message)
            for item in said.model_version_status
        ]
        if not any(state == "AVAILABLE" for _, state, _ in found):
            words = [f"version {version} is {state}{f' ({why})' if why else ''}" for version, state, why in found]
            raise BackendError(
                f"{self.guest.where} is not ready: {self.guest.hidden('; '.join(words)) or 'it has no version'}",
                hint="wait until the server has loaded it, then run again",
            )

    def signature(self) -> Signature:
        """Return the inputs and outputs of the signature; nothing where the server keeps them to itself."""
        asked = message("TFMetadataRequest", model_spec=self._spec, metadata_field=["signature_def"])
        try:
            said = self._call(f"{_PREDICT}GetModelMetadata", asked, "TFMetadataResponse")
            held = next(item.value.value for item in said.metadata if item.key == "signature_def")
            known = {item.key: item.value for item in parsed("SignatureDefMap", held).signature_def}
        except (Rejected, StopIteration, ValueError):
            return Signature()
        names = [name for name in known if name != "__saved_model_init_op"]
        wanted = choose_signature(names, self._signature_name, self.guest)
        if not wanted:
            return Signature()
        return Signature(*(_ports(ports) for ports in (known[wanted].inputs, known[wanted].outputs)))

    def infer(self, feed: Sequence[tuple[Port, torch.Tensor]], halves: Sequence[str] = ()) -> dict[str, torch.Tensor]:
        """Return the outputs by name."""
        request = message("PredictRequest", model_spec={**self._spec, "signature_name": self._signature_name})
        for port, tensor in feed:
            sent = converted(tensor, port.datatype, port.name)
            request.inputs.add(key=port.name, value=_proto(sent, port.datatype))
        said = self._call(f"{_PREDICT}Predict", request, "PredictResponse")
        items = sorted(said.outputs, key=lambda item: counted(item.key))
        return {item.key: self._read(item.key, lambda item=item: _unpacked(item.value)) for item in items}


def _ports(items: Sequence[Any]) -> tuple[Port, ...]:
    """Return ports from metadata, in the order of their names: on the wire they stand in none."""
    ports = []
    for item in sorted(items, key=lambda item: counted(item.key)):
        shape = item.value.tensor_shape
        dims = None if shape.unknown_rank else tuple(int(dim.size) for dim in shape.dim)
        ports.append(Port(item.key, _DATATYPES.get(item.value.dtype, str(item.value.dtype)), dims))
    return tuple(ports)


def _proto(tensor: torch.Tensor, datatype: str) -> Mapping[str, Any]:
    shape = {"dim": [{"size": size} for size in tensor.shape]}
    return {"dtype": _NUMBER_OF[datatype], "tensor_shape": shape, "tensor_content": to_bytes(tensor)}


def _unpacked(said: Any) -> torch.Tensor:
    """Return a tensor from its bytes, or from its numbers, where one number may stand for all."""
    datatype, shape = _DATATYPES[said.dtype], tuple(int(dim.size) for dim in said.tensor_shape.dim)
    if said.tensor_content:
        return from_bytes(said.tensor_content, datatype, shape)
    numbers = list(getattr(said, _VALUES[datatype]))
    count = 1
    for size in shape:
        count *= size
    numbers = [*numbers, *numbers[-1:] * (count - len(numbers))]
    if datatype in ("FP16", "BF16"):
        return from_bytes(b"".join(number.to_bytes(2, "little") for number in numbers), datatype, shape)
    return torch.tensor(numbers, dtype=TORCH[datatype]).reshape(shape)
