"""The check `batching`: servers join requests of one moment into a batch; each must be answered as if it were alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from pytest_torchscript.backends.served.backend import ServedArtifact
from pytest_torchscript.backends.served.options import ServedOptions
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import COMPARED, OUTPUTS
from pytest_torchscript.checks.registry import check
from pytest_torchscript.errors import first_line
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.running import running
from pytest_torchscript.lab.sizes import format_sizes
from pytest_torchscript.lab.subject import FRESH, Sizes, Tensors
from pytest_torchscript.lab.trial import AGREES, Trial
from pytest_torchscript.settings import Settings

#: So often the same is sent at once: whether a server joins it is a matter of milliseconds.
_ROUNDS = 3
#: Drawings that no other check asks with.
_FIRST = FRESH + 40


def _asked_for(settings: Settings, backend: str) -> bool:
    return backend == "served" and _options(settings).parallel > 1


def _options(settings: Settings) -> ServedOptions:
    made: ServedOptions = ServedOptions.of(settings.options.get("served", {}), backend="served")
    return made


@check("batching", order=75, needs=(*COMPARED, OUTPUTS), applies=_asked_for)
def check_batching(lab: Lab) -> Finding:
    """Requests sent at once are answered as if each were alone. Collected for `served` with ``served.parallel`` above 1.

    As many as that, of the first sizes and then of several, each right when it is sent alone; three times over.
    """
    artifact = lab.export.artifact
    assert isinstance(artifact, ServedArtifact)
    groups = [list(islice(_right_alone(lab, [lab.sizes]), artifact.parallel))]
    others = [dict(key) for key, trial in lab.bench.ledger.items() if trial.status == AGREES]
    groups.append(list(islice(_right_alone(lab, others or [lab.sizes], artifact.parallel), artifact.parallel)))
    sent = 0
    for batches in groups:
        if len(batches) < 2:
            continue
        for _ in range(_ROUNDS):
            trials = _at_once(lab, artifact, batches)
            sent += len(batches)
            wrong = next((index for index, trial in enumerate(trials) if trial.fails), None)
            if wrong is not None:
                return _failure(lab, batches, trials, wrong)
    if not sent:
        return Finding.skipped("fewer than two requests are right when they are sent alone")
    return Finding.passed(f"{sent} requests, {artifact.parallel} at once, each answered as if alone")


def _right_alone(lab: Lab, sizes: Sequence[Sizes], first: int = 0) -> Iterator[Tensors]:
    """Yield inputs of these sizes, one after the other and round again, that are right when they are sent alone."""
    for nth in range(4 * len(sizes) + 4 * lab.backend.options.parallel):
        inputs = lab.subject.draw(sizes[nth % len(sizes)], _FIRST + first + nth)
        if lab.bench.trial(inputs).status == AGREES:
            yield inputs


def _at_once(lab: Lab, artifact: ServedArtifact, batches: Sequence[Tensors]) -> list[Trial]:
    """Send inputs at once, and compare each answer with eager's."""
    names = lab.subject.eager.names
    lab.subject.passes.count += len(batches)
    with running({}):
        answers = artifact.at_once([tuple(batch[name].clone() for name in names) for batch in batches])
    trials = []
    for batch, answer in zip(batches, answers):
        if isinstance(answer, Exception):
            trials.append(Trial("raises", first_line(answer)))
        else:
            trials.append(lab.bench.judge.compare(answer, lab.subject.eager(batch), batch))
    return trials


def _failure(lab: Lab, batches: Sequence[Tensors], trials: Sequence[Trial], wrong: int) -> Finding:
    sizes = format_sizes(lab.spec.sizes_of(batches[wrong]))
    bad = sum(trial.fails for trial in trials)
    return Finding.failed(
        f"batching: of {len(batches)} requests at once, {bad} {'is' if bad == 1 else 'are'} not answered as if alone",
        [f"request {wrong + 1}, {sizes}, is right when it is sent alone; at once:", *trials[wrong].lines],
        "look at what joins requests: rows must go back to the request they came with, and padding must be masked",
    )
