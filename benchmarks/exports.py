"""What each export keeps of the corpus, and whether our verdicts are those of an exhaustive sweep of the same export.

    python -m benchmarks.exports --backend torch_export [--only NAME ...] [--out results.json]
    python -m benchmarks.exports --table results.json ... > table.md

Backends: torchscript, torch_export, onnx (the exporter of old), onnx-dynamo. The sweep exports anew and plainly, and runs every
size of every axis; it uses nothing of the engine.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from pytest_torchscript import check
from tests.corpus.sweep import ANCHOR, KINDS, OK, Subject, worst
from tests.corpus.table import SPECIMENS

Tensors = tuple[torch.Tensor, ...]


class Exported(Subject):
    """Through torch.export."""

    def export(self, module: Any, example: Tensors) -> Any:
        with quietly():
            return torch.export.export(module, example, dynamic_shapes=(self.free(),), strict=False).module()

    def free(self) -> tuple[dict[int, Any], ...]:
        auto: Any = torch.export.Dim.AUTO
        return tuple(dict.fromkeys(self.moving(name), auto) for name in self.specimen.flat)

    def moving(self, name: str) -> list[int]:
        """Return the dims of an input that belong to an axis."""
        return [dim for dim, size in enumerate(self.specimen.flat[name].dims) if not isinstance(size, int)]


class InOnnx(Exported):
    """Through ONNX, by the exporter of old."""

    noise, relative = 8, 1.3e-6

    def export(self, module: Any, example: Tensors) -> Any:
        import onnxruntime

        path = Path(tempfile.mkdtemp()) / "model.onnx"
        with quietly():
            self.write(module, example, str(path))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        taken = {item.name for item in session.get_inputs()}
        names = list(self.specimen.flat)

        def run(*tensors: torch.Tensor) -> list[torch.Tensor]:
            feed = {name: tensor.numpy() for name, tensor in zip(names, tensors) if name in taken}
            return [torch.from_numpy(answer) for answer in session.run(None, feed)]

        return run

    def write(self, module: Any, example: Tensors, path: str) -> None:
        axes = {name: {dim: f"{name}_{dim}" for dim in self.moving(name)} for name in self.specimen.flat}
        names = list(self.specimen.flat)
        torch.onnx.export(module, example, path, input_names=names, dynamic_axes=axes, dynamo=False)


class ByDynamo(InOnnx):
    """Through ONNX, by the exporter of today: names of axes, else AUTO."""

    def write(self, module: Any, example: Tensors, path: str) -> None:
        called = {name: self.specimen.flat[name].dims for name in self.specimen.flat}
        named = tuple(
            {dim: getattr(called[name][dim], "name", str(called[name][dim])) for dim in self.moving(name)}
            for name in called
        )
        for shapes in (named, self.free()):
            with contextlib.suppress(Exception):
                keywords: dict[str, Any] = {"input_names": list(self.specimen.flat), "dynamic_shapes": (shapes,)}
                torch.onnx.export(module, example, dynamo=True, verbose=False, **keywords).save(path)
                return
        raise RuntimeError("refused by names and by AUTO")


WAYS: dict[str, tuple[type[Subject], dict[str, Any]]] = {
    "torchscript": (Subject, {"backends": ("torchscript",)}),
    "torch_export": (Exported, {"backends": ("torch_export",)}),
    "onnx": (InOnnx, {"backends": ("onnx",), "options": {"onnx": {"exporter": "torchscript"}}}),
    "onnx-dynamo": (ByDynamo, {"backends": ("onnx",), "options": {"onnx": {"exporter": "dynamo"}}}),
}


@contextlib.contextmanager
def quietly() -> Any:
    logging.getLogger("torch").setLevel(logging.CRITICAL + 1)
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield


def truth_of(specimen: Any, way: type[Subject]) -> dict[str, Any]:
    """Return the verdicts of an export, by running every size of every axis alone, and every kind of values."""
    try:
        subject = way(specimen, {**ANCHOR, **specimen.anchor})
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:160]}
    sound_here = all(subject.outcome(subject.anchor, seed=seed) == OK for seed in range(1, 13))
    seen: dict[str, Any] = {}
    for name in subject.axes:
        outcomes = subject._line(name, (1, 2))
        seen[name] = subject._axis_record(outcomes, sound_here or specimen.held, name)["verdict"]
    kinds = [subject.outcome(subject.anchor, kind, seed) for kind in KINDS for seed in range(1, 5)]
    values = worst("diverges" if kind == "differs" else "fixed" if kind == "raises" else "dynamic" for kind in kinds)
    return {"axes": seen, "values": values}


def found_by_us(specimen: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Return our verdicts."""
    found = check(
        specimen.factory(), inputs=specimen.inputs, anchor=specimen.anchor, name=specimen.name,
        checks=("trace", "outputs", "axis", "values"), **settings,
    )  # fmt: skip
    export = found.exports[0]
    if export.checks[0].outcome == "failed":
        return {"refused": export.checks[0].message.splitlines()[1].strip()[:160]}
    axes = {axis.axis: axis.verdict for axis in export.axes}
    named = {axis.axis: bool(axis.causes) for axis in export.axes if axis.verdict in ("fixed", "diverges")}
    skipped = {item.name: item.message for item in export.checks if item.outcome == "skipped"}
    return {"axes": axes, "values": export.values.verdict, "line": named, "skipped": skipped}


def agrees(truth: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Return where the two differ."""
    if "refused" in truth or "refused" in found:
        return [] if "refused" in truth and "refused" in found else [f"truth {truth}, found {found}"]
    wrong = [
        f"{axis}: {verdict}, found {found['axes'].get(axis)}"
        for axis, verdict in truth["axes"].items()
        if verdict is not None and found["axes"].get(axis) != verdict
    ]
    return wrong + (
        [f"values: {truth['values']}, found {found['values']}"] if truth["values"] != found["values"] else []
    )


def measure(backend: str, only: list[str], out: Path | None) -> int:
    """Carry one backend through the corpus; results of earlier runs in the same file are kept."""
    way, settings = WAYS[backend]
    kept = json.loads(out.read_text()) if out is not None and out.exists() else {"backend": backend, "specimens": {}}
    for specimen in SPECIMENS:
        if (only and specimen.name not in only) or specimen.name in kept["specimens"]:
            continue
        start = time.perf_counter()
        truth, found = truth_of(specimen, way), found_by_us(specimen, settings)
        wrong = agrees(truth, found)
        kept["specimens"][specimen.name] = {"truth": truth, "found": found, "wrong": wrong}
        print(f"{specimen.name:32} {time.perf_counter() - start:5.1f} s  {'; '.join(wrong) or 'as swept'}", flush=True)
        if out is not None:
            out.write_text(json.dumps(kept))
    return sum(bool(entry["wrong"]) for entry in kept["specimens"].values())


def table(paths: list[str]) -> None:
    """Print the specimens that some export loses, side by side."""
    runs = [json.loads(Path(path).read_text()) for path in paths]
    names = [run["backend"] for run in runs]
    print(f"| model | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for specimen in SPECIMENS:
        cells = [_cell(run["specimens"].get(specimen.name, {}).get("truth")) for run in runs]
        if any(cell not in ("keeps all", "") for cell in cells):
            print(f"| `{specimen.name}` | {' | '.join(cells)} |")


def _cell(truth: dict[str, Any] | None) -> str:
    if truth is None:
        return ""
    if "refused" in truth:
        return "not exported"
    lost = [f"{axis} {verdict}" for axis, verdict in truth["axes"].items() if verdict in ("fixed", "diverges")]
    lost += [f"values {truth['values']}"] if truth["values"] in ("fixed", "diverges") else []
    return ", ".join(lost) or "keeps all"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=WAYS, default="torch_export")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--table", nargs="*")
    given = parser.parse_args()
    if given.table:
        table(given.table)
        return 0
    return measure(given.backend, given.only, given.out)


if __name__ == "__main__":
    sys.exit(main())
