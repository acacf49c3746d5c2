"""The check `runtime_checks`: what the switch against silent wrong sizes would have refused.

It belongs to the ring of checks, and is found by its registry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_torchscript.backends.aot_inductor.backend import SWITCH, AotInductorArtifact, AotInductorBackend
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import COMPARED, OUTPUT
from pytest_torchscript.checks.registry import check
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.sizes import format_sizes
from pytest_torchscript.lab.subject import Sizes, Tensors
from pytest_torchscript.lab.trial import AGREES
from pytest_torchscript.settings import Settings

#: So many sizes are told of each kind; the record has them all.
_TOLD = 6


def _of_this_backend(_settings: Settings, backend: str) -> bool:
    return backend == AotInductorBackend.name


@check("runtime_checks", order=105, needs=(*COMPARED, OUTPUT), applies=_of_this_backend)
def check_runtime_checks(lab: Lab) -> Finding:
    """With AOTI_RUNTIME_CHECK_INPUTS=1 a package answers its own example; of the wrong sizes, which that refuses is told.

    Asked are the sizes that the run tried, and a neighbour of the anchor along each axis.
    """
    artifact = lab.export.artifact
    assert isinstance(artifact, AotInductorArtifact)
    refusal = _refusal(lab, artifact, lab.subject.inputs)
    if refusal:
        return Finding.failed(
            f"with {SWITCH}=1 the package refuses the very inputs it was made with",
            [refusal],
            "leave the switch off, and check sizes before each call",
        )
    for name, axis in lab.spec.moving.items():
        lab.bench.at({**lab.sizes, name: axis.neighbour(lab.sizes[name])})
    tried = {key: trial for key, trial in lab.bench.ledger.items() if trial.fails or trial.status == AGREES}
    refused = {key: _refusal(lab, artifact, lab.subject.moved(dict(key))) for key in tried if dict(key) != lab.sizes}
    caught = [dict(key) for key, said in refused.items() if tried[key].fails and said]
    missed = [dict(key) for key, said in refused.items() if tried[key].fails and not said]
    needless = [dict(key) for key, said in refused.items() if not tried[key].fails and said]
    sentences = _sentences(lab, caught, missed, needless)
    record = {"runtime_checks": {"caught": caught, "missed": missed, "refused_though_right": needless}}
    return Finding.passed("; ".join(sentences), notes=sentences, device={**lab.export.details, **record})


def _sentences(lab: Lab, caught: Sequence[Sizes], missed: Sequence[Sizes], needless: Sequence[Sizes]) -> list[str]:
    """Say what the switch does, a sentence for each kind of sizes that there is."""
    said = []
    if caught or missed:
        said.append(f"{SWITCH}=1 would have refused {len(caught)} of {len(caught) + len(missed)} wrong sizes")
        said[0] += f", not {_listed(lab, missed)}" if missed else f": {_listed(lab, caught)}"
    if needless:
        said.append(f"{SWITCH}=1 would have refused {_listed(lab, needless)}, where the package is right")
    return said or [f"no wrong size was found; {SWITCH}=1 refuses none of those that are right"]


def _listed(lab: Lab, sizes: Iterable[Sizes]) -> str:
    """Return sizes by the axes that are off the anchor, the first of them."""
    moved = [{name: size for name, size in each.items() if size != lab.sizes[name]} for each in sizes]
    moved.sort(key=lambda each: sorted(each.items()))
    told = ", ".join(format_sizes(each) for each in moved[:_TOLD])
    return f"{told} and {len(moved) - _TOLD} more" if len(moved) > _TOLD else told


def _refusal(lab: Lab, artifact: AotInductorArtifact, inputs: Tensors) -> str:
    """Return what the switched package raises for these inputs; empty where it answers."""
    try:
        lab.bench.judge.answer(artifact.switched, inputs)
    except Exception as error:
        return str(error)
    return ""
