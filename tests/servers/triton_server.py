"""Triton on the CPU, from the wheel nvidia-pytriton, which holds the server and its Python backend."""

from __future__ import annotations

import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from traced_files import Served, free_port, running

#: Runs in the server's own Python, which does not look at PYTHONPATH.
MODEL = """
import sys
sys.path[:0] = {paths!r}
import torch
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        torch.set_num_threads(1)
        self.module = torch.jit.load({file!r})

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        tensors = [torch.from_numpy(pb_utils.get_input_tensor_by_name(request, name).as_numpy().copy()) for name in {inputs!r}]
        if {cut}:
            tensors = [tensor[:, : {cut}] for tensor in tensors]
        try:
            with torch.no_grad():
                answered = self.module(*tensors)
        except Exception as error:
            return pb_utils.InferenceResponse([], pb_utils.TritonError(str(error)))
        leaves = [answered] if isinstance(answered, torch.Tensor) else list(answered)
        named = zip({outputs!r}, leaves)
        return pb_utils.InferenceResponse([pb_utils.Tensor(name, leaf.numpy()) for name, leaf in named])
"""


@contextmanager
def triton(models: Sequence[Served], folder: Path) -> Iterator[tuple[str, str]]:
    """Serve models on loopback until the block ends; yields the roots of its REST and of its gRPC."""
    import pytriton

    site = Path(pytriton.__file__).parents[1]
    bundle = site / "pytriton" / "tritonserver"
    for model in models:
        version = folder / "models" / model.name / "1"
        version.mkdir(parents=True)
        paths = [path for path in sys.path if path.endswith("site-packages")]
        text = MODEL.format(
            paths=paths, file=str(model.file), inputs=list(model.inputs), outputs=list(model.outputs), cut=model.cut
        )
        (version / "model.py").write_text(text, encoding="utf-8")
        (version.parent / "config.pbtxt").write_text(configuration(model), encoding="utf-8")
    backend = folder / "backends" / "python"
    backend.mkdir(parents=True)
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    stub = bundle / "python_backend_stubs" / python / "triton_python_backend_stub"
    for file in [*(bundle / "backends" / "python").glob("*.*"), stub]:
        shutil.copy(file, backend)
    # Its stub loads libpython by name: without a path to this Python's own it takes the machine's, if there is one.
    libraries = f"{sysconfig.get_config_var('LIBDIR')}{os.pathsep}{site / 'nvidia_pytriton.libs'}"
    rest, grpc = free_port(), free_port()
    root = f"http://127.0.0.1:{rest}"
    command = [str(bundle / "bin" / "tritonserver"), "--model-repository", str(folder / "models")]
    command += [
        "--backend-directory",
        str(folder / "backends"),
        "--http-address",
        "127.0.0.1",
        "--http-port",
        str(rest),
    ]
    command += ["--grpc-address", "127.0.0.1", "--grpc-port", str(grpc), "--allow-metrics", "false"]
    command += ["--disable-auto-complete-config"]
    ready = [f"{root}/v2/models/{model.name}/ready" for model in models]
    with running(command, ready, folder / "triton.log", {**os.environ, "LD_LIBRARY_PATH": libraries}):
        yield root, f"grpc://127.0.0.1:{grpc}"


def configuration(model: Served) -> str:
    """Return a model's config.pbtxt: with a largest batch, dims are without it."""

    def ports(kind: str, named: object) -> str:
        items = [
            f"{kind} [ {{ name: {json.dumps(name)} data_type: TYPE_{datatype} dims: {dims[1:] if model.limit else dims} }} ]"
            for name, (datatype, dims) in dict(named).items()  # type: ignore[call-overload]
        ]
        return "\n".join(items)

    lines = [f"name: {json.dumps(model.name)}", 'backend: "python"', f"max_batch_size: {model.limit}"]
    lines += [
        "instance_group [ { kind: KIND_CPU count: 1 } ]",
        ports("input", model.inputs),
        ports("output", model.outputs),
    ]
    return "\n".join(lines) + "\n"
