"""The backend of a model that a server runs: nothing is exported, and what answers there is set beside eager."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import torch

from pytest_torchscript.backends.base import (
    Artifact,
    Backend,
    Budget,
    ExportRequest,
    Readiness,
    Refused,
    Traits,
)
from pytest_torchscript.backends.served.datatypes import HALVES, NAMES
from pytest_torchscript.backends.served.diagnosis import diagnose
from pytest_torchscript.backends.served.grpc_channel import GrpcChannel
from pytest_torchscript.backends.served.grpc_protocols import OpenInferenceGrpc, TensorFlowServingGrpc
from pytest_torchscript.backends.served.open_inference import OpenInference
from pytest_torchscript.backends.served.options import GRPC, OPEN, Endpoint, ServedOptions, read_headers
from pytest_torchscript.backends.served.protocol import ModelProtocol
from pytest_torchscript.backends.served.signature import Reading, declared, match_inputs, match_outputs
from pytest_torchscript.backends.served.tensorflow_serving import TensorFlowServing
from pytest_torchscript.backends.served.transport import REFUSALS, Exchange, Guest, Http, Rejected
from pytest_torchscript.errors import BackendError
from pytest_torchscript.outputs import tensor_leaves

Tensors = tuple[torch.Tensor, ...]


class ServedArtifact(Artifact):
    """One model behind its server, at one anchor. Called with eager's inputs, it returns what the server answers, in the
    order of eager's own tensors."""

    def __init__(self, protocol: ModelProtocol, request: ExportRequest, options: ServedOptions) -> None:
        self.protocol, self.parallel = protocol, options.parallel
        self.guest = protocol.guest
        signature = protocol.signature()
        inputs = declared(options.inputs, "inputs") or signature.inputs
        outputs = declared(options.outputs, "outputs") or signature.outputs
        protocol.outputs = outputs
        self.ports, notes = match_inputs(inputs, request, self.guest.where)
        self.notes: list[str] = list(notes)
        self.details = {
            "served_by": protocol.name,
            "inputs": [str(port) for port in self.ports],
            "outputs": [str(port) for port in outputs],
        }
        self._anchor = request.clones()
        leaves = tensor_leaves(request.answer() if request.answer else request.module(*request.clones()))
        self.paths, self.expected = [path for path, _ in leaves], [leaf.detach() for _, leaf in leaves]
        self._order = [port.name for port in outputs]
        self._halves = [port.name for port in outputs if port.datatype in HALVES]
        if not outputs and any(NAMES.get(leaf.dtype) in HALVES for leaf in self.expected):
            self._halves = self._order
        self._readings: list[Reading] | None = None
        self.question = self._introduced()

    def _introduced(self) -> str:
        """Ask at the anchor for the first time: learn how the answer is read, and what it looks like where it is wrong.

        A refusal is not told here: the check that compares at the anchor will meet it.
        """
        try:
            actual = self._first(self._anchor)
        except Refused:
            return (
                "another model? It refuses what eager takes at the anchor: give names that it has with served.inputs, or sizes "
                "with --torchscript-anchor"
            )
        return diagnose(actual, self.expected, self.guest.where)

    def _first(self, tensors: Tensors) -> list[torch.Tensor]:
        """Ask in the first form that is not refused, if none was chosen."""
        protocol = self.protocol
        if protocol.form or not protocol.forms:
            return self(*tensors)
        protocol.form, *others = protocol.forms
        usual = protocol.form
        try:
            return self(*tensors)
        except Refused as refused:
            for protocol.form in others:
                with contextlib.suppress(Refused, BackendError):
                    answer = self(*tensors)
                    self.notes.append(f"the server takes {protocol.form} alone: of {usual} it says: {refused.message}")
                    return answer
            protocol.form = usual
            raise

    def __call__(self, *tensors: torch.Tensor) -> list[torch.Tensor]:
        """Ask the server. `Refused` has its own words; `Unavailable` where it failed, which is no verdict."""
        return self._confirmed(tensors)

    def _confirmed(self, tensors: Tensors) -> list[torch.Tensor]:
        """Ask, and where the server says no in a way that may mean something else, see whether it still knows the anchor.

        Some servers answer 500 for a shape. A code that is no plain refusal counts as one only if the anchor is answered
        right after it.
        """
        try:
            return self._asked(tensors)
        except Rejected as first:
            said = first
        if said.status >= 500:
            try:
                return self._asked(tensors)
            except Rejected as second:
                said = second
        at_anchor = _alike(tensors, self._anchor)
        if said.status not in REFUSALS and not (at_anchor and said.status < 500):
            try:
                if at_anchor:
                    raise said
                self._asked(self._anchor)
            except Rejected as again:
                raise self.guest.unavailable(f"it answers at no size any more: {again}") from None
        raise Refused(str(said))

    def _asked(self, tensors: Tensors) -> list[torch.Tensor]:
        answer = self.protocol.infer(list(zip(self.ports, tensors)), self._halves)
        answer = {name: answer[name] for name in [*self._order, *answer] if name in answer}
        if self._readings is None:
            self._readings, notes = match_outputs(self.paths, self.expected, answer, self.guest.where)
            self.notes += notes
        found: dict[int, torch.Tensor] = {}
        for reading in self._readings:
            if reading.name not in answer:
                raise self.guest.unavailable(
                    f"the answer lacks {reading.name!r}, which it had before: it holds {', '.join(answer) or 'nothing'}"
                )
            for leaf, dtype, tensor in zip(reading.leaves, reading.dtypes, reading.read(answer[reading.name])):
                found[leaf] = tensor.to(dtype) if self._dtype_is_eagers(reading.name, tensor, dtype) else tensor
        return [found[index] for index in sorted(found)]

    def _dtype_is_eagers(self, name: str, tensor: torch.Tensor, dtype: torch.dtype) -> bool:
        """Whether an output has no dtype of its own: TensorFlow's JSON does not say one."""
        return not self.protocol.typed(name) and (dtype.is_floating_point or not tensor.is_floating_point())

    def at_once(self, batches: Sequence[Tensors]) -> list[list[torch.Tensor] | Refused]:
        """Return the answers to several inputs that are sent at the same time, as many as may be under way."""
        begin = threading.Barrier(min(self.parallel, len(batches)))

        def ask(tensors: Tensors) -> list[torch.Tensor] | Refused:
            with contextlib.suppress(threading.BrokenBarrierError):  # one of them had nobody left to wait for
                begin.wait(1)
            try:
                return self(*tensors)
            except Refused as refused:
                return refused

        with ThreadPoolExecutor(self.parallel) as pool:
            return list(pool.map(ask, batches))


def _alike(one: Tensors, other: Tensors) -> bool:
    return all(left.shape == right.shape for left, right in zip(one, other))


def _exchange(endpoint: Endpoint, timeout: float, secret: Mapping[str, str]) -> Exchange:
    if endpoint.scheme.startswith(GRPC):
        return GrpcChannel(endpoint.host, secure=endpoint.scheme == "grpcs", timeout=timeout, secret=secret)
    return Http(endpoint.root, timeout=timeout, secret=secret)


class ServedBackend(Backend):
    """What stands behind ``served.url``."""

    name = "served"
    made = "asked"
    Options = ServedOptions
    unexplained = (
        "no line of the model explains it: look at what the server limits, cuts or joins; where that is meant, "
        "declare the axis as the server has it: --torchscript-axis NAME=MIN:MAX"
    )
    lacks: ClassVar[dict[str, str]] = {
        "saves": "nothing is saved: the file is the server's",
        "torchscript": "nothing is traced or frozen here: a server runs what it has",
        "reexports": "nothing is exported: the server has one model",
    }

    def __init__(self, options: Any = None, *, exchange: Callable[..., Any] | None = None) -> None:
        super().__init__(options)
        self.traits = Traits(arithmetic=self.options.arithmetic, moves=True, reexports=False)
        self._requests = self.budget = Budget(
            self.options.requests, hint="allow more with --torchscript-option served.requests=N"
        )
        self.if_another = "another model or other weights? Look at what stands behind the URL"
        self._exchange = exchange
        self._protocol: ModelProtocol | None = None

    def readiness(self) -> Readiness:
        """Ask whether the model is ready: once. BackendError where it is not, Unavailable where nobody is there."""
        if self._protocol is None:
            endpoint = self.options.endpoint
            protocol = self._speaking(endpoint)
            protocol.ready()
            self._protocol = protocol
        return Readiness()

    def _speaking(self, endpoint: Endpoint) -> ModelProtocol:
        secret = read_headers(self.options.header_env) if self.options.header_env else {}
        exchange = self._exchange or _exchange(endpoint, self.options.timeout, secret)
        secrets = [word for value in secret.values() for word in (value, *value.split()[1:])]
        guest = Guest(exchange, self._requests, str(endpoint), secrets=secrets)
        if endpoint.scheme.startswith(GRPC):
            if endpoint.protocol == OPEN:
                return OpenInferenceGrpc(endpoint, guest)
            return TensorFlowServingGrpc(endpoint, guest, signature=self.options.signature)
        if endpoint.protocol == OPEN:
            return OpenInference(endpoint, guest)
        return TensorFlowServing(endpoint, guest, signature=self.options.signature, form=self.options.form)

    def export(self, request: ExportRequest) -> ServedArtifact:
        """Match inputs and outputs with the server's, and ask once at the anchor. BackendError where they cannot match."""
        self.readiness()
        assert self._protocol is not None
        artifact = ServedArtifact(self._protocol, request, self.options)
        self.if_another = artifact.question
        return artifact
