"""From tests to the report: what a test found goes out on its report object, and the controller joins it into one record."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_torchscript.errors import Error, clean, first_line, with_hint
from pytest_torchscript.plugin import neuron, override
from pytest_torchscript.plugin.ids import split_nodeid
from pytest_torchscript.plugin.names import CONFTEST, EMULATED, EMULATION, PAYLOAD, PLACE, PREFIX
from pytest_torchscript.plugin.options import run_of
from pytest_torchscript.results import (
    ERROR,
    FAILED,
    PASSED,
    SKIPPED,
    CheckResult,
    ExportResult,
    ModelResult,
    RunReport,
    from_plain,
    merge_models,
)
from pytest_torchscript.versions import installed_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_torchscript.plugin.options import Run

#: Packages whose versions a report and the header name, where they are installed.
PACKAGES = ("torch", "transformers", "hypothesis")

_PACKAGE = Path(__file__).parents[1]


def attach(item: pytest.Item, report: pytest.TestReport, raised: BaseException | None = None) -> None:
    """Put what a test found onto its report: an attribute of plain data, which xdist and reportlog carry.

    A test of the suite shows no traceback, for that would lead through code of ours: what was raised is named instead.
    """
    payload = item.stash.get(PAYLOAD, None)
    suite = split_nodeid(item.nodeid) is not None
    if suite:
        # What torch or a progress bar printed explains nothing; a log, with its phases, is told where it was asked for.
        asked = item.config.getoption("log_level", None) or item.config.getini("log_level")
        report.sections = [kept for kept in report.sections if asked and "Captured log" in kept[0]]
        report.torchscript_place = item.stash[PLACE]  # type: ignore[attr-defined]
        if report.outcome == FAILED and raised is not None and getattr(raised, "pytrace", True):
            report.longrepr = _named(item, raised)
    if isinstance(report.longrepr, tuple) and Path(report.longrepr[0]).is_relative_to(_PACKAGE):
        path, line, _ = item.reportinfo()  # where the user would look, not a line of ours
        where = (item.nodeid, None) if suite else (os.fspath(path), (line or 0) + 1)
        report.longrepr = (*where, report.longrepr[2])
    if EMULATION in item.stash:
        call_emulated(item, report)
    if payload is not None and (report.when == "call" or report.outcome == FAILED):
        report.torchscript = dict(payload)  # type: ignore[attr-defined]
        if payload.get("pieces") and item.config.pluginmanager.hasplugin("html"):
            _add_extras(report, payload["pieces"])


def _add_extras(report: pytest.TestReport, pieces: Iterable[Mapping[str, Any]]) -> None:
    """Give pytest-html what was found, and the sizes that were tried."""
    from pytest_html import extras

    from pytest_torchscript.report.text import summary_lines, tried_lines

    models = [from_plain(ModelResult, piece) for piece in pieces]
    lines = [*summary_lines(RunReport(models=models), verbose=True), *tried_lines(models)]
    made = [*getattr(report, "extras", []), extras.text("\n".join(lines), name="TorchScript")]
    report.extras = made  # type: ignore[attr-defined]


def _named(item: pytest.Item, raised: BaseException) -> str:
    from pytest_torchscript.tracing.words import words_of

    first, *evidence = words_of(raised)
    hint = "raised outside of the check itself: by a fixture, a plugin, or a time limit"
    return with_hint(f"{item.nodeid}: {first}", hint, evidence)


def call_emulated(item: pytest.Item, report: pytest.TestReport) -> None:
    """Have a report say that its test ran on an emulated device."""
    report.torchscript_emulated = True  # type: ignore[attr-defined]
    if report.when == "call":
        report.sections.append((neuron.MARKER, item.stash[EMULATION]))


@dataclass(eq=False)
class Recorder:
    """Joins the reports of a run into one record, in the order of their arrival."""

    config: pytest.Config
    run: Run
    ended: dict[str, list[ModelResult]] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    report: RunReport = field(default_factory=RunReport)
    _tests: dict[str, dict[str, None]] = field(default_factory=dict)
    _texts: dict[str, tuple[ModelResult, str]] = field(default_factory=dict)

    @property
    def backends(self) -> tuple[str, ...]:
        """The backends of the run."""
        return self.run.settings.backends

    def add(self, report: pytest.TestReport) -> None:
        """Take in the report of one phase of one test. A later one, of a rerun, replaces an earlier one."""
        payload: Mapping[str, Any] = getattr(report, "torchscript", None) or {}
        suite = split_nodeid(report.nodeid)
        if report.when in ("setup", "teardown") and report.outcome == PASSED:
            return
        found = [from_plain(ModelResult, piece) for piece in payload.get("pieces", ())]
        if suite is not None:
            found = self._suite_pieces(report, payload, found)
        elif not found:
            found = [own_piece(report, payload)]
        for piece in (*self.ended.get(report.nodeid, ()), *found):
            self._tests.setdefault(piece.model, {})[report.nodeid] = None
            self._texts.pop(piece.model, None)
        self.ended[report.nodeid] = found
        if suite is not None and hasattr(report, "torchscript_place"):
            self.places[suite.test.partition("[")[0]] = report.torchscript_place

    def _suite_pieces(
        self, report: pytest.TestReport, payload: Mapping[str, Any], found: list[ModelResult]
    ) -> list[ModelResult]:
        outcome, message = outcome_of(report)
        if not found:
            return [self._bare_piece(report, payload, outcome, message)]
        check = found[0].checks[0]
        if outcome == SKIPPED and check.outcome != SKIPPED:  # an expected failure
            check.outcome, check.message = SKIPPED, message
        if outcome == FAILED and check.outcome in (PASSED, SKIPPED):  # an unexpected pass, or pytest's own objection
            check.outcome, check.message = (FAILED if report.when == "call" else ERROR), message
        return found

    def _bare_piece(
        self, report: pytest.TestReport, payload: Mapping[str, Any], outcome: str, message: str
    ) -> ModelResult:
        """Return the record of a test that ended without one: it was skipped, it timed out, or its worker died."""
        suite_id = split_nodeid(report.nodeid)
        assert suite_id is not None
        name, backend = suite_id.test[len("test_") :], payload.get("backend") or self.backends[0]
        if len(self.backends) > 1:
            name, backend = _without_backend(name, self.backends, backend)
        if outcome == FAILED:
            name = payload.get("name", name)
        check = CheckResult(name, SKIPPED if outcome == SKIPPED else ERROR, report.duration or 0.0, message)
        return ModelResult(suite_id.reference, exports=[ExportResult(backend, checks=[check])])

    def joined(self, *, complete: bool) -> RunReport:
        """Return everything that is known by now as one record."""
        return RunReport(environment(), self._merged(self.ended), complete)

    def _merged(self, nodeids: Iterable[str]) -> list[ModelResult]:
        return merge_models(piece for nodeid in sorted(nodeids, key=self._order) for piece in self.ended[nodeid])

    def write_journal(self) -> None:
        """Write what is known by now to the JSON reports: models that have not changed since the last time are text already.
        What cannot be written now is told of at the end, if then too."""
        from pytest_torchscript.report.writers import write_made

        paths = [path for path in self.run.reports if path.suffix.lower() == ".json"]
        for path in paths:
            with contextlib.suppress(Error):
                write_made(path, self._journal)

    def _journal(self) -> bytes:
        from pytest_torchscript.report.json_report import model_text, to_journal

        for name in self._tests.keys() - self._texts.keys():
            models = [model for model in self._merged(self._tests[name]) if model.model == name]
            self._texts.update((name, (model, model_text(model))) for model in models)
        order = sorted(self._texts, key=lambda name: self._order(next(iter(self._tests[name]))))
        known = RunReport(environment(), [self._texts[name][0] for name in order], complete=False)
        return to_journal(known, (self._texts[name][1] for name in order))

    def finish(self, *, complete: bool) -> None:
        """Join everything into one record and write it wherever the user wanted it, once."""
        self.report = self.joined(complete=complete)
        try:
            self.config.hook.pytest_torchscript_report(config=self.config, report=self.report)
        except Exception as error:  # what was found must still be written
            self.problems.append(f"pytest_torchscript_report: {first_line(error)}")
        self._write(self.report)
        if self.run.write_known is not None:
            self._write_known(self.run.write_known)
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if summary and self.report.models and not any(path.suffix.lower() == ".md" for path in self.run.reports):
            self._add_to_summary(summary)

    def summarise(self, terminal: Any) -> None:
        """Write the summary: classes, weights really used, axes and verdicts, and where the report is."""
        emulated = terminal.stats.get(EMULATED, ())
        if not (self.report.models or self.problems or self.written or emulated):
            return
        from pytest_torchscript.report.text import summary_lines
        from pytest_torchscript.report.wording import INCOMPLETE

        terminal.section(PREFIX)
        if emulated:
            tests = "1 test" if len(emulated) == 1 else f"{len(emulated)} tests"
            terminal.line(f"neuron: {tests} {neuron.device_of(self.config).readiness.reason}", yellow=True)
        for line in summary_lines(self.report, verbose=self.config.get_verbosity() > 0):
            terminal.line(clean(line))
        for said in self.run.same:
            terminal.line(clean(said))
        if not self.report.complete:
            terminal.line(INCOMPLETE, yellow=True)
        for line in self.written:
            terminal.line(line)
        for problem in self.problems:
            terminal.line(problem, red=True)
        if os.environ.get("GITHUB_ACTIONS") == "true":
            from pytest_torchscript.report.github import error_annotations

            root = Path(os.environ.get("GITHUB_WORKSPACE") or self.config.rootpath)
            for line in error_annotations(self.report, root):
                terminal.line(line)

    def _order(self, nodeid: str) -> tuple[int, str, int]:
        """Models as the user named them, then users' own tests; the tests of a model as the suite has them.

        Of a test that its worker died of the controller knows the name alone, and its place from other models.
        """
        suite_id = split_nodeid(nodeid)
        if suite_id is None:
            return len(self.run.suites) + 1, "", 0
        names = self.run.suites
        place = names.index(suite_id.reference) if suite_id.reference in names else len(names)
        return place, suite_id.reference, self.places.get(suite_id.test.partition("[")[0], sys.maxsize)

    def _write(self, report: RunReport) -> None:
        from pytest_torchscript.report.writers import write_report

        for path in self.run.reports:
            try:
                write_report(path, report)
            except Error as error:  # the other reports, and the summary, must still be written
                self.problems.append(error.message)
            else:
                self.written.append(f"report: {path}")

    def _add_to_summary(self, path: str) -> None:
        from pytest_torchscript.report.github import add_to_summary

        try:
            add_to_summary(self.report, Path(path))
        except OSError as error:
            self.problems.append(f"the summary of the job could not be written: {first_line(error)}")

    def _write_known(self, path: str) -> None:
        from pytest_torchscript.report.known import add_failures

        references = [*self.run.suites, CONFTEST]
        try:
            count = add_failures(path, self.report, references, self.run.known)
        except (OSError, Error) as error:
            self.problems.append(f"known failures {path!r} could not be written: {first_line(error)}")
            return
        own = sum(bool(model.failures) for model in self.report.models if model.model not in references)
        errors = sum(check.outcome == ERROR for model in self.report.models for check in model.checks)
        left = [f"{errors} errors are no failures"] if errors else []
        left += [f"{own} tests of your own are marked with xfail instead"] if own else []
        entries = "1 entry" if count == 1 else f"{count} entries"
        self.written.append("; ".join([f"known failures: {path}: {entries} added", *left]))


def _without_backend(name: str, backends: tuple[str, ...], default: str) -> tuple[str, str]:
    stem, bracket, params = name.rstrip("]").partition("[")
    for backend in backends:
        if bracket and params == backend:
            return stem, backend
        if bracket and params.endswith(f"-{backend}"):
            return f"{stem}[{params[: -len(backend) - 1]}]", backend
    return name, default


def outcome_of(report: pytest.TestReport) -> tuple[str, str]:
    """Return how a test ended, and what pytest says about it."""
    if hasattr(report, "wasxfail"):
        reason = report.wasxfail
        return SKIPPED, reason if reason.startswith("known: ") else f"known: {reason}"
    if report.outcome == "skipped":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        return SKIPPED, reason.removeprefix("Skipped: ")
    return (FAILED if report.outcome == "failed" else PASSED), said_by(report)


def said_by(report: pytest.TestReport) -> str:
    """Return what a failure says, without its traceback."""
    crash = getattr(report.longrepr, "reprcrash", None)
    return (crash.message if crash is not None else report.longreprtext).strip().removeprefix("Failed: ")


def own_piece(report: pytest.TestReport, payload: Mapping[str, Any]) -> ModelResult:
    """Return the record of a user's own test that used the pieces and not ``check``: how it ended."""
    outcome, message = outcome_of(report)
    from pytest_torchscript.backends.registry import DEFAULT

    name = report.nodeid.rpartition("::")[2]
    device = payload.get("device")
    note = str(device.get("note", "")) if device else ""
    if note not in message:
        message = f"{note}\n{message}".rstrip()
    check = CheckResult(name[5:] if name.startswith("test_") else name, outcome, report.duration, message)
    model = from_plain(ModelResult, payload["about"]) if "about" in payload else ModelResult(report.nodeid)
    model.exports = [ExportResult(payload.get("backend", DEFAULT), checks=[check], device=device)]
    return model


def environment() -> dict[str, str]:
    """Return the versions that a result depends on, without importing what they are of."""
    from pytest_torchscript import __version__
    from pytest_torchscript.backends.registry import DISTRIBUTIONS

    versions = {"pytest_torchscript": __version__, **dict(_versions(PACKAGES + DISTRIBUTIONS))}
    return {**versions, "python": platform.python_version(), "pytest": pytest.__version__}


@cache  # every test has them among its properties
def _versions(packages: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    versions = ((package, installed_version(package)) for package in packages)
    return tuple((package, version) for package, version in versions if version)


def header(config: pytest.Config) -> str | None:
    """Return the line of the header: what is checked, with which versions. None where the run does not use the plugin."""
    run = run_of(config)
    names = list(run.suites) or ([CONFTEST] if override.find(config) is not None else [])
    mode = neuron.mode_text(config)
    if not names and not mode:
        return None
    versions = ", ".join(f"{package} {version}" for package, version in _versions(PACKAGES))
    parts = [", ".join(names), versions, f"neuron: {mode}" if mode else ""]
    return f"{PREFIX}: " + " | ".join(part for part in parts if part)
