"""A stand-in for a model server: both REST protocols around any callable, and it can be told to misbehave.

with serving(module, {"x": ("FP32", (-1, -1, 4))}, {"output": ("FP32", (-1, 4))}, limit=8) as server:
    server.v1, server.v2       # URLs of the model
    server.asked               # how many requests it got
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch

DTYPES = {
    "BOOL": torch.bool,
    "UINT8": torch.uint8,
    "INT32": torch.int32,
    "INT64": torch.int64,
    "FP16": torch.float16,
    "BF16": torch.bfloat16,
    "FP32": torch.float32,
    "FP64": torch.float64,
}
OF_TENSORFLOW = {
    "INT64": "DT_INT64",
    "INT32": "DT_INT32",
    "FP32": "DT_FLOAT",
    "FP64": "DT_DOUBLE",
    "FP16": "DT_HALF",
    "BOOL": "DT_BOOL",
    "BF16": "DT_BFLOAT16",
    "BYTES": "DT_STRING",
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
Ports = Mapping[str, tuple[str, tuple[int, ...]]]
PAGE = b"<html><head><title>x</title></head><body><h1>502 Bad Gateway</h1><hr>some proxy</body></html>"


@dataclass
class Behaviour:
    """What a server does otherwise than a sound one.

    ``limit`` refuses larger batches, ``code`` with that code; ``truncate`` cuts dim 1 of every input; ``swap`` answers rows
    in reverse order; ``rounded`` goes through a smaller dtype; ``busy`` answers 503 to every nth request; ``busy_code`` is
    that code; ``page`` answers some code with HTML; ``slow`` sleeps; ``rename`` changes the names of outputs; ``dies``
    closes every connection from the nth request on; ``metadata`` False keeps the signature back; ``rows_only`` takes no
    columns; ``state`` is that of the only version; ``joins`` batches requests of one moment as servers do: `well`, or `mixed`
    with each other's rows; ``wrong`` are names that stand in answers and not in the metadata; ``lacks`` drops an output from
    the nth inference on; ``body`` is sent in place of every answer; ``binary`` lists the extension; ``header`` is wanted with
    every request; ``redirect`` is where inferences are sent.
    """

    limit: int = 0
    code: int = 400
    says: str = ""
    truncate: int = 0
    swap: bool = False
    rounded: torch.dtype | None = None
    busy: int = 0
    busy_code: int = 503
    page: int = 0
    slow: float = 0.0
    rename: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)
    dies: int = 0
    metadata: bool = True
    rows_only: bool = False
    state: str = "AVAILABLE"
    joins: str = ""
    lacks: int = 0
    body: bytes = b""
    binary: bool = False
    header: tuple[str, str] = ("", "")
    redirect: str = ""


class RefusalError(Exception):
    def __init__(self, code: int, said: str) -> None:
        super().__init__(said)
        self.code = code


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self, module: Callable[..., Any], inputs: Ports, outputs: Ports, behaviour: Behaviour, name: str
    ) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.module, self.inputs, self.outputs, self.told, self.name = module, inputs, outputs, behaviour, name
        self.asked, self.inferred, self.paths = 0, 0, []
        self.bodies: list[Any] = []
        self.seen_headers: list[dict[str, str]] = []
        self.most_under_way = 0  # of those that were joined
        self.lock = threading.Lock()
        self.joining, self.pending = threading.Lock(), []  # what waits for a batch
        root = f"http://127.0.0.1:{self.server_address[1]}"
        self.root, self.v1, self.v2 = root, f"{root}/v1/models/{name}", f"{root}/v2/models/{name}"

    def answer(self, feed: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        told = self.told
        for given in feed:
            if given not in self.inputs:
                raise RefusalError(400, f"unexpected inference input '{given}' for model '{self.name}'")
        tensors = [feed[name] for name in self.inputs]
        if told.limit and tensors[0].shape[0] > told.limit:
            raise RefusalError(
                told.code, told.says or f"inference request batch-size must be <= {told.limit} for '{self.name}'"
            )
        if told.truncate:
            tensors = [tensor[:, : told.truncate] for tensor in tensors]
        try:
            with torch.no_grad():
                answered = self.joined(tensors) if told.joins else self.module(*tensors)
        except Exception as error:
            raise RefusalError(told.code, f"{type(error).__name__}: {error}".splitlines()[0]) from None
        leaves = [answered] if isinstance(answered, torch.Tensor) else list(answered)
        if told.swap:
            leaves = [leaf.flip(0) for leaf in leaves]
        if told.rounded is not None:
            leaves = [leaf.to(told.rounded).to(leaf.dtype) if leaf.is_floating_point() else leaf for leaf in leaves]
        named = {told.rename.get(name, name): leaf for name, leaf in zip(self.outputs, leaves)}
        named = {told.wrong.get(name, name): leaf for name, leaf in named.items()}
        if told.lacks and self.inferred >= told.lacks:
            named.pop(next(iter(named)))
        return named

    def joined(self, tensors: list[torch.Tensor]) -> Any:
        """Wait for others of the same lengths, run all of them as one batch, and take the answer apart."""
        entry: list[Any] = [tensors, None]
        with self.joining:
            self.pending.append(entry)
            self.most_under_way = max(self.most_under_way, len(self.pending))
        time.sleep(0.05)
        with self.joining:
            if entry[1] is None:
                shape = [tensor.shape[1:] for tensor in tensors]
                group = [other for other in self.pending if [tensor.shape[1:] for tensor in other[0]] == shape]
                self.pending = [other for other in self.pending if all(other is not one for one in group)]
                counts = [len(other[0][0]) for other in group]
                try:
                    whole = self.module(*(torch.cat(parts) for parts in zip(*(other[0] for other in group))))
                    answer = whole.split(counts)
                except Exception as error:
                    answer = [error] * len(group)
                shift = 1 if self.told.joins == "mixed" else 0
                for index, other in enumerate(group):
                    other[1] = answer[(index + shift) % len(group)]
        if isinstance(entry[1], Exception):
            raise entry[1]
        return entry[1]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *args: Any) -> None:
        pass

    def send(self, code: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        kind = "text/html" if data.startswith(b"<") else "application/json"
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def misbehaves(self) -> bool:
        server, told = self.server, self.server.told
        with server.lock:
            server.asked += 1
            count = server.asked
        server.paths.append(self.path)
        server.seen_headers.append(dict(self.headers))
        if told.dies and count >= told.dies:
            self.close_connection = True
            self.connection.close()
            return True
        name, value = told.header
        if name and self.headers.get(name) != value:
            self.send(401, {"error": f"no such key: {self.headers.get(name)}"})
            return True
        if told.busy and count % told.busy == 0:
            self.send(told.busy_code, {"error": "too busy"})
            return True
        if told.page:
            self.send(told.page, PAGE)
            return True
        time.sleep(told.slow)
        return False

    def do_GET(self) -> None:
        if not self.misbehaves():
            code, body = self.page()
            self.send(code, body)

    def page(self) -> tuple[int, Any]:
        server, told = self.server, self.server.told
        name = server.name
        ready = 200 if told.state == "AVAILABLE" else 400
        pages: dict[str, Any] = {
            "/v2": (200, {"name": "stand-in", "extensions": ["binary_tensor_data"] if told.binary else []}),
            f"/v2/models/{name}/ready": (ready, {} if ready == 200 else {"error": "it is loading"}),
            f"/v1/models/{name}": (
                200,
                {"model_version_status": [{"version": "1", "state": told.state, "status": {"error_code": "OK"}}]},
            ),
        }
        if told.metadata:
            pages[f"/v2/models/{name}"] = (
                200,
                {"name": name, "inputs": described(server.inputs), "outputs": described(renamed(server))},
            )
            signature = {"inputs": of_tensorflow(server.inputs), "outputs": of_tensorflow(renamed(server))}
            signatures = {"signature_def": {"serving_default": signature}}
            pages[f"/v1/models/{name}/metadata"] = (200, {"metadata": {"signature_def": signatures}})
        return pages.get(self.path, (404, {"error": f"Request for unknown model: {self.path} is not found"}))

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        if self.misbehaves():
            return
        server = self.server
        with server.lock:
            server.inferred += 1
        try:
            if server.told.redirect:
                self.send(302, {}, {"Location": server.told.redirect + self.path})
            elif server.told.body:
                self.send(200, server.told.body)
            elif self.path == f"/v2/models/{server.name}/infer":
                self.infer(raw)
            elif self.path == f"/v1/models/{server.name}:predict":
                self.predict(json.loads(raw))
            else:
                self.send(404, {"error": f"unknown path {self.path}"})
        except RefusalError as error:
            self.send(error.code, {"error": str(error)})

    def infer(self, raw: bytes) -> None:
        length = int(self.headers.get("Inference-Header-Content-Length") or len(raw))
        body, tail = json.loads(raw[:length]), raw[length:]
        self.server.bodies.append(body)
        feed = {}
        for item in body["inputs"]:
            dtype = DTYPES[item["datatype"]]
            size = item.get("parameters", {}).get("binary_data_size")
            if size is None:
                feed[item["name"]] = torch.tensor(item["data"], dtype=dtype).reshape(item["shape"])
            else:
                feed[item["name"]] = torch.frombuffer(bytearray(tail[:size]), dtype=dtype).reshape(item["shape"])
                tail = tail[size:]
        wanted = {item["name"] for item in body.get("outputs", ()) if item.get("parameters", {}).get("binary_data")}
        outputs, data = [], b""
        for name, leaf in self.server.answer(feed).items():
            item = {"name": name, "datatype": NAMES[leaf.dtype], "shape": list(leaf.shape)}
            if name in wanted:
                flat = leaf.contiguous().flatten()
                part = (flat.view(torch.int16) if flat.dtype == torch.bfloat16 else flat).numpy().tobytes()
                item["parameters"], data = {"binary_data_size": len(part)}, data + part
            else:
                item["data"] = leaf.flatten().tolist()
            outputs.append(item)
        head = json.dumps({"model_name": self.server.name, "outputs": outputs}).encode()
        self.send(200, head + data, {"Inference-Header-Content-Length": str(len(head))} if wanted else None)

    def predict(self, body: Mapping[str, Any]) -> None:
        server = self.server
        server.bodies.append(body)
        rows = "instances" in body
        if server.told.rows_only and not rows:
            raise RefusalError(400, 'Input can not be parsed: expected "instances"')
        given = (
            {name: [row[name] for row in body["instances"]] for name in body["instances"][0]}
            if rows
            else body["inputs"]
        )
        kinds = {name: server.inputs[name][0] if name in server.inputs else "FP32" for name in given}
        named = server.answer({name: torch.tensor(given[name], dtype=DTYPES[kind]) for name, kind in kinds.items()})
        single = len(named) == 1
        if rows:
            count = len(next(iter(named.values())))
            made = [{name: leaf[row].tolist() for name, leaf in named.items()} for row in range(count)]
            self.send(200, {"predictions": [next(iter(row.values())) for row in made] if single else made})
        else:
            columns = {name: leaf.tolist() for name, leaf in named.items()}
            self.send(200, {"outputs": next(iter(columns.values())) if single else columns})


def renamed(server: Server) -> Ports:
    return {server.told.rename.get(name, name): port for name, port in server.outputs.items()}


def described(ports: Ports) -> list[dict[str, Any]]:
    return [{"name": name, "datatype": kind, "shape": list(dims)} for name, (kind, dims) in ports.items()]


def of_tensorflow(ports: Ports) -> dict[str, Any]:
    return {
        name: {"dtype": OF_TENSORFLOW[kind], "tensor_shape": {"dim": [{"size": str(dim), "name": ""} for dim in dims]}}
        for name, (kind, dims) in ports.items()
    }


@contextmanager
def serving(
    module: Callable[..., Any], inputs: Ports, outputs: Ports, *, name: str = "toy", **told: Any
) -> Iterator[Server]:
    """Serve a callable on loopback, on a free port, until the block ends."""
    server = Server(module, inputs, outputs, Behaviour(**told), name)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
