"""What a device changes, architecture by architecture, in at most five minutes on one card.

    python -m benchmarks.gpu [--device cuda]

Tiny models are built, traced, loaded and frozen by this package on the device, in four arithmetics. The first table says
whether a trace made on the CPU runs on the device, and the reverse, beside what the graph says; the second how far a trace is
from eager, in units of eager's own rounding, and what a call costs. Where the time ends the rest is left out, and that is said.
With ``--device cpu`` the second table is made anywhere, to try the script. The tests marked ``gpu`` run first.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from pytest_torchscript.checks.device import run_on
from pytest_torchscript.checks.run import run_check
from pytest_torchscript.checks.speed import times
from pytest_torchscript.common.devices import let_go, there
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import Error, MachineFailure, first_line
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.plan import make_plan
from pytest_torchscript.outputs import tensor_leaves
from pytest_torchscript.settings import make_settings

REFERENCES = (
    *("bert-base-uncased", "distilbert-base-uncased", "roberta-base", "gpt2", "t5-small", "facebook/bart-base"),
    *(
        "meta-llama/Llama-2-7b-hf",
        "mistralai/Mistral-7B-v0.1",
        "state-spaces/mamba-130m-hf",
        "google/vit-base-patch16-224",
    ),
    *("microsoft/resnet-50", "facebook/convnext-tiny-224", "microsoft/swin-tiny-patch4-window7-224"),
    *("facebook/wav2vec2-base-960h", "openai/whisper-tiny"),
)
ARITHMETICS = ("float32", "tf32", "float16", "bfloat16")
BATCHES = (2, 5)
#: Calls of a trace at each size.
CALLS = 4
RIGHT = "answers as eager"


def main(arguments: list[str] | None = None) -> int:
    """Print both tables; 1 where a sound model's ``outputs`` or ``freeze`` fails, or the graph and the run part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=270)
    parser.add_argument("-k", dest="part", default="", help="only references whose name contains this")
    parser.add_argument("--arithmetic", nargs="*", default=ARITHMETICS, choices=ARITHMETICS)
    parser.add_argument("--no-tests", action="store_true", help="leave the tests marked gpu out")
    options = parser.parse_args(arguments)
    until = time.monotonic() + options.seconds
    if options.device.partition(":")[0] not in {name.partition(":")[0] for name in there()}:
        print(f"error: device {options.device!r} is not there; there are {', '.join(there())}", file=sys.stderr)
        return 2
    tested = 0
    if not options.no_tests:
        command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests/gpu"]
        tested = subprocess.run(command, cwd=Path(__file__).parent.parent, check=False).returncode
    references = [reference for reference in REFERENCES if options.part in reference]
    card = torch.cuda.get_device_name() if options.device.startswith("cuda") else options.device
    bound: list[str] = []
    noise: list[str] = []
    wrong = False
    for number, reference in enumerate(references):
        if time.monotonic() > until:
            print(f"the time ended: {', '.join(references[number:])} left out")
            break
        wrong |= look_at(reference, options.arithmetic, options.device, bound, noise)
        print(f"{number + 1} of {len(references)}: {reference}", file=sys.stderr, flush=True)
    print(f"torch {torch.__version__} on {card}; tiny models with made-up weights, traced at batch 2, run at 2 and 5\n")
    print(f"| model | the graph | traced on cpu, run on {options.device} | traced on {options.device}, run on cpu |")
    print("|---|---|---|---|")
    print("\n".join(bound))
    print(
        "\n| model | arithmetic | noise | traced / noise | first call equal | loaded / noise | frozen, optimised / noise "
        "| ms eager, traced, frozen | outputs, freeze |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    print("\n".join(noise))
    return 1 if wrong or tested not in (0, 5) else 0


def look_at(reference: str, arithmetics: list[str], device: str, bound: list[str], noise: list[str]) -> bool:
    """Add the rows of one model to both tables; return whether the graph and the run part, or a check failed."""
    away, wrong = torch.device(device).type != "cpu", False
    places = {"cpu": "not asked", device: "not asked"}
    verdict = ""
    if away:
        with loaded(reference, "cpu", "float32") as lab:
            verdict, places["cpu"] = carried(lab, device)
    for arithmetic in arithmetics:
        with loaded(reference, device, arithmetic) as lab:
            if away and arithmetic == "float32":
                _, places[device] = carried(lab, "cpu")
            if isinstance(lab, str):
                noise.append(f"| {reference} | {arithmetic} | {lab} | | | | | | |")
                continue
            try:
                cells, failed = measured(lab)
            except (Exception, MachineFailure) as error:
                cells, failed = [first_line(error), *[""] * 6], True
            wrong |= failed
            noise.append(f"| {reference} | {arithmetic} | {' | '.join(cells)} |")
    bound.append(f"| {reference} | {verdict} | {places['cpu']} | {places[device]} |")
    asked = [said for said in places.values() if said != "not asked"]
    return wrong or any((verdict == "portable") != (said == RIGHT) for said in asked)


def carried(lab: Lab | str, other: str) -> tuple[str, str]:
    """Return what the graph of a trace says, and what becomes of its file on the other device."""
    if isinstance(lab, str):
        return lab, lab
    found = run_check(lab, "device").exports[0].portability
    verdict = found.verdict if found is not None else "not traced"
    return verdict, run_on(lab, torch.device(other)) or RIGHT


@contextmanager
def loaded(reference: str, device: str, arithmetic: str) -> Iterator[Lab | str]:
    """Yield a model on a device, alone there, with TF32 as the arithmetic says; a string says why there is none."""
    dtype = "float32" if arithmetic == "tf32" else arithmetic
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = arithmetic == "tf32"
    settings = make_settings(weights="tiny", device=device, dtype=dtype, offline=True)
    lab: Lab | str
    try:
        try:
            with quiet():
                lab = make_plan(reference, settings).load()
                lab.subject.answer  # noqa: B018 - whether it runs
        except Error as error:
            lab = error.message.replace("|", "/")
        yield lab
    finally:
        lab = ""
        let_go(torch.device(device))
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def measured(lab: Lab) -> tuple[list[str], bool]:
    """Return the cells of one row, and whether a check failed."""
    judge, artifact = lab.bench.judge, lab.export.artifact
    with tempfile.TemporaryDirectory() as folder, quiet(), torch.no_grad():
        path = Path(folder) / "model.pt"
        artifact.save(path)
        again = torch.jit.load(str(path), map_location=lab.export.device)
        frozen = torch.jit.optimize_for_inference(torch.jit.freeze(artifact.module.eval()))
    noise = 0.0
    far = {"traced": 0.0, "loaded": 0.0, "frozen": 0.0}
    first_equal = True
    for batch in BATCHES:
        inputs = lab.subject.draw({**lab.sizes, "batch": batch}, 1)
        expected = floats(lab.subject.eager(inputs))
        scale = max(float(leaf.abs().max()) for leaf in expected)
        precise = judge.precise(inputs)
        if precise is not None:
            noise = max(noise, distance(expected, floats(precise)) / scale)
        for name, module in (("traced", artifact), ("loaded", again), ("frozen", frozen)):
            for call in range(CALLS):
                away = distance(expected, floats(judge.answer(module, inputs))) / scale
                far[name] = max(far[name], away)
                first_equal &= bool(call or name != "traced" or not away)
    took: Mapping[str, float] = times(lab, lab.subject.inputs, {"export": artifact, "frozen": frozen})
    eager = 1e3 * took["eager"]
    outcomes = [run_check(lab, check).checks[0].outcome for check in ("outputs", "freeze")]
    ratios = [f"{far[name] / noise:.2f}" if noise else "no measure" for name in ("traced", "loaded", "frozen")]
    cells = [f"{noise:.1e}", ratios[0], "yes" if first_equal else "no", ratios[1], ratios[2]]
    cells += [f"{eager:.1f}, {eager * took['export']:.1f}, {eager * took['frozen']:.1f}", ", ".join(outcomes)]
    return cells, "failed" in outcomes or "error" in outcomes


def floats(output: Any) -> list[torch.Tensor]:
    """Return the floating leaves of an output in double precision on the CPU."""
    leaves = (leaf for _, leaf in tensor_leaves(output) if leaf.is_floating_point())
    return [leaf.detach().cpu().double() for leaf in leaves]


def distance(left: list[torch.Tensor], right: list[torch.Tensor]) -> float:
    """Return the largest difference of two lists of leaves."""
    return max(float((one - other).abs().max()) for one, other in zip(left, right))


if __name__ == "__main__":
    sys.exit(main())
