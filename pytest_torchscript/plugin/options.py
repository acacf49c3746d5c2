"""The options of a run and their ini twins, read into what was asked for.

What a setting is called and how it is read stands in `settings`; here are the options that are about a run alone, and where
values come from. Nothing is parsed by argparse, because pytest ends argparse's errors with lines of its own, and ours end with
a hint. Imported by every run, so nothing heavy is: a malformed option costs no model.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_torchscript.errors import OptionError, first_line, unknown
from pytest_torchscript.plugin.ids import SUITE_IDS, SuiteId, references_of
from pytest_torchscript.plugin.names import CONFTEST
from pytest_torchscript.settings import (
    LISTED,
    NAMED,
    SETTINGS,
    Setting,
    Settings,
    changed,
    existing_file,
    folder_to_be,
    in_folder,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_torchscript.models.reference import Reference
    from pytest_torchscript.report.known import KnownFailures


def _reference(text: str) -> Reference:
    from pytest_torchscript.models.reference import parse_reference

    return parse_reference(text)


def _report(text: str, folder: Path) -> Path:
    from pytest_torchscript.report.writers import check_writer

    path = Path(in_folder(text, folder))
    check_writer(path)
    return path


def _added_to(text: str, folder: Path) -> str:
    from pytest_torchscript.report.known import read_if_there

    return read_if_there(in_folder(text, folder)).path


OPTIONS = (
    Setting(
        "model",
        "REF",
        "Check a model: Hub id, checkpoint directory, package.module:factory, a call of it, or @FILE of these.",
        "",
        _reference,
        LISTED,
    ),
    *(setting for setting in SETTINGS if setting.on_command_line),
    Setting("report", "PATH", "Write a report: .json, .md, .html or .png.", "", _report, LISTED, path=True),
    Setting(
        "known-failures", "PATH", "TOML file of failures that are known and expected.", "", existing_file, path=True
    ),
    Setting("reproducers", "DIR", "Write a script for each failure that repeats it.", "", folder_to_be, path=True),
    Setting("write-known-failures", "PATH", "Add what fails to such a TOML file.", "", _added_to, path=True),
)

MARKERS = (
    "torchscript(model=None, inputs=None, *, axes=None, **settings): what the torchscript fixtures check in this test",
    "neuron: the test needs a Neuron device and is skipped, with the reason, where there is none",
)


def add_options(parser: pytest.Parser) -> None:
    """Declare every option and its ini twin."""
    group = parser.getgroup("torchscript", "TorchScript exports against eager models")
    for option in OPTIONS:
        repeatable = option.given in (LISTED, NAMED)
        kinds: dict[str, Any] = {"action": "append" if repeatable else "store", "metavar": option.metavar}
        if option.switch:
            kinds = {"action": "store_true"}
        group.addoption(option.flag, dest=option.dest, default=None, help=option.help, **kinds)
        ini_type: Any = "linelist" if repeatable else "bool" if option.switch else "string"
        parser.addini(option.ini, f"See {option.flag}.", type=ini_type, default=[] if repeatable else None)


def any_given(config: pytest.Config) -> bool:
    """Whether the user gave any option, on the command line or in an ini file."""
    if any(config.getoption(option.dest, default=None) is not None for option in OPTIONS):
        return True
    try:
        return any(config.getini(option.ini) for option in OPTIONS)
    except (TypeError, ValueError, pytest.UsageError):
        return True  # reading them says what is malformed


class Given(NamedTuple):
    """A value as the user wrote it, where, and the folder that a relative path in it starts from."""

    value: Any
    source: str
    folder: Path
    on_command_line: bool


@dataclass(frozen=True)
class Run:
    """What a run was asked for: the models, how they are judged, and what to write. Made on every worker from its options.

    ``models`` are references by their text. ``given_models`` are those of the command line alone: they bring their suite
    even where files are named. ``same`` says of references that name a model once more under which name it is checked.
    """

    models: Mapping[str, Reference] = field(default_factory=dict)
    given_models: tuple[str, ...] = ()
    ids: tuple[SuiteId, ...] = ()
    settings: Settings = field(default_factory=Settings)
    reports: tuple[Path, ...] = ()
    known: KnownFailures | None = None
    same: tuple[str, ...] = ()
    write_known: str | None = None
    reproducers: str | None = None

    @property
    def suites(self) -> tuple[str, ...]:
        """The references whose suites are wanted: where ids are given, those that they name."""
        return tuple(ref for ref in references_of(self.ids) or self.models if ref != CONFTEST)


def given(config: pytest.Config, option: Setting) -> list[Given]:
    """Return what the user gave for an option: the ini file's values, or the command line's where it has some.

    What is given by name, such as axes, is joined, those of the command line last, because each names a thing of its own.
    An empty value is none in an ini file, and a value on the command line.
    """
    line = config.getoption(option.dest, default=None)
    stated = [] if line is None else line if isinstance(line, list) else [line]
    values = [Given(value, option.flag, config.invocation_params.dir, True) for value in stated]
    if values and option.given != NAMED:
        return values
    where = config.inipath.name if config.inipath else "the ini file"
    folder = config.inipath.parent if config.inipath else config.rootpath
    try:
        ini = config.getini(option.ini)
    except (TypeError, ValueError, pytest.UsageError) as error:
        raise OptionError(f"{option.ini} in {where}: {error}", hint=f"it takes what {option.flag} takes") from None
    stated = [] if ini in (None, False, "") else list(ini) if isinstance(ini, (list, tuple)) else [ini]
    return [Given(value, f"{option.ini} in {where}", folder, False) for value in stated] + values


def parsed(config: pytest.Config, name: str) -> list[tuple[Any, Given]]:
    """Return the values of an option as they are read, each with where it came from. OptionError names that place."""
    option = next(option for option in OPTIONS if option.name == name)
    values = []
    for item in _models_of_files(given(config, option)) if name == "model" else given(config, option):
        try:
            values.append((option.read(item.value, *([item.folder] if option.path else [])), item))
        except OptionError as error:
            raise _placed(error, item.source) from None
    return values


def _models_of_files(values: list[Given]) -> list[Given]:
    """Put the lines of a file where ``@FILE`` names it."""
    from pytest_torchscript.models.reference import read_references

    found = []
    for item in values:
        text = str(item.value).strip()
        if not text.startswith("@"):
            found.append(item)
            continue
        path = text[1:] if item.on_command_line else in_folder(text[1:], item.folder)
        try:
            found += [item._replace(value=line) for line in read_references(path)]
        except OptionError as error:
            raise _placed(error, item.source) from None
    return found


def _placed(error: OptionError, source: str) -> OptionError:
    return OptionError(f"{source}: {error.message}", hint=error.hint, evidence=error.evidence)


#: On the config.
RUN: pytest.StashKey[Run] = pytest.StashKey()


def run_of(config: pytest.Config) -> Run:
    """Return what a run was asked for; where nothing was, the defaults, made when somebody asks."""
    if RUN not in config.stash:
        config.stash[RUN] = read_run(config)
    return config.stash[RUN]


def read_run(config: pytest.Config) -> Run:
    """Read everything the user asked for. Raises OptionError for what is malformed or does not fit together."""
    models: list[tuple[tuple[str, Reference], Given]]
    models = _by_name([((reference.text, reference), item) for reference, item in parsed(config, "model")])
    models, same = _once_each(models)
    known, to_write = parsed(config, "known-failures"), parsed(config, "write-known-failures")
    run = Run(
        models={text: reference for (text, reference), _ in models},
        given_models=tuple(text for (text, _), item in models if item.on_command_line),
        ids=config.stash.get(SUITE_IDS, ()),
        settings=_settings(config),
        reports=tuple(path for path, _ in parsed(config, "report")),
        known=_known_failures(known[-1][0]) if known else None,
        same=same,
        write_known=to_write[-1][0] if to_write else None,
        reproducers=next((folder for folder, _ in reversed(parsed(config, "reproducers"))), None),
    )
    if len(run.suites) > 1:
        for name in ("artifact", "task"):
            for _, item in parsed(config, name):
                raise OptionError(
                    f"{item.source} takes exactly one model, but {len(run.suites)} are given: {', '.join(run.suites)}",
                    hint="run pytest once for each model",
                )
    return run


def _once_each(
    models: list[tuple[tuple[str, Reference], Given]],
) -> tuple[list[tuple[tuple[str, Reference], Given]], tuple[str, ...]]:
    """Leave out references that resolve to the folder, or to the snapshot, of an earlier one; say which these are."""
    from pytest_torchscript.models.reference import place_of

    names: dict[str, str] = {}
    kept, same = [], []
    for (text, reference), item in models:
        first = names.setdefault(place_of(reference), text)
        if first == text:
            kept.append(((text, reference), item))
        else:
            same.append(f"{text} is the same model as {first}, and checked under that name")
    return kept, tuple(same)


def _settings(config: pytest.Config) -> Settings:
    values: dict[str, Any] = {"seed": _seed(config), "own_backends": _brought_backends(config)}
    for setting in SETTINGS:
        found = parsed(config, setting.name) if setting.on_command_line else []
        if not found:
            continue
        if setting.given == NAMED:
            values[setting.field] = dict(pair for pair, _ in _by_name(found))
        elif setting.given == LISTED:
            values[setting.field] = tuple(dict.fromkeys(value for value, _ in found))
        else:
            values[setting.field] = found[-1][0]
    settings = changed(Settings(), values, spelled=lambda name: f"--torchscript-{name}")
    _check_backends(config, settings)
    return settings


def _by_name(values: list[tuple[Any, Given]]) -> list[tuple[Any, Given]]:
    """Keep the last of each name; the command line wins over the ini file, but a name twice in one place is an error."""
    found: dict[str, tuple[Any, Given]] = {}
    for pair, item in values:
        name = pair[0]
        if name in found and found[name][1].source == item.source:
            raise OptionError(f"{item.source}: {name!r} is given twice", hint="give each name once")
        found[name] = (pair, item)
    return list(found.values())


def _brought_backends(config: pytest.Config) -> tuple[type[Any], ...]:
    """Return the backends that conftest files and plugins bring."""
    hook = config.hook.pytest_torchscript_backends
    if not hook.get_hookimpls():
        return ()
    from pytest_torchscript.backends.registry import own_backends

    try:
        answers = hook()
    except Exception as error:
        said = f"hook pytest_torchscript_backends: {first_line(error)}"
        raise OptionError(said, hint="it returns a list of classes, and builds nothing") from error
    return own_backends(answers)


def _check_backends(config: pytest.Config, settings: Settings) -> None:
    """Raise OptionError, with the place, for a backend that nothing answers to, or an option that it does not have."""
    found = {name: parsed(config, name) for name in ("backend", "option", "neuron-option", "device", "dtype")}
    if not any(found.values()):
        return
    from pytest_torchscript.backends.registry import backend_names, check_options, check_place

    known = backend_names(settings.own_backends)
    for name, item in found["backend"]:
        if name not in known:
            raise _placed(unknown("backend", name, known), item.source)
    for option, field_name in (("option", "options"), ("neuron-option", "neuron_options")):
        for pair, item in found[option]:
            alone = {"own_backends": settings.own_backends, field_name: dict([pair])}
            try:
                check_options(changed(Settings(), alone))
            except OptionError as error:
                raise _placed(error, item.source) from None
    for _, item in (*found["device"], *found["dtype"]):
        try:
            check_place(settings)
        except OptionError as error:
            raise _placed(error, item.source) from None


def names_that_must_exist(config: pytest.Config, run: Run) -> Settings:
    """Return the axes, anchors and inputs that some model of the run must have, as settings.

    Where the command line chose the models, those of the ini file may be for models that it left out.
    """
    if not (run.given_models or run.ids):
        return run.settings
    stated = {
        name: dict(pair for pair, item in parsed(config, option) if item.on_command_line)
        for name, option in (("axes", "axis"), ("anchor", "anchor"))
    }
    return changed(Settings(), stated)


def _known_failures(path: str) -> KnownFailures:
    from pytest_torchscript.report.known import read_known_failures

    return read_known_failures(path)


def _seed(config: pytest.Config) -> int:
    """Return hypothesis's seed where one is given, so that ``--hypothesis-seed`` steers everything we draw; else 0."""
    seed = config.getoption("hypothesis_seed", default=None)
    if seed is None:
        return 0
    try:
        return int(seed) % 2**63
    except ValueError:
        return zlib.crc32(str(seed).encode())
