"""What checking costs, in one run: ``python -m benchmarks.performance [PART…] [--json FILE] [--page]``.

========  ==============================================================================================
passes    seconds of all checks against the model's own largest forward pass (one row, the ends of all other axes)
tiny      seconds a tiny model of one run, imports left out
workers   two workers of xdist against one, in turns: on sixteen tiny models of sixteen architectures, and on sixteen of the
          smallest, which are checked in a second each, where what each worker imports weighs most
memory    the peak of each check against the weights; a configuration larger than the machine without weights;
          what is held after the last of many models against what was held after the tenth
verdicts  forward passes to the verdicts of the corpus: ours, every size in turn, torch.jit.trace(check_inputs=…) and
          a plain hypothesis test
start     a run that uses none of it, with the plugin and without
========  ==============================================================================================

Every part runs pytest, or Python, in processes of its own, on one thread each; figures are ratios of one run where a bound is
named. ``--page`` puts the table into docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
#: Between these the table stands in the page.
BEGIN, END = "<!-- measured: python -m benchmarks.performance --page -->", "<!-- end of what was measured -->"
#: Architectures at full size, weights made up.
LARGE = ("bert-base-uncased", "microsoft/resnet-50", "openai/whisper-tiny")
#: Models of one run, shrunk; the last is asked about alone as well.
TINY = (
    *("bert-base-uncased", "roberta-base", "distilbert-base-uncased", "albert-base-v2"),
    *("gpt2", "google/vit-base-patch16-224", "google/electra-small-discriminator", "t5-small"),
)
#: As many again, so that two workers have something to share: of other architectures, and of the same.
OTHERS = (
    *("facebook/bart-base", "EleutherAI/pythia-70m", "meta-llama/Llama-3.2-1B", "openai/clip-vit-base-patch32"),
    *("openai/whisper-tiny", "facebook/wav2vec2-base", "microsoft/resnet-50", "facebook/convnext-tiny-224"),
)
ALIKE = (
    *("bert-base-cased", "roberta-large", "distilroberta-base", "albert-large-v2"),
    *("gpt2-medium", "google/vit-large-patch16-224", "google/electra-base-discriminator", "facebook/bart-base"),
)
#: A model that fits in memory a few times, and one that does not.
HEAVY, META = "EleutherAI/gpt-neo-1.3B", "meta-llama/Llama-2-7b-hf"
WITHIN = ("trace", "outputs", "axis", "values")

#: Many small modules, as a repository may have them; all of one shape, so that none costs more than another.
MODULES = """
import torch
from torch import nn
from pytest_torchscript import TensorSpec

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.conv = nn.Embedding(1000, 64), nn.Conv1d(64, 64, 3, padding=1)
        self.block = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 64), nn.LayerNorm(64))

    def forward(self, ids):
        x = self.embed(ids)
        return self.block(x + self.conv(x.transpose(1, 2)).transpose(1, 2))

def make(number):
    torch.manual_seed(number)
    return Net().eval(), {"ids": TensorSpec("batch", "time", dtype=torch.int64, low=0, high=1000)}
"""
#: Writes down what the process holds after each model.
HELD = """
def pytest_runtest_logfinish(nodeid, location):
    with open("/proc/self/statm") as file, open("held.txt", "a") as out:
        out.write(nodeid.rpartition("::")[0] + " " + file.read().split()[1] + "\\n")
"""


@dataclass(frozen=True)
class Figure:
    """One line of the table. ``bound`` is what it must not exceed, or be below where that begins with ``>=``."""

    part: str
    what: str
    value: float
    unit: str
    bound: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether it keeps its bound; None where it has none."""
        if not self.bound:
            return None
        relation, limit = self.bound.split()
        return self.value >= float(limit) if relation == ">=" else self.value <= float(limit)

    def row(self) -> str:
        """Lay it out as a row."""
        kept = {None: "", True: "yes", False: "**no**"}[self.holds]
        return f"| {self.part} | {self.what} | {self.value:,.2f} {self.unit} | {self.bound} | {kept} |"


@dataclass(frozen=True)
class Suite:
    """One run of pytest: its seconds, and its record."""

    seconds: float
    record: dict[str, Any]

    def checks(self, model: int = 0) -> list[dict[str, Any]]:
        """Return the checks of one of its models."""
        return [check for export in self.record["models"][model]["exports"] for check in export["checks"]]

    def seconds_of(self, model: int = 0) -> float:
        """Return the seconds of one model's checks."""
        return float(sum(check["seconds"] for check in self.checks(model)))


def environment() -> dict[str, str]:
    """Return the environment of what is started here: this checkout, one thread, no Hub."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def run_suite(references: Iterable[str], *words: str, files: dict[str, str] | None = None) -> tuple[Suite, str]:
    """Run the suite of some models in a folder of its own; return it, and what stands in ``held.txt`` there."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (files or {}).items():
            Path(folder, name).write_text(text, encoding="utf-8")
        models = [word for reference in references for word in ("--torchscript-model", reference)]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *models, *words]
        began = time.perf_counter()
        subprocess.run(
            [*command, "--torchscript-report", "out.json"],
            cwd=folder,
            env=environment(),
            stdout=subprocess.DEVNULL,
            check=False,
        )
        took = time.perf_counter() - began
        held = Path(folder, "held.txt")
        record = json.loads(Path(folder, "out.json").read_text(encoding="utf-8"))
        return Suite(took, record), held.read_text(encoding="utf-8") if held.exists() else ""


def largest_pass(reference: str) -> float:
    """Return the seconds of eager's largest forward pass, in this process: one row, the ends of all other axes."""
    from pytest_torchscript.common.phases import seconds_of
    from pytest_torchscript.lab.plan import make_plan
    from pytest_torchscript.settings import Settings

    subject = make_plan(reference, Settings(weights="random")).load().subject
    sizes = {**subject.sizes, **{name: axis.last for name, axis in subject.spec.moving.items()}, "batch": 1}
    sizes = {name: size for name, size in sizes.items() if name in subject.spec.axes}
    inputs = subject.draw(sizes if not subject.refusal(sizes) else {**subject.sizes, "batch": 1})
    return statistics.median(seconds_of(lambda: subject.eager.anew(inputs)) for _ in range(3))


def asked_apart(*words: str) -> float:
    """Return the number that this program prints in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.performance", *words]
    told = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    return float(told.stdout.split()[-1])


def measure_passes() -> Iterable[Figure]:
    """Yield how many of its largest passes each large model's checks take; the pass is timed before and after."""
    for reference in LARGE:
        before = asked_apart("--largest-pass", reference)
        suite, _ = run_suite([reference], "--torchscript-weights", "random")
        one = (before + asked_apart("--largest-pass", reference)) / 2
        bound = "<= 25" if reference == LARGE[0] else ""
        yield Figure(
            "passes", f"{reference}: all checks against its largest pass", suite.seconds_of() / one, "x", bound
        )
        yield Figure("passes", f"{reference}: its largest pass", one, "s")
        yield Figure("passes", f"{reference}: forward passes", suite.record["totals"]["passes"], "passes")


def measure_tiny() -> Iterable[Figure]:
    """Yield the seconds of tiny models in one run."""
    suite, _ = run_suite(TINY, "--torchscript-weights", "tiny")
    seconds = [suite.seconds_of(model) for model in range(len(TINY))]
    yield Figure("tiny", f"{len(TINY)} tiny models, each on average", statistics.mean(seconds), "s", "<= 1.2")
    yield Figure("tiny", f"{TINY[-1]}, tiny", seconds[-1], "s", "<= 3")


def measure_workers(turns: int = 2) -> Iterable[Figure]:
    """Yield how much faster two workers are than one, of runs that take turns: the best of each."""
    for what, models, bound in (
        ("tiny models of as many architectures", (*TINY, *OTHERS), ">= 1.6"),
        ("of the smallest models", (*TINY, *ALIKE), ""),
    ):
        took: dict[str, list[float]] = {"1": [], "2": []}
        for _ in range(turns):
            for workers, seconds in took.items():
                suite, _ = run_suite(models, "--torchscript-weights", "tiny", "-n", workers)
                seconds.append(suite.seconds)
        one, two = min(took["1"]), min(took["2"])
        yield Figure("workers", f"{len(models)} {what}: one worker against two", one / two, "x", bound)
        yield Figure("workers", f"{len(models)} {what} on one worker", one, "s")


def measure_memory(models: int = 60) -> Iterable[Figure]:
    """Yield peaks of memory: of a large model against its weights, of one without weights, and over many models."""
    suite, _ = run_suite([HEAVY], "--torchscript-weights", "random", "--torchscript-axis", "sequence=1:256")
    weights = 4.0 * suite.record["models"][0]["parameters"]
    peaks = {check["name"]: check.get("peak_memory") or 0 for check in suite.checks()}
    within = max(peak for name, peak in peaks.items() if name.partition("[")[0] in WITHIN)
    yield Figure("memory", f"{HEAVY}: {', '.join(WITHIN)} against its weights", within / weights, "x", "<= 1.35")
    yield Figure("memory", f"{HEAVY}: all checks against its weights", max(peaks.values()) / weights, "x")
    skipped = sum("more copies of the weights" in check["message"] for check in suite.checks())
    yield Figure("memory", f"{HEAVY}: checks skipped because they would not fit", skipped, "")
    suite, _ = run_suite([META], "--torchscript-weights", "meta")
    yield Figure("memory", f"{META} without weights: the whole run", suite.seconds, "s", "<= 60")
    yield Figure("memory", f"{META} without weights", suite.record["totals"]["peak_memory"] / 1e9, "GB", "<= 2")
    references = [f"modules:make({number})" for number in range(models)]
    _, held = run_suite(references, files={"modules.py": MODULES, "conftest.py": HELD})
    pages = list(dict(line.rsplit(" ", 1) for line in held.splitlines()).values())
    ratio = int(pages[-1]) / int(pages[9])
    yield Figure("memory", f"{models} tiny models: held after the last against after the tenth", ratio, "x", "<= 1.15")


def measure_verdicts(part: str = "") -> Iterable[Figure]:
    """Yield the forward passes that several ways of checking take for the corpus."""
    from benchmarks import finding_power
    from tests.corpus.sweep import truth_of
    from tests.corpus.table import SPECIMENS

    chosen = [specimen for specimen in SPECIMENS if part in specimen.name]

    def every_size(specimen: Any) -> finding_power.Answer:
        return finding_power.Answer(finding_power.truly_broken(truth_of(specimen)))

    for name, way in {"every size in turn": every_size, **finding_power.WAYS}.items():
        score = finding_power.measure(name, way, chosen)
        broken = len(score.found) + len(score.missed)
        told = f"{name.replace('`', '')}: {len(score.found)} of {broken} found, {len(score.alarms)} false alarms"
        yield Figure("verdicts", told, score.passes, "passes")
        if way is finding_power.ours and not part:
            earlier = sum(count for name, count in score.passes_of.items() if name in finding_power.EARLIER)
            yield Figure(
                "verdicts", "the same, on the models of 0.1.0 alone", earlier, "passes", f"<= {0.6 * 9879:.0f}"
            )


def measure_start(turns: int = 15) -> Iterable[Figure]:
    """Yield the processor time of a run that uses none of it, with the plugin against without, in turns."""
    took: dict[str, list[float]] = {"torchscript": [], "no:torchscript": []}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_own.py").write_text("def test_mine():\n    pass\n", encoding="utf-8")
        for _ in range(turns):
            for plugin, seconds in took.items():
                words = [] if plugin == "torchscript" else ["-p", plugin]
                began = _processor_time()
                command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
                subprocess.run(command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, check=True)
                seconds.append(_processor_time() - began)
    ratio = statistics.median(took["torchscript"]) / statistics.median(took["no:torchscript"])
    yield Figure("start", "a run that uses none of it, with the plugin against without", ratio, "x", "<= 1.05")


def _processor_time() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


PARTS: dict[str, Callable[[], Iterable[Figure]]] = {
    "passes": measure_passes,
    "tiny": measure_tiny,
    "workers": measure_workers,
    "memory": measure_memory,
    "verdicts": measure_verdicts,
    "start": measure_start,
}


def machine() -> dict[str, str]:
    """Return what was measured on, and with which releases."""
    model = ""
    if sys.platform == "linux":
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
        model = found[1] if found else ""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    load = os.getloadavg()[0]
    return {
        "machine": f"{os.cpu_count()} cores ({model or platform.machine()}), {pages / 1e9:.0f} GB, load {load:.1f} at the end",
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "pytest", "pytest-xdist", "hypothesis")},
    }


def table(figures: Iterable[Figure], on: dict[str, str]) -> str:
    """Lay figures out as the page has them."""
    rows = "\n".join(figure.row() for figure in figures)
    where = ", ".join(value if name == "machine" else f"{name} {value}" for name, value in on.items())
    return f"{where}.\n\n| part | what | measured | bound | holds |\n|---|---|---|---|---|\n{rows}"


def write_page(figures: Iterable[Figure], on: dict[str, str], page: Path = PAGE) -> None:
    """Put the table into the page, in place of the one that stands there."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{table(figures, on)}\n\n{END}{after}", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Measure the parts that are named, all by default; 1 where a figure exceeds its bound."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help="parts to measure; all by default")
    parser.add_argument("--json", type=Path, help="a file for the figures; those of other parts in it stay")
    parser.add_argument("--page", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("--largest-pass", metavar="REF", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.largest_pass:
        print(largest_pass(given.largest_pass))
        return 0
    figures: list[Figure] = []
    for part in given.part or PARTS:
        for figure in PARTS[part]():
            figures.append(figure)
            print(figure.row(), flush=True)
    parts = {figure.part for figure in figures}
    kept: list[dict[str, Any]] = []
    if given.json is not None and given.json.exists():
        kept = json.loads(given.json.read_text(encoding="utf-8"))["figures"]
    figures = [Figure(**figure) for figure in kept if figure["part"] not in parts] + figures
    figures.sort(key=lambda figure: list(PARTS).index(figure.part))
    if given.json is not None:
        record = {"environment": machine(), "figures": [asdict(figure) for figure in figures]}
        given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if given.page:
        write_page(figures, machine())
    return 0 if all(figure.holds is not False for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
