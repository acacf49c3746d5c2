"""One model on one backend under check: the subject, its export, the bench and the evidence.

Making one is cheap; the model is called, exported and traced only when a check asks, and each result is kept, so that
fifteen tests of one model load and trace it once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pytest_torchscript.backends.base import FAIL, Backend, Readiness
from pytest_torchscript.common.fresh_process import FreshProcess
from pytest_torchscript.errors import MachineFailure
from pytest_torchscript.lab.bench import Bench
from pytest_torchscript.lab.evidence import Evidence
from pytest_torchscript.lab.export import Export
from pytest_torchscript.lab.running import running
from pytest_torchscript.lab.subject import Subject
from pytest_torchscript.settings import Settings
from pytest_torchscript.spec import InputSpec


@dataclass
class Lab:
    """What the checks of one model on one backend share.

    ``prefix`` begins every message: the node id of the model, or the name of a test. ``label`` is what the report calls the
    model; ``selected`` names the checks of this run, where that is known. ``answers`` and ``tellers`` are what the first
    questions were answered, and which check tells of one that is not ``selected``; ``begun`` are the checks, and their
    axes, that had their share of a backend's budget; ``unavailable`` counts the checks in a row that its backend was not
    there for, and ``lost`` says why nothing more can be asked. ``fresh`` runs what needs a process of its own, for several
    labs. ``main`` is the lab of the same model whose exports stay, where those of this one are called a few times and dropped.
    """

    subject: Subject
    backend: Backend
    prefix: str = ""
    label: str = ""
    selected: frozenset[str] | None = None
    answers: dict[str, Any] = field(default_factory=dict)
    tellers: dict[str, str] = field(default_factory=dict)
    unavailable: int = 0
    begun: set[tuple[str, str | None]] = field(default_factory=set)
    lost: str = ""
    unready: Exception | MachineFailure | None = None
    fresh: FreshProcess = field(default_factory=FreshProcess)
    main: Lab | None = None
    export: Export = field(init=False)
    bench: Bench = field(init=False)
    evidence: Evidence = field(init=False)

    def __post_init__(self) -> None:
        self.export = Export(self.subject, self.backend)
        self.bench = Bench(self.subject, self.export)
        self.evidence = Evidence(self.subject, self.export, self.bench)
        if self.main is not None:
            self.export.recorded = self.evidence.recorded
            self.evidence.repeats, self.evidence.main = self.main.evidence.repeats, self.main.evidence
        self.bench.unread = lambda: self.evidence.unread

    @cached_property
    def readiness(self) -> Readiness:
        """What the backend can do on this machine. What it raises instead is ``unready``, and the check `trace` tells of it."""
        try:
            with running({}):
                return self.backend.readiness()
        except (Exception, MachineFailure) as error:
            self.unready = error
            return Readiness(FAIL, str(error))

    @property
    def settings(self) -> Settings:
        """What the user asked for."""
        return self.subject.settings

    @property
    def made(self) -> str:
        """How messages say that an export was made: traced, where it is a trace."""
        return self.backend.made or ("traced" if self.backend.traits.torchscript else "exported")

    @property
    def spec(self) -> InputSpec:
        """The inputs."""
        return self.subject.spec

    @property
    def sizes(self) -> dict[str, int]:
        """The main anchor. Raises InputError where eager takes none of the sizes tried."""
        return self.subject.sizes

    def variant(self, **changes: Any) -> Lab:
        """Return a lab of its own for the same model fed or called otherwise, for one check: see `Subject.variant`."""
        subject = self.subject.variant(**changes)
        return Lab(subject, self.backend, self.prefix, self.label, fresh=self.fresh, main=self)
