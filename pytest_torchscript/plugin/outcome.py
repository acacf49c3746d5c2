"""Turn the outcome of a check into pytest's: pass, fail with the message alone, skip with the reason, or expected failure.

A failure's message is given the command that repeats it: what is pytest's about it is not the engine's to know.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import Error, MissingLibraryError, clean, first_line
from pytest_torchscript.plugin.models import Models, ModelSource, told
from pytest_torchscript.plugin.names import CONFTEST, MODEL_KEY, PAYLOAD, PREFIX
from pytest_torchscript.plugin.neuron import note_emulation
from pytest_torchscript.plugin.options import OPTIONS, given, run_of
from pytest_torchscript.plugin.recorder import environment
from pytest_torchscript.results import (
    ERROR,
    FAILED,
    PASSED,
    SKIPPED,
    UNTESTED,
    CheckResult,
    ModelResult,
    merge_models,
    to_plain,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_torchscript.checks import Lab
    from pytest_torchscript.checks.registry import Check
    from pytest_torchscript.isolation.model import IsolatedModel
    from pytest_torchscript.report.known import KnownFailures
    from pytest_torchscript.settings import Settings


Loaded = TypeVar("Loaded")


def _end_by(error: Error, message: str) -> BaseException:
    """Return what ends a test whose model cannot be had: it is skipped where only a library is missing, else it fails."""
    if isinstance(error, MissingLibraryError):
        return pytest.skip.Exception(message)
    return pytest.fail.Exception(message, pytrace=False)


@dataclass(frozen=True)
class SuiteTest:
    """What a test of the suite is given: its model on one backend, loaded when the first check asks."""

    item: pytest.Item
    models: Models
    reference: str
    backend: str
    source: Callable[[], ModelSource]

    def require(self, check: Check, axis: str | None = None) -> None:
        """Carry out one check and end the test as the check ended."""
        from pytest_torchscript.checks import run_check

        self._announce()
        source = self.source()
        isolated = self.models.isolated(source)
        lab: Lab | None = None
        if isolated is not None:
            settings, pieces = isolated.settings, [self._asked(isolated, check, axis)]
        else:
            lab = self._loaded(lambda: self.models.lab(source, self.backend))
            lab.selected, settings = self._selected(), lab.settings
            with quiet():
                axes = list(lab.spec.axes) if check.over and axis is None else [axis]
                pieces = [run_check(lab, check.name, name) for name in axes]
        for piece in pieces:
            piece.model = self.reference
            add_command(piece, lambda name: again_suite(self.item.config, self.reference, name, self.backend, settings))
            if run_of(self.item.config).reproducers is not None:
                self._reproduce(lab, piece)
            note_emulation(self.item, piece)
            self.item.user_properties.extend(properties_of(piece))
        self.item.stash[PAYLOAD]["pieces"] = [to_plain(joined(pieces, check.name) if axis is None else pieces[0])]
        conclude(run_of(self.item.config).known, pieces)

    def _reproduce(self, lab: Lab | None, piece: ModelResult) -> None:
        """Write a script that repeats what failed, and say where it is or why there is none."""
        from pytest_torchscript.checks.reproducer import CannotReproduceError, command_of, write_reproducer

        run, check = run_of(self.item.config), piece.checks[0]
        if check.outcome != FAILED or known_reason(run.known, piece, check) is not None:
            return
        if lab is None:
            add_line(
                check, "no reproducer: the model stands in a process of its own; run with --torchscript-isolate off"
            )
            return
        try:
            with quiet():
                path = write_reproducer(lab, piece, Path(str(run.reproducers)))
        except CannotReproduceError as error:
            add_line(check, f"no reproducer: {error}")
        except Exception as error:  # what was found is told all the same
            add_line(check, f"no reproducer: {first_line(error)}")
        else:
            check.reproducer = str(path)
            add_line(check, f"reproducer: {command_of(lab, path)}")

    def report_unresolved(self) -> None:
        """End the one test of a reference that could not be resolved."""
        self._announce()
        try:
            self.models.outline(self.source())
        except Error as error:
            ended = error
        else:
            return
        raise _end_by(ended, told(ended, self.reference))

    def _announce(self) -> None:
        """Let the report of this test say what it was about, whatever becomes of it."""
        self.item.stash[PAYLOAD] = {"model": self.reference, "backend": self.backend}

    def _asked(self, model: IsolatedModel, check: Check, axis: str | None) -> ModelResult:
        """Carry out one check in the model's own process."""
        from pytest_torchscript.plugin.processes import LIMIT

        self.models.processes.begin(model)
        limit = self.item.stash.get(LIMIT, None)
        self._loaded(lambda: model.load(self.backend, limit))
        return model.check(self.backend, check.name, axis, selected=self._selected(), limit=limit)

    def _loaded(self, load: Callable[[], Loaded]) -> Loaded:
        """Return what is loaded; where it cannot be, end the test: the first says why, the others name that one."""
        try:
            return load()
        except Error as error:
            ended = error
            first, message = self.models.first_to_tell(error, self.item.nodeid), told(error, self.reference)
        self.item.stash[PAYLOAD]["name"] = "model"
        if first != self.item.nodeid:
            pytest.skip(f"{PREFIX}::{self.reference} could not be loaded: see {first}")
        raise _end_by(ended, message)

    def _selected(self) -> frozenset[str]:
        """Return the checks of this run, and those that are known to fail: of both kinds it is known who tells."""
        from pytest_torchscript.checks.answers import FIRST

        known = run_of(self.item.config).known
        selected = self.models.selected.get((self.item.stash[MODEL_KEY], self.backend), set())
        expected = {check for check in FIRST if known and known.match(self.reference, check)}
        return frozenset(selected | expected)


def joined(pieces: Sequence[ModelResult], check: str) -> ModelResult:
    """Return the pieces of one test as a piece with one check: a test whose axes are not known before it runs."""
    if len(pieces) == 1 and pieces[0].checks[0].name == check:
        return pieces[0]
    checks = [piece.checks[0] for piece in pieces]
    outcomes = [check.outcome for check in checks]
    outcome = next((worst for worst in (FAILED, ERROR, PASSED) if worst in outcomes), SKIPPED)
    messages = [check.message for check in checks if check.message and check.outcome == outcome]
    whole = merge_models(pieces)[0]
    whole.exports[0].checks = [
        CheckResult(
            check,
            outcome,
            round(sum(part.seconds for part in checks), 3),
            "\n".join(messages),
            sum(part.passes for part in checks),
            next((part.reproducer for part in checks if part.reproducer), None),
        )
    ]
    return whole


def properties_of(piece: ModelResult) -> Iterator[tuple[str, object]]:
    """Yield the short facts that belong into a JUnit file."""
    yield "torchscript_model", piece.model
    yield "torchscript_class", piece.class_name
    yield "torchscript_task", piece.task
    yield "torchscript_weights", piece.weights
    for export in piece.exports:
        yield "torchscript_backend", export.backend
        for axis in export.axes:
            yield "torchscript_axis", axis.axis
            yield "torchscript_verdict", axis.verdict
            if axis.counterexample:
                yield (
                    "torchscript_counterexample",
                    " ".join(f"{name}={size}" for name, size in axis.counterexample.items()),
                )
    yield "torchscript_versions", ", ".join(f"{name} {version}" for name, version in environment().items())


def conclude(known: KnownFailures | None, pieces: Sequence[ModelResult]) -> None:
    """End a test as the checks of its pieces ended, known failures considered."""
    ended = [(piece, piece.checks[0]) for piece in pieces]
    failed = [(piece, check) for piece, check in ended if check.outcome in (FAILED, ERROR)]
    reasons = [known_reason(known, piece, check) for piece, check in failed]
    unknown = [check.message for (_, check), reason in zip(failed, reasons) if reason is None]
    unknown += [text for piece, check in ended if check.outcome == PASSED for text in out_of_date(known, piece, check)]
    if unknown:
        pytest.fail("\n".join(unknown), pytrace=False)
    if failed:
        pytest.xfail("known: " + "; ".join(reason for reason in reasons if reason))
        pytest.fail("\n".join(check.message for _, check in failed), pytrace=False)  # reached with --runxfail
    if ended and all(check.outcome == SKIPPED for _, check in ended):
        pytest.skip("; ".join(dict.fromkeys(check.message for _, check in ended)))


def known_reason(known: KnownFailures | None, piece: ModelResult, check: CheckResult) -> str | None:
    """Return why a failure is expected, or None for one that is news."""
    if known is None:
        return None
    export = piece.exports[0]
    name, axis = name_and_axis(check)
    verdict = export.axes[0].verdict if axis and export.axes else None
    if name in ("values", "padding"):
        verdict = getattr(export, name).verdict
    return known.match(piece.model, name, axis=axis, verdict=verdict, backend=export.backend)


def out_of_date(known: KnownFailures | None, piece: ModelResult, check: CheckResult) -> Iterator[str]:
    """Yield the message of a test that passes although it is listed as a known failure."""
    if known is None:
        return
    from pytest_torchscript.report.known import Item

    export = piece.exports[0]
    name, axis = name_and_axis(check)
    entry = known.listed(Item(piece.model, name, axis, export.backend))
    untested = axis is not None and export.axes and export.axes[0].verdict == UNTESTED  # declared fixed, for one run
    if entry is not None and not untested:
        yield (
            f"{PREFIX}::{piece.model}: {check.name} passes, but is listed as a known failure: {entry.reason}\n"
            f"    {known.path}: {entry}\n"
            "    hint: remove the entry from the file of known failures"
        )


def name_and_axis(check: CheckResult) -> tuple[str, str | None]:
    """Take ``axis[sequence]`` apart."""
    name, bracket, axis = check.name.partition("[")
    return name, axis.rstrip("]") if bracket else None


def add_command(piece: ModelResult, command: Callable[[str], str]) -> None:
    """Put the command that repeats a check into the message of each that failed: below the evidence, above the hint."""
    for check in piece.checks:
        if check.outcome in (FAILED, ERROR):
            add_line(check, f"again: {command(check.name)}")


def add_line(check: CheckResult, line: str) -> None:
    """Put a line into the message of a check: below the evidence, above the hint."""
    lines = check.message.splitlines()
    hints = [number for number, known in enumerate(lines) if known.startswith("    hint: ")]
    lines.insert(hints[-1] if hints else len(lines), clean(f"    {line}"))
    check.message = "\n".join(lines)


#: Named by the id, or of no effect on a result.
_LEFT_OUT = ("model", "report", "known-failures", "write-known-failures", "reproducers", "speed", "max-examples")


def again_suite(config: pytest.Config, reference: str, check: str, backend: str, settings: Settings) -> str:
    """Return the command that runs one test of a suite again, with every option that bears on its result."""
    words = ["pytest"]
    if reference != CONFTEST:
        words += ["--torchscript-model", shlex.quote(reference)]
    words += [*_options(config), *_drawing(config, settings)]
    if len(settings.backends) > 1:
        stem, _, axis = check.partition("[")
        check = f"{stem}[{axis.rstrip(']')}-{backend}]" if axis else f"{stem}[{backend}]"
    if reference == CONFTEST:
        check = check.partition("[")[0]
    if check == "speed":
        words.append("--torchscript-speed")
    return f"{' '.join(words)} {_quoted(f'{PREFIX}::{reference}::test_{check}')}"


def again_own(config: pytest.Config, nodeid: str, settings: Settings) -> str:
    """Return the command that runs a user's own test again."""
    words = ["pytest", *_options(config), *_drawing(config, settings)]
    return f"{' '.join(words)} {_quoted(_from_here(config, nodeid))}"


def _quoted(nodeid: str) -> str:
    """Return a node id as a shell takes it: in double quotes, where these do."""
    return shlex.quote(nodeid) if any(sign in nodeid for sign in '"$`\\!') else f'"{nodeid}"'


def _from_here(config: pytest.Config, nodeid: str) -> str:
    """Return a node id as the current folder has to write it."""
    if config.invocation_params.dir == config.rootpath:
        return nodeid
    path, separator, test = nodeid.partition("::")
    return Path(os.path.relpath(config.rootpath / path, config.invocation_params.dir)).as_posix() + separator + test


def _options(config: pytest.Config) -> Iterator[str]:
    for option in OPTIONS:
        if option.name in _LEFT_OUT:
            continue
        for item in given(config, option):
            if item.on_command_line:
                yield option.flag
                if not option.switch:
                    yield shlex.quote(str(item.value))


def _drawing(config: pytest.Config, settings: Settings) -> Iterator[str]:
    """What decides which sizes and values are drawn; a profile's number of examples is written out."""
    if settings.max_examples is not None:
        yield f"--torchscript-max-examples {settings.max_examples}"
    if config.getoption("hypothesis_seed", default=None) is not None:
        yield f"--hypothesis-seed={config.getoption('hypothesis_seed')}"
