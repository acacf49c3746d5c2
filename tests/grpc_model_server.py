"""A stand-in for a model server that speaks gRPC, both protocols; its messages are the package's own, by their numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch

from pytest_torchscript.backends.served.datatypes import NAMES, from_bytes, to_bytes
from pytest_torchscript.backends.served.grpc_protocols import _CONTENTS, _DATATYPES, _NUMBER_OF, _VALUES
from pytest_torchscript.backends.served.messages import message, parsed

Ports = Mapping[str, tuple[str, tuple[int, ...]]]


class GrpcServer:
    """Answers for one model. ``limit`` refuses larger batches with ``code``; ``typed`` writes numbers one by one, not as
    bytes; ``dies`` says UNAVAILABLE from the nth call on; ``state`` is that of the only version; ``signatures`` are names."""

    def __init__(
        self, module: Callable[..., Any], inputs: Ports, outputs: Ports, name: str, told: Mapping[str, Any]
    ) -> None:
        self.module, self.inputs, self.outputs, self.name = module, inputs, outputs, name
        self.limit, self.code = told.get("limit", 0), told.get("code", "INVALID_ARGUMENT")
        self.typed, self.dies, self.state = told.get("typed", False), told.get("dies", 0), told.get("state", 30)
        self.signature, self.metadata = told.get("signature", "serving_default"), told.get("metadata", True)
        self.calls, self.seen = 0, []
        self.v1 = self.v2 = ""

    def service(self, details: Any) -> Any:
        import grpc

        methods = {
            "/inference.GRPCInferenceService/ModelReady": self.ready,
            "/inference.GRPCInferenceService/ModelMetadata": self.describe,
            "/inference.GRPCInferenceService/ModelInfer": self.infer,
            "/tensorflow.serving.ModelService/GetModelStatus": self.status,
            "/tensorflow.serving.PredictionService/GetModelMetadata": self.signatures,
            "/tensorflow.serving.PredictionService/Predict": self.predict,
        }

        def answer(data: bytes, context: Any) -> bytes:
            self.calls += 1
            self.seen.append(dict(details.invocation_metadata))
            if self.dies and self.calls >= self.dies:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the model is being unloaded")
            try:
                made: bytes = methods[details.method](data).SerializeToString()
                return made
            except RefusalError as refused:
                context.abort(getattr(grpc.StatusCode, refused.code), str(refused))
                raise

        return grpc.unary_unary_rpc_method_handler(answer) if details.method in methods else None

    def known(self, name: str) -> None:
        if name != self.name:
            raise RefusalError("NOT_FOUND", f"Request for unknown model: '{name}' is not found")

    def answers(self, feed: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
        tensors = [feed[name] for name in self.inputs]
        if self.limit and len(tensors[0]) > self.limit:
            raise RefusalError(self.code, f"batch-size must be <= {self.limit} for '{self.name}'")
        with torch.no_grad():
            answered = self.module(*tensors)
        return [answered] if isinstance(answered, torch.Tensor) else list(answered)

    def ready(self, data: bytes) -> Any:
        self.known(parsed("ModelReadyRequest", data).name)
        return message("ModelReadyResponse", ready=self.state == 30)

    def describe(self, data: bytes) -> Any:
        if not self.metadata:
            raise RefusalError("UNIMPLEMENTED", "no metadata")
        made = message("ModelMetadataResponse", name=self.name)
        for items, ports in ((made.inputs, self.inputs), (made.outputs, self.outputs)):
            for name, (datatype, dims) in ports.items():
                items.add(name=name, datatype=datatype, shape=list(dims))
        return made

    def infer(self, data: bytes) -> Any:
        request = parsed("ModelInferRequest", data)
        parts = zip(request.inputs, request.raw_input_contents)
        feed = {item.name: from_bytes(raw, item.datatype, tuple(item.shape)) for item, raw in parts}
        made = message("ModelInferResponse", model_name=self.name)
        for name, leaf in zip(self.outputs, self.answers(feed)):
            datatype = NAMES[leaf.dtype]
            item = made.outputs.add(name=name, datatype=datatype, shape=list(leaf.shape))
            if self.typed:
                getattr(item.contents, _CONTENTS[datatype]).extend(leaf.flatten().tolist())
            else:
                made.raw_output_contents.append(to_bytes(leaf))
        return made

    def status(self, data: bytes) -> Any:
        self.known(parsed("ModelStatusRequest", data).model_spec.name)
        made = message("ModelStatusResponse")
        made.model_version_status.add(version=1, state=self.state, status={"error_message": "soon"})
        return made

    def signatures(self, data: bytes) -> Any:
        if not self.metadata:
            raise RefusalError("UNIMPLEMENTED", "no metadata")
        found = message("SignatureDef")
        for items, ports in ((found.inputs, self.inputs), (found.outputs, self.outputs)):
            for name, (datatype, dims) in reversed(list(ports.items())):
                shape = {"dim": [{"size": size} for size in dims]}
                items.add(key=name, value={"name": f"{name}:0", "dtype": _NUMBER_OF[datatype], "tensor_shape": shape})
        held = message("SignatureDefMap", signature_def=[{"key": self.signature, "value": found}])
        made = message("TFMetadataResponse")
        made.metadata.add(key="signature_def", value={"type_url": "x", "value": held.SerializeToString()})
        return made

    def predict(self, data: bytes) -> Any:
        request = parsed("PredictRequest", data)
        feed = {}
        for item in request.inputs:
            shape = tuple(dim.size for dim in item.value.tensor_shape.dim)
            feed[item.key] = from_bytes(item.value.tensor_content, _DATATYPES[item.value.dtype], shape)
        made = message("PredictResponse")
        for name, leaf in reversed(list(zip(self.outputs, self.answers(feed)))):
            datatype = NAMES[leaf.dtype]
            shape = {"dim": [{"size": size} for size in leaf.shape]}
            proto = message("TensorProto", dtype=_NUMBER_OF[datatype], tensor_shape=shape)
            if self.typed:
                numbers = leaf.view(torch.int16).to(torch.int32) & 0xFFFF if datatype in ("FP16", "BF16") else leaf
                getattr(proto, _VALUES[datatype]).extend(numbers.flatten().tolist())
            else:
                proto.tensor_content = to_bytes(leaf)
            made.outputs.add(key=name, value=proto)
        return made


class RefusalError(Exception):
    def __init__(self, code: str, said: str) -> None:
        super().__init__(said)
        self.code = code


@contextmanager
def serving_grpc(
    module: Callable[..., Any], inputs: Ports, outputs: Ports, *, name: str = "toy", **told: Any
) -> Iterator[GrpcServer]:
    """Serve a callable on loopback, on a free port, until the block ends."""
    import grpc

    made = GrpcServer(module, inputs, outputs, name, told)
    server = grpc.server(ThreadPoolExecutor(4), handlers=[made])
    port = server.add_insecure_port("127.0.0.1:0")
    made.v1, made.v2 = (f"grpc://127.0.0.1:{port}/{version}/models/{name}" for version in ("v1", "v2"))
    server.start()
    try:
        yield made
    finally:
        server.stop(0).wait()
