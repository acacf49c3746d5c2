"""The messages of both gRPC protocols that are used here, described at run time: no generated code, no TensorFlow.

Fields are written ``name:number:type``, a star before the type where there are several. A map is, on the wire, its entries.
Only numbers and types go over the wire: the names of messages are ours, those of fields the protocols'.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from typing import Any

from pytest_torchscript.errors import BackendError

_FIELDS = {
    # Open Inference Protocol: inference.GRPCInferenceService
    "ModelReadyRequest": "name:1:string version:2:string",
    "ModelReadyResponse": "ready:1:bool",
    "ModelMetadataRequest": "name:1:string version:2:string",
    "ModelMetadataResponse": "name:1:string inputs:4:*TensorMetadata outputs:5:*TensorMetadata",
    "TensorMetadata": "name:1:string datatype:2:string shape:3:*int64",
    "Contents": (
        "bool_contents:1:*bool int_contents:2:*int32 int64_contents:3:*int64 uint_contents:4:*uint32 "
        "uint64_contents:5:*uint64 fp32_contents:6:*float fp64_contents:7:*double"
    ),
    "InferTensor": "name:1:string datatype:2:string shape:3:*int64 contents:5:Contents",
    "ModelInferRequest": (
        "model_name:1:string model_version:2:string id:3:string inputs:5:*InferTensor raw_input_contents:7:*bytes"
    ),
    "ModelInferResponse": "model_name:1:string outputs:5:*InferTensor raw_output_contents:6:*bytes",
    # TensorFlow Serving: tensorflow.serving.PredictionService and ModelService
    "Version": "value:1:int64",
    "ModelSpec": "name:1:string version:2:Version signature_name:3:string version_label:4:string",
    "Dim": "size:1:int64 name:2:string",
    "TensorShape": "dim:2:*Dim unknown_rank:3:bool",
    "TensorProto": (
        "dtype:1:int32 tensor_shape:2:TensorShape tensor_content:4:bytes float_val:5:*float double_val:6:*double "
        "int_val:7:*int32 int64_val:10:*int64 bool_val:11:*bool half_val:13:*int32 uint32_val:16:*uint32 "
        "uint64_val:17:*uint64"
    ),
    "NamedTensor": "key:1:string value:2:TensorProto",
    "PredictRequest": "model_spec:1:ModelSpec inputs:2:*NamedTensor",
    "PredictResponse": "outputs:1:*NamedTensor model_spec:2:ModelSpec",
    "ModelStatusRequest": "model_spec:1:ModelSpec",
    "ModelStatusResponse": "model_version_status:1:*VersionStatus",
    "VersionStatus": "version:1:int64 state:2:int32 status:3:Status",
    "Status": "error_code:1:int32 error_message:2:string",
    "TFMetadataRequest": "model_spec:1:ModelSpec metadata_field:2:*string",
    "TFMetadataResponse": "model_spec:1:ModelSpec metadata:2:*NamedAny",
    "NamedAny": "key:1:string value:2:Any",
    "Any": "type_url:1:string value:2:bytes",
    "SignatureDefMap": "signature_def:1:*NamedSignature",
    "NamedSignature": "key:1:string value:2:SignatureDef",
    "SignatureDef": "inputs:1:*NamedInfo outputs:2:*NamedInfo method_name:3:string",
    "NamedInfo": "key:1:string value:2:TensorInfo",
    "TensorInfo": "name:1:string dtype:2:int32 tensor_shape:3:TensorShape",
}
_PACKAGE = "pytest_torchscript.served"


def needed(name: str) -> Any:
    """Return a package of the extra grpc. BackendError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BackendError(
            f"served: gRPC needs grpcio and protobuf: {error}", hint="pip install 'pytest-torchscript[grpc]'"
        ) from None


@functools.cache
def message_types() -> Mapping[str, Any]:
    """Return the classes of all messages by name. BackendError where protobuf is not installed."""
    described = needed("google.protobuf.descriptor_pb2")
    pools, factory = needed("google.protobuf.descriptor_pool"), needed("google.protobuf.message_factory")
    file = described.FileDescriptorProto(name="pytest_torchscript_served.proto", package=_PACKAGE, syntax="proto3")
    kinds = described.FieldDescriptorProto
    for message, fields in _FIELDS.items():
        made = file.message_type.add(name=message)
        for field in fields.split():
            name, number, kind = field.split(":")
            several, kind = kind.startswith("*"), kind.lstrip("*")
            item = made.field.add(name=name, number=int(number))
            item.label = kinds.LABEL_REPEATED if several else kinds.LABEL_OPTIONAL
            if kind in _FIELDS:
                item.type, item.type_name = kinds.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                item.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = pools.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {name: factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _FIELDS}


def message(kind: str, **fields: Any) -> Any:
    """Return a message of a kind."""
    return message_types()[kind](**fields)


def parsed(kind: str, data: bytes) -> Any:
    """Read a message of a kind. ValueError where the bytes are none."""
    try:
        return message_types()[kind].FromString(data)
    except Exception as error:  # protobuf's DecodeError has its home in another module of each release
        raise ValueError(f"no {kind}: {error}") from None
