"""A script that repeats a failure with torch and the model's own code alone: to hand on to whoever owns the model.

It builds the model, traces it, runs the smallest input that fails, and ends in an AssertionError (exit code 1) while the
failure is there, with 0 once it is repaired, and with 2 where anything else goes wrong. Written scripts are run before they
are kept: one that does not repeat the failure helps nobody.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pytest_torchscript.backends.base import SAME
from pytest_torchscript.errors import visible
from pytest_torchscript.form import code_of, identifiers
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.trial import Tensors, Trial
from pytest_torchscript.models.construct import SEED, float32_config
from pytest_torchscript.models.reference import FACTORY, parse_reference
from pytest_torchscript.results import ModelResult

#: Seconds that a script may take when it is tried out.
TRY_SECONDS = 600
#: Tensors of so few numbers are written out; larger ones are drawn, or kept in a file beside the script.
_WRITTEN_OUT = 64
#: How an answer may differ where no difference was measured, as a share of the largest expected.
_SHARE = 1e-4


class CannotReproduceError(Exception):
    """Why there is no script for a failure."""


@dataclass(frozen=True)
class _Failure:
    """What a script must show: the traced inputs, those that fail, and what was found there, if anything was compared."""

    kind: str
    failing: Tensors
    trial: Trial | None = None


def write_reproducer(lab: Lab, piece: ModelResult, folder: Path) -> Path:
    """Write the script of a failed check into a folder, try it out, and return its path.

    Raises CannotReproduceError where the failure cannot be told in such a script, or the script does not repeat it; OSError
    where it cannot be written.
    """
    check = piece.checks[0]
    failure = _failure(lab, piece)
    build = _building(lab)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _file_name(piece.model, check.name, lab.backend.name)
    beside = path.with_suffix(".pt")
    ended = ""
    for exact in (False, True):
        feeding, kept = _feeding(lab, failure, exact=exact)
        if kept is not None:
            torch.save(kept, beside)
        path.write_text(_script(lab, path, check.message, build, feeding, failure), encoding="utf-8")
        code, ended = _tried(path, _paths(lab))
        if code == 1:
            return path
    path.unlink()
    beside.unlink(missing_ok=True)
    raise CannotReproduceError(f"the script that was written does not repeat it: {ended}")


def _failure(lab: Lab, piece: ModelResult) -> _Failure:
    """Return what a failed check found, or say why no script can show it."""
    if not lab.backend.traits.torchscript or lab.backend.traits.arithmetic != SAME:
        raise CannotReproduceError(f"one is written for torch.jit.trace, not for the backend {lab.backend.name}")
    if lab.settings.artifact is not None:
        raise CannotReproduceError("the artifact was made elsewhere")
    if lab.subject.meta:
        raise CannotReproduceError("the model was checked without weights")
    export = piece.exports[0]
    name = piece.checks[0].name.partition("[")[0]
    if name in ("axis", "joint"):
        sizes = export.axes[0].counterexample if name == "axis" else export.joint and export.joint.counterexample
        if not sizes:
            raise CannotReproduceError("no sizes were found that fail")
        return _Failure("compare", lab.subject.moved(sizes), lab.bench.at(sizes))
    if name == "values":
        if lab.bench.wrong_values is None:
            raise CannotReproduceError("it is about a trace that is made without an input")
        _, inputs, trial = lab.bench.wrong_values
        return _Failure("compare", inputs, trial)
    if name == "outputs":
        return _Failure("compare", lab.subject.inputs, lab.bench.at(lab.sizes))
    if name in ("trace", "determinism", "save_load", "freeze"):
        return _Failure(name, lab.subject.inputs)
    raise CannotReproduceError(f"none is written for the check {name}")


# The parts of a script.


def _building(lab: Lab) -> list[str]:
    """Return the lines of a function that builds the model."""
    loaded, subject = lab.subject.loaded, lab.subject
    blueprint = loaded.blueprint
    if subject.module.pack is not None:
        raise CannotReproduceError("its inputs are packed into a cache of transformers")
    if blueprint.module is not None:
        return _building_by_factory(lab)
    cls, config = blueprint.model_class, blueprint.config
    if cls is None or config is None:
        raise CannotReproduceError("the model has no reference that can be imported")
    home = cls.__module__ if cls.__module__.split(".")[0] != "transformers" else "transformers"
    if blueprint.weights == "pretrained":
        where = blueprint.directory if parse_reference(blueprint.reference).kind != "hub" else blueprint.reference
        return [
            f"from {home} import {cls.__name__}",
            "",
            f"model = {cls.__name__}.from_pretrained({where!r}).float()",
            "return model.eval()",
        ]
    if config.__class__.__module__.startswith("transformers_modules") or home.startswith("transformers_modules"):
        raise CannotReproduceError("its code comes with its checkpoint")
    text = float32_config(config).to_json_string(use_diff=True).strip()
    json.loads(text)
    return [
        f"from transformers import {type(config).__name__}",
        f"from {home} import {cls.__name__}",
        "",
        f"config = {type(config).__name__}.from_dict(json.loads(CONFIG))",
        f"torch.manual_seed({SEED})",
        f"model = {cls.__name__}(config)",
        "with torch.no_grad():  # every input is to be felt: the usual 0.02 hides what it does",
        "    for parameter in model.parameters():",
        "        if parameter.dim() > 1:",
        "            parameter.normal_(0.0, parameter[0].numel() ** -0.5)",
        "return model.float().eval()",
        "---",
        *f'CONFIG = r"""\n{text}\n"""'.splitlines(),
    ]


def _building_by_factory(lab: Lab) -> list[str]:
    try:
        reference = parse_reference(lab.label)
    except Exception:
        reference = None
    if reference is None or reference.kind != FACTORY:
        raise CannotReproduceError("the model has no reference that can be imported")
    module, _, attribute = reference.target.partition(":")
    given = [
        *map(repr, reference.arguments),
        *(f"{name}={value!r}" for name, value in reference.keywords.items()),
    ]
    imported = f"import {module} as home"
    return [
        f"torch.manual_seed({SEED})  # a module may build its model when it is imported",
        imported,
        "",
        f"torch.manual_seed({SEED})",
        f"made = home.{attribute}"
        if isinstance(_looked_up(module, attribute), torch.nn.Module)
        else f"made = home.{attribute}({', '.join(given)})",
        "model = made[0] if isinstance(made, tuple) else made  # the second are inputs",
        'return model.eval() if hasattr(model, "eval") else model',
    ]


def _looked_up(module: str, attribute: str) -> Any:
    found: Any = sys.modules.get(module)
    for name in attribute.split("."):
        found = getattr(found, name, None)
    return found


def _feeding(lab: Lab, failure: _Failure, *, exact: bool) -> tuple[list[str], list[list[torch.Tensor]] | None]:
    """Return the lines that make both sets of inputs, and the tensors that a file keeps for them, if one does."""
    names = list(lab.spec)
    sides = [[tensors[name].cpu() for name in names] for tensors in (lab.subject.inputs, failure.failing)]
    if exact:
        lines = ["TRACED, FAILING = torch.load(pathlib.Path(__file__).with_suffix('.pt'))"]
        return lines, sides
    lines = [f"generator = torch.Generator().manual_seed({lab.settings.seed})"]
    for title, side in zip(("TRACED", "FAILING"), sides):
        lines.append(f"{title} = [")
        lines += [f"    {_tensor_code(tensor)},  # {_commented(name)}" for name, tensor in zip(names, side)]
        lines.append("]")
    return lines, None


def _commented(name: str) -> str:
    return visible(name).replace("\n", " ")


def _tensor_code(tensor: torch.Tensor) -> str:
    """Return Python for a tensor: written out where it is small or constant, else one that is drawn like it."""
    shape, dtype = tuple(tensor.shape), tensor.dtype
    if tensor.numel() and bool((tensor == tensor.flatten()[0]).all()):
        return f"torch.full({shape}, {_number(tensor.flatten()[0].item())}, dtype={dtype})"
    if tensor.numel() <= _WRITTEN_OUT:
        numbers = ", ".join(_number(number) for number in tensor.flatten().tolist())
        return f"torch.tensor([{numbers}], dtype={dtype}).reshape({shape})"
    if tensor.is_floating_point():
        mean, spread = float(tensor.float().mean()), float(tensor.float().std())
        scaled = f"torch.randn({shape}, generator=generator) * {_number(round(spread, 6))} + {_number(round(mean, 6))}"
        return f"({scaled}).to({dtype})"
    if tensor.is_complex():
        return f"torch.randn({shape}, generator=generator, dtype={dtype})"
    low, high = int(tensor.min()), int(tensor.max()) + 1
    return f"torch.randint({low}, {high}, {shape}, generator=generator).to({dtype})"


def _number(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value)


_COMMON = '''
def tensors(value):
    """Return the tensors of an output, flat: a trace can return no others."""
    if isinstance(value, torch.Tensor):
        return (value,)
    if isinstance(value, (bool, int, float, complex)):
        return (torch.as_tensor(value),)
    if isinstance(value, dict):
        value = tuple(value.values())
    elif hasattr(value, "__dict__") and not isinstance(value, (tuple, list)):
        value = tuple(vars(value).values())
    return tuple(leaf for part in value for leaf in tensors(part)) if isinstance(value, (tuple, list)) else ()


def answer(module, inputs):
    torch.manual_seed(0)
    found = tensors(module(*(tensor.clone() for tensor in inputs)))
    if not found:
        raise TypeError("the model returns no tensor")
    return found


def difference(actual, expected):
    """Say how two answers differ; an empty string where they do not."""
    shapes = [[tuple(leaf.shape) for leaf in side] for side in (actual, expected)]
    if shapes[0] != shapes[1]:
        return f"shapes {shapes[0]}, eager gives {shapes[1]}"
    for number, (left, right) in enumerate(zip(actual, expected)):
        if left.dtype != right.dtype:
            return f"output {number}: {left.dtype}, eager gives {right.dtype}"
        exact = not (left.is_floating_point() or left.is_complex())
        if exact and not torch.equal(left, right):
            return f"output {number}: {int((left != right).sum())} of {left.numel()} numbers differ"
        if not exact and left.numel() and not torch.allclose(left, right, rtol=0.0, atol=TOLERANCE, equal_nan=True):
            apart = (left - right).abs().nan_to_num(nan=float("inf")).max()
            return f"output {number}: max |actual - expected| = {float(apart):.3g}, allowed {TOLERANCE:.2g}"
    return ""


def tried(call, verb):
    """Return what a call answers, and what it raised as words."""
    try:
        return call(), ""
    except Exception as error:
        said = [line for line in str(error).splitlines() if line.strip()] or [""]
        return None, f"{verb} raises {type(error).__name__}: {said[-1].strip()}"
'''

_ASKING = {
    "compare": """
    expected = answer(flat, FAILING)
    flat = Flat(build())  # a model may keep something of the call
    traced = torch.jit.trace(flat, tuple(TRACED), check_trace=False)
    for _ in range(3):  # the executor changes the code on the second call
        actual, said = tried(lambda: answer(traced, FAILING), "the trace")
        said = said or difference(actual, expected)
        if said:
            return said
    return ""
""",
    "trace": """
    answer(flat, TRACED)
    flat = Flat(build())
    return tried(lambda: torch.jit.trace(flat, tuple(TRACED), check_trace=False), "torch.jit.trace")[1]
""",
    "determinism": """
    first = [leaf.clone() for leaf in answer(flat, TRACED)]
    return difference(answer(flat, TRACED), first)
""",
    "save_load": """
    traced = torch.jit.trace(flat, tuple(TRACED), check_trace=False)
    expected = answer(traced, TRACED)
    path = os.path.join(tempfile.mkdtemp(), "model.pt")
    _, said = tried(lambda: torch.jit.save(traced, path), "saving")
    if said:
        return said
    actual, said = tried(lambda: answer(torch.jit.load(path), TRACED), "the loaded file")
    return said or difference(actual, expected)
""",
    "freeze": """
    traced = torch.jit.trace(flat, tuple(TRACED), check_trace=False)
    expected = answer(traced, TRACED)
    module = traced
    for step in (torch.jit.freeze, torch.jit.optimize_for_inference):
        module, said = tried(lambda: step(module.eval()), step.__name__)
        for _ in range(0 if said else 3):
            actual, said = tried(lambda: answer(module, TRACED), f"after {step.__name__} it")
            said = said or difference(actual, expected)
            if said:
                break
        if said:
            return said
    return ""
""",
}


def _script(lab: Lab, path: Path, message: str, build: Sequence[str], feeding: Sequence[str], failure: _Failure) -> str:
    build, constants = _split(build)
    lines = [
        f"# {_commented(command_of(lab, path.name))}",
        "#",
        "# It repeats a failure with torch and the model's own code alone. Exit code 1: the failure is there; 0: it is",
        "# repaired; 2: something else went wrong.",
        "#",
        *(f"# {_commented(line)}" for line in message.splitlines() if not line.startswith(("    again:", "    hint:"))),
        "",
        *sorted(f"import {name}" for name in _imports(constants, failure, feeding)),
        "",
        "import torch",
        "",
        *constants,
        *_tolerance(failure),
        *feeding,
        "",
        "",
        "def build():",
        *(f"    {line}".rstrip() for line in build),
        "",
        "",
        *_flat(lab),
        "",
        *_COMMON.splitlines(),
        "",
        "",
        "def failure():",
        '    """Say what is wrong; an empty string where nothing is."""',
        "    flat = Flat(build())",
        *_ASKING[failure.kind].strip("\n").splitlines(),
        "",
        "",
        'if __name__ == "__main__":',
        "    try:",
        '        warnings.simplefilter("ignore")',
        "        with torch.no_grad():",
        "            said = failure()",
        "    except BaseException:",
        "        traceback.print_exc()",
        "        sys.exit(2)",
        "    if said:",
        "        raise AssertionError(said)",
    ]
    return "\n".join(lines) + "\n"


def _split(build: Sequence[str]) -> tuple[list[str], list[str]]:
    lines = list(build)
    if "---" not in lines:
        return lines, []
    return lines[: lines.index("---")], [*lines[lines.index("---") + 1 :], ""]


def _imports(constants: Sequence[str], failure: _Failure, feeding: Sequence[str]) -> Iterator[str]:
    yield from ("sys", "traceback", "warnings")
    if constants:
        yield "json"
    if failure.kind == "save_load":
        yield from ("os", "tempfile")
    if any("pathlib" in line for line in feeding):
        yield "pathlib"


def _tolerance(failure: _Failure) -> list[str]:
    """Return the line that says how far an answer may be off: between rounding and what was seen, on a logarithmic scale."""
    compared = failure.trial.comparison if failure.trial is not None else None
    worst = compared.mismatches[0] if compared is not None and compared.mismatches else None
    if worst is not None and worst.allowed and worst.difference and math.isfinite(worst.difference):
        middle = math.sqrt(worst.allowed * worst.difference)
        seen = f"between rounding, {worst.allowed:.2g}, and what was seen, {worst.difference:.3g}"
        return [f"TOLERANCE = {middle:.2g}  # {seen}"]
    return [f"TOLERANCE = {_SHARE}"]


def _flat(lab: Lab) -> list[str]:
    """Return the lines of a module that takes the tensors one by one and calls the model as it was called."""
    module, form = lab.subject.module, lab.spec.form
    names = identifiers(tuple(lab.spec))
    arguments = []
    for name, node in form.arguments.items():
        code = code_of(node, names.__getitem__)
        arguments.append(f"{name}={code}" if module.keyword else code)
    arguments += [f"{name}={code_of(value, names.__getitem__)}" for name, value in module.constants.items()]
    lines = [
        "class Flat(torch.nn.Module):",
        "    def __init__(self, model):",
        "        super().__init__()",
        "        self.model = model",
        "        self.eval()",
        "",
        f"    def forward(self, {', '.join(names.values())}):",
        f"        return tensors(self.model({', '.join(arguments)}))",
    ]
    try:
        compile("\n".join(lines), "flat", "exec")
    except SyntaxError:
        raise CannotReproduceError("its inputs hold objects that cannot be written as Python") from None
    return lines


def _file_name(model: str, check: str, backend: str) -> str:
    """Return a name that says what a script is about. What a file system may not take is replaced, and then a digest tells
    names apart that look alike."""
    name = f"{model}-{check}"
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("_")[:100]
    digest = hashlib.sha256(f"{name} {backend}".encode()).hexdigest()[:6]
    return f"{plain}-{digest}.py"


def command_of(lab: Lab, script: str | Path) -> str:
    """Return the command that runs a script in a shell, with the path that the model's module is found by, where it needs
    one."""
    places = _paths(lab)
    before = f"PYTHONPATH={shlex.quote(os.pathsep.join(places))} " if places else ""
    return f"{before}python {shlex.quote(os.fspath(script))}"


def _paths(lab: Lab) -> list[str]:
    try:
        reference = parse_reference(lab.label)
    except Exception:
        return []
    if reference.kind != FACTORY:
        return []
    top = sys.modules.get(reference.target.partition(":")[0].split(".")[0])
    file = getattr(top, "__file__", None) or next(iter(getattr(top, "__path__", [])), None)
    if file is None or {"site-packages", "dist-packages"}.intersection(Path(file).parts):
        return []
    folder = Path(file).resolve().parent
    return [str(folder.parent if hasattr(top, "__path__") else folder)]


def _tried(path: Path, places: Sequence[str]) -> tuple[int, str]:
    """Run a script as its reader will; return its exit code, and how it ended in words."""
    inherited = os.environ.get("PYTHONPATH")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*places, *([inherited] if inherited else [])])}
    try:
        ended = subprocess.run(
            [sys.executable, str(path.resolve())],
            env=environment,
            cwd=path.resolve().parent,
            capture_output=True,
            text=True,
            timeout=TRY_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -1, f"it took more than {TRY_SECONDS} s"
    last = next((line for line in reversed(ended.stderr.splitlines()) if line.strip()), "")
    return ended.returncode, f"exit code {ended.returncode}{': ' + last.strip() if last else ''}"
