"""What is asked of one model, in a child process, and the row that it makes."""

from __future__ import annotations

import tempfile
import time
from importlib.metadata import version
from typing import Any

from benchmarks.lists import ARCHITECTURES
from benchmarks.sweep import Row

CHECKS = ("trace", "determinism", "outputs", "axis", "anchors", "joint", "values", "save_load")
#: The sets of models, each with the stage that is asked of it: rows are named SET/NAME.
TABLE, FEED, FULL, BARE = "table", "feed", "full", "bare"

#: Weights that are made up, of a model that is shrunk.
TINY = "tiny"
#: Kinds of rows: what came of a model.
TRACED, REFUSED, CHECKED = "traced", "trace refused", "checked"
NO_CONFIG, NO_CLASS, NO_LIBRARY, NOT_BUILT, NOT_TINY = "no config", "no class", "no library", "not built", "not tiny"
NO_INPUT, NOT_FED, BROKEN = "no input", "eager refuses", "our error"
FED = (TRACED, REFUSED, CHECKED)
#: Rows that do not count: the installed transformers itself does not build these from their default configuration.
OUTSIDE = (NO_CONFIG, NOT_BUILT, NO_CLASS, NO_LIBRARY)


def make_row(name: str) -> Row:
    """Make the row of one model, in a child."""
    import torch

    torch.set_num_threads(1)
    kind, _, model = name.partition("/")
    if kind == TABLE:
        return checked(ARCHITECTURES[model])
    if kind == BARE:
        try:
            row = fed(model, weights="auto")
        except Exception as error:
            row = told(error)
        return {**row, "with": ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "timm"))}
    with tempfile.TemporaryDirectory() as directory:
        said = write_default(model, directory)
        if said is not None:
            return said
        try:
            return fed(directory) if kind == FEED else checked(directory)
        except Exception as error:
            row = told(error)
            if row["kind"] == NOT_BUILT and builds(directory):
                row["kind"] = NOT_TINY
            elif row["kind"] in (NOT_FED, NO_INPUT) and not builds(directory):  # filled, and not enough
                row["kind"] = NOT_BUILT
            return row


def write_default(model_type: str, directory: str) -> Row | None:
    """Write the configuration that a class makes by default as a checkpoint's; a row where it makes none."""
    from transformers import CONFIG_MAPPING

    try:
        config = CONFIG_MAPPING[model_type]()
        config.save_pretrained(directory)
    except Exception as error:  # what a configuration needs is not told by its class
        return {"kind": NO_CONFIG, "why": first_line(error)}
    return None


def builds(directory: str) -> bool:
    """Whether transformers itself builds the base model of a configuration, without weights."""
    import torch
    from transformers import AutoConfig, AutoModel

    try:
        with torch.device("meta"):
            AutoModel.from_config(AutoConfig.from_pretrained(directory))
    except Exception:
        return False
    return True


def fed(reference: str, *, weights: str = TINY) -> Row:
    """Plan a model, build it, ask eager and trace it."""
    from pytest_torchscript.checks.run import feed
    from pytest_torchscript.lab.plan import make_plan
    from pytest_torchscript.settings import make_settings
    from pytest_torchscript.spec import dim_name

    times = [time.perf_counter()]
    plan = make_plan(reference, make_settings(weights=weights))
    times.append(time.perf_counter())
    lab = plan.load()
    feed(lab)
    times.append(time.perf_counter())
    row: Row = {
        "class": plan.blueprint.class_name,
        "parameters": lab.subject.loaded.parameters,
        "inputs": list(plan.spec),
        "sizes": dict(lab.sizes),
        "dims": {name: [dim_name(dim) for dim in spec.dims] for name, spec in plan.spec.items()},
        "notes": list(lab.subject.loaded.notes),
    }
    try:
        lab.export.artifact  # noqa: B018 - traces
        row["kind"] = TRACED
    except Exception as error:  # what torch.jit.trace says of a model is the answer
        row.update(kind=REFUSED, why=first_line(error))
    times.append(time.perf_counter())
    row["times"] = [round(after - before, 1) for before, after in zip(times, times[1:])]
    row["glance"] = f"{row['parameters'] / 1e6:.1f} M {row['times']} {' '.join(row['inputs'])} {row['sizes']}"
    return row


def checked(reference: str) -> Row:
    """Put a model through the checks."""
    from pytest_torchscript import check
    from pytest_torchscript.results import to_plain

    record: dict[str, Any] = to_plain(check(reference, weights=TINY, checks=CHECKS))
    return {"kind": CHECKED, "class": record["class"], "record": record, "glance": _glance(record)}


def told(error: Exception) -> Row:
    """Return the row of a model that was not fed: which kind of reason, and its first line."""
    from pytest_torchscript.errors import Error, InputError, ModelError

    said = first_line(error)
    if not isinstance(error, Error):
        return {"kind": BROKEN, "why": said}
    said = error.message.split(": ", 1)[-1] if "/tmp" in error.message[:200] else error.message
    evidence = list(error.evidence)
    if isinstance(error, InputError):
        refused = "eager refuses" in said
        why = f"{said.splitlines()[0]}: {evidence[0] if refused and evidence else ''}".rstrip(": ")
        return {"kind": NOT_FED if refused else NO_INPUT, "why": why, "evidence": evidence}
    if isinstance(error, ModelError) and ("ImportError" in said or "requires the" in said):
        return {"kind": NO_LIBRARY, "why": said}
    if isinstance(error, ModelError) and "cannot be built" in said:
        return {"kind": NOT_BUILT, "why": said}
    return {"kind": NO_CLASS, "why": said}


def first_line(error: BaseException) -> str:
    """Return an exception's type and the first line of its message."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"[:300]


def _glance(record: dict[str, Any]) -> str:
    export = record["exports"][0]
    axes = " ".join(f"{axis['axis']}={axis['verdict']}" for axis in export["axes"])
    wrong = [check for check in export["checks"] if check["outcome"] in ("failed", "error")]
    odd = " ".join(f"{check['name']}:{check['outcome']}" for check in wrong)
    return f"{axes}  values={export['values']['verdict']}  {odd}"


def model_types() -> list[str]:
    """Return the types of configurations for which the installed transformers has a base model."""
    from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

    return sorted(MODEL_MAPPING_NAMES)
