"""MLServer, with a runtime of a few lines that loads a traced file."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from traced_files import Served, free_port, running

RUNTIME = """
import numpy
import torch
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceResponse


class Traced(MLModel):
    async def load(self):
        torch.set_num_threads(1)
        self.extra = self.settings.parameters.extra
        self.module = torch.jit.load(self.extra["file"])
        return True

    async def predict(self, payload):
        given = {item.name: NumpyCodec.decode_input(item) for item in payload.inputs}
        tensors = [torch.from_numpy(numpy.array(given[name])) for name in self.extra["inputs"]]
        limit, cut = self.extra["limit"], self.extra["cut"]
        if limit and len(tensors[0]) > limit:
            raise InferenceError(f"batch-size must be <= {limit} for {self.name}")
        if cut:
            tensors = [tensor[:, :cut] for tensor in tensors]
        with torch.no_grad():
            answered = self.module(*tensors)
        leaves = [answered] if isinstance(answered, torch.Tensor) else list(answered)
        outputs = [NumpyCodec.encode_output(name, leaf.numpy()) for name, leaf in zip(self.extra["outputs"], leaves)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
"""


@contextmanager
def ml_server(models: Sequence[Served], folder: Path) -> Iterator[tuple[str, str]]:
    """Serve models on loopback until the block ends; yields the roots of its REST and of its gRPC."""
    rest, grpc, metrics = free_port(), free_port(), free_port()
    settings = {"host": "127.0.0.1", "http_port": rest, "grpc_port": grpc, "metrics_port": metrics}
    settings.update(parallel_workers=0, debug=False)  # type: ignore[arg-type]
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    (folder / "traced_runtime.py").write_text(RUNTIME, encoding="utf-8")
    for model in models:
        own = folder / model.name
        own.mkdir()
        extra = {"file": str(model.file), "inputs": list(model.inputs), "outputs": list(model.outputs)}
        described = {
            "name": model.name,
            "implementation": "traced_runtime.Traced",
            "parameters": {"extra": {**extra, "limit": model.limit, "cut": model.cut}},
            "inputs": [{"name": name, "datatype": kind, "shape": dims} for name, (kind, dims) in model.inputs.items()],
            "outputs": [
                {"name": name, "datatype": kind, "shape": dims} for name, (kind, dims) in model.outputs.items()
            ],
        }
        (own / "model-settings.json").write_text(json.dumps(described), encoding="utf-8")
    root = f"http://127.0.0.1:{rest}"
    ready = [f"{root}/v2/models/{model.name}/ready" for model in models]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}
    command = [str(Path(sys.executable).with_name("mlserver")), "start", str(folder)]
    with running(command, ready, folder / "mlserver.log", env):
        yield root, f"grpc://127.0.0.1:{grpc}"
