"""A server of two signatures with TensorFlow Serving's REST, by the standard library: `python serve.py [PORT]`.

It stands here for the server you have; docs/serving.md names those.
"""

from __future__ import annotations

import json
import sys
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch
from sentiment import WIDTH, exported

MASK = {"attention_mask": ("DT_INT64", [-1, -1])}
INPUTS = {
    "serving_default": {"input_ids": ("DT_INT64", [-1, -1]), **MASK},
    "embeds": {"inputs_embeds": ("DT_FLOAT", [-1, -1, WIDTH]), **MASK},
}
OUTPUTS = {"logits": ("DT_FLOAT", [-1, 2]), "hidden_states": ("DT_FLOAT", [3, -1, -1, WIDTH])}
DTYPES = {"DT_INT64": torch.int64, "DT_FLOAT": torch.float32}
MODEL = "/v1/models/sentiment"


def described(ports: dict[str, Any]) -> dict[str, Any]:
    """Return inputs or outputs as the server's metadata has them."""
    return {
        name: {"dtype": kind, "tensor_shape": {"dim": [{"size": str(size)} for size in dims]}}
        for name, (kind, dims) in ports.items()
    }


SIGNATURES = {name: {"inputs": described(ports), "outputs": described(OUTPUTS)} for name, ports in INPUTS.items()}
PAGES = {
    MODEL: {"model_version_status": [{"version": "1", "state": "AVAILABLE"}]},
    f"{MODEL}/metadata": {"metadata": {"signature_def": {"signature_def": SIGNATURES}}},
}


class Handler(BaseHTTPRequestHandler):
    """Answers for one model."""

    modules: dict[str, torch.jit.ScriptModule]

    def log_message(self, *words: Any) -> None:
        """Say nothing of each request."""

    def answer(self, code: int, said: Any) -> None:
        body = json.dumps(said).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """Say whether the model is there, and what it takes."""
        found = PAGES.get(self.path)
        self.answer(200 if found else 404, found or {"error": f"{self.path} is not found"})

    def do_POST(self) -> None:
        """Answer one request in the form of columns."""
        try:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = body.get("signature_name", "serving_default")
            tensors = [torch.tensor(body["inputs"][key], dtype=DTYPES[kind]) for key, (kind, _) in INPUTS[name].items()]
            with torch.no_grad():
                answered = self.modules[name](*tensors)
            self.answer(200, {"outputs": {key: leaf.tolist() for key, leaf in zip(OUTPUTS, answered)}})
        except Exception as error:
            self.answer(400, {"error": f"{type(error).__name__}: {error}"})


def server(port: int) -> ThreadingHTTPServer:
    """Return a server on this machine alone; a port of 0 is any that is free."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that tracing will be replaced
        Handler.modules = exported()
    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    made = server(int(sys.argv[1]) if len(sys.argv) > 1 else 8501)
    print(f"http://127.0.0.1:{made.server_address[1]}{MODEL}", flush=True)
    made.serve_forever()
