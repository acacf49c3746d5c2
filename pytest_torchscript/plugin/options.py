"""The options of a run and their ini twins: their table, and the one function that reads them into what was asked for.

Every value is parsed here and not by argparse, because pytest ends argparse's errors with lines of its own, and ours end
with a hint. Imported by every run, so nothing heavy is: a malformed option costs no model.
"""

from __future__ import annotations

import difflib
import math
import os
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_torchscript.backends.registry import backend_names, own_backends
from pytest_torchscript.errors import OptionError, first_line
from pytest_torchscript.plugin.ids import SUITE_IDS, SuiteId, references_of
from pytest_torchscript.plugin.names import CONFTEST
from pytest_torchscript.settings import NEURON_MODES, TASKS, WEIGHTS, Settings
from pytest_torchscript.spec import Axis

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_torchscript.report.known import KnownFailures


class Option(NamedTuple):
    """``--torchscript-NAME`` and its ini twin."""

    name: str
    metavar: str
    help: str
    repeatable: bool = False

    @property
    def switch(self) -> bool:
        """Whether it takes no value."""
        return not self.metavar

    @property
    def flag(self) -> str:
        """How it is written on the command line."""
        return f"--torchscript-{self.name}"

    @property
    def dest(self) -> str:
        """Its name in the namespace of options."""
        return "torchscript_" + self.name.replace("-", "_")

    @property
    def ini(self) -> str:
        """Its name in an ini file."""
        return "torchscript_models" if self.name == "model" else self.dest


OPTIONS = (
    Option("model", "REF", "Check a model: Hub id, checkpoint directory or package.module:factory.", repeatable=True),
    Option("task", "TASK", "Build the model for a task of the export guide, such as masked-lm."),
    Option("weights", "KIND", "Weights to use: auto, pretrained, random, tiny, meta."),
    Option("backend", "NAME", "Export with this backend. Default: torchscript.", repeatable=True),
    Option("axis", "NAME=RANGE", "Narrow, widen or fix an axis: sequence=1:128, sequence=16.", repeatable=True),
    Option("anchor", "NAME=SIZE", "Trace at this size of an axis; INPUT=none leaves an input out.", repeatable=True),
    Option("artifact", "FILE", "Check this TorchScript file in place of a trace of ours."),
    Option("max-examples", "N", "Examples that hypothesis tries for an axis."),
    Option("rtol", "X", "Relative tolerance, in place of the calibrated one; needs atol."),
    Option("atol", "X", "Absolute tolerance, in place of the calibrated one; needs rtol."),
    Option("report", "PATH", "Write a report: .json, .md, .html or .png.", repeatable=True),
    Option("known-failures", "PATH", "TOML file of failures that are known and expected."),
    Option("trust-remote-code", "", "Run code that comes with a checkpoint."),
    Option("neuron", "MODE", "AWS Neuron: auto, require, compile, emulate, off."),
    Option(
        "neuron-option", "NAME=VALUE", "Option of a Neuron compilation: timeout=1800, compiler_args=…", repeatable=True
    ),
    Option("cache", "DIR", "Keep compiled artifacts in a folder."),
    Option("speed", "", "Compare the latency of eager and export too."),
)

MARKERS = (
    "torchscript(model=None, inputs=None, *, axes=None, **settings): what the torchscript fixtures check in this test",
    "neuron: the test needs a Neuron device and is skipped, with the reason, where there is none",
)


def add_options(parser: pytest.Parser) -> None:
    """Declare every option and its ini twin."""
    group = parser.getgroup("torchscript", "TorchScript exports against eager models")
    for option in OPTIONS:
        kinds: dict[str, Any] = {"action": "append" if option.repeatable else "store", "metavar": option.metavar}
        if option.switch:
            kinds = {"action": "store_true"}
        group.addoption(option.flag, dest=option.dest, default=None, help=option.help, **kinds)
        ini_type: Any = "linelist" if option.repeatable else "bool" if option.switch else "string"
        parser.addini(option.ini, f"See {option.flag}.", type=ini_type, default=[] if option.repeatable else None)


def any_given(config: pytest.Config) -> bool:
    """Whether the user gave any option, on the command line or in an ini file."""
    if any(config.getoption(option.dest, default=None) is not None for option in OPTIONS):
        return True
    try:
        return any(config.getini(option.ini) for option in OPTIONS)
    except (TypeError, ValueError, pytest.UsageError):
        return True  # reading them says what is malformed


AXIS_FORMS = "write NAME=MIN:MAX, NAME=MIN:MAX:MULTIPLE, NAME=SIZE or NAME=SIZE,SIZE: sequence=1:512"


@dataclass(frozen=True)
class Given:
    """A value as the user wrote it, where, and the folder that a relative path in it starts from."""

    value: Any
    source: str
    folder: Path
    on_command_line: bool


def choice_of(label: str, choices: tuple[str, ...]) -> Callable[[str], str]:
    """Return a parser that accepts some words; its error lists them, the closest first."""

    def parse(text: str) -> str:
        if text in choices:
            return text
        listed = difflib.get_close_matches(text, choices, n=len(choices), cutoff=0.0)
        raise OptionError(f"{label} {text!r} does not exist", hint="choose from: " + ", ".join(listed))

    return parse


def parse_reference(text: str) -> str:
    """Return a reference unchanged, or raise where it is empty or malformed."""
    from pytest_torchscript.models.reference import parse_reference

    return parse_reference(text).text


def parse_axis(text: str) -> Axis:
    """Return the axis that ``NAME=MIN:MAX[:MULTIPLE]``, ``NAME=SIZE`` or ``NAME=SIZE,SIZE`` describes."""
    name, separator, sizes = (part.strip() for part in text.partition("="))
    malformed = OptionError(f"{text!r} does not describe an axis", hint=AXIS_FORMS)
    if not separator or not name:
        raise malformed
    try:
        if ":" in sizes:
            low, high, multiple, *more = [int(part) for part in sizes.split(":")] + (
                [1] if sizes.count(":") == 1 else []
            )
            if more:
                raise malformed
            return Axis(name, low, high, multiple)
        return Axis.fixed_at(name, *(_size(name, part) for part in sizes.split(",")))
    except ValueError:
        raise malformed from None


def parse_anchor(text: str) -> tuple[str, int | None]:
    """Return the axis and size of ``NAME=SIZE``; ``NAME=none`` leaves an optional input out and has no size."""
    name, separator, size = (part.strip() for part in text.partition("="))
    if separator and name and size.lower() == "none":
        return name, None
    try:
        if not separator or not name:
            raise ValueError
        return name, _size(name, size)
    except ValueError:
        raise OptionError(
            f"{text!r} is not an anchor",
            hint="write AXIS=SIZE (batch=1), or INPUT=none to trace without an optional input",
        ) from None


def _size(name: str, text: str) -> int:
    size = int(text)
    if size < 1:
        raise OptionError(f"axis {name!r}: size={size} is not a size", hint="give a whole number from 1")
    return size


def parse_count(text: str) -> int:
    """Return a whole number from 1."""
    if text.strip().isdigit() and int(text) > 0:
        return int(text)
    raise OptionError(f"{text!r} is not a number of examples", hint="give a whole number from 1")


def parse_tolerance(text: str) -> float:
    """Return a finite number that is not negative."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isfinite(value) and value >= 0:
        return value
    raise OptionError(f"{text!r} is not a tolerance", hint="give a number from 0, such as 1e-4")


def parse_neuron_option(text: str) -> tuple[str, str]:
    """Return name and value of ``NAME=VALUE``, or raise where a compilation has no such option."""
    from pytest_torchscript.backends.neuron.options import NeuronOptions

    name, separator, value = (part.strip() for part in text.partition("="))
    if not separator or not name:
        raise OptionError(f"{text!r} is not an option", hint="write NAME=VALUE, such as timeout=1800")
    NeuronOptions.of({name: value}, backend="neuron")
    return name, value


#: How one value of an option is parsed; what is not here stays text.
PARSERS: dict[str, Callable[[str], Any]] = {
    "model": parse_reference,
    "task": choice_of("task", TASKS),
    "weights": choice_of("weights", WEIGHTS),
    "axis": parse_axis,
    "anchor": parse_anchor,
    "max-examples": parse_count,
    "rtol": parse_tolerance,
    "atol": parse_tolerance,
    "neuron": choice_of("mode", NEURON_MODES),
    "neuron-option": parse_neuron_option,
}


@dataclass(frozen=True)
class Run:
    """What a run was asked for: the models, how they are judged, and what to write. Made on every worker from its options.

    ``given_models`` are those of the command line alone: they bring their suite even where files are named.
    """

    models: tuple[str, ...] = ()
    given_models: tuple[str, ...] = ()
    ids: tuple[SuiteId, ...] = ()
    settings: Settings = field(default_factory=Settings)
    reports: tuple[Path, ...] = ()
    known: KnownFailures | None = None
    speed: bool = False

    @property
    def suites(self) -> tuple[str, ...]:
        """The references whose suites are wanted: where ids are given, those that they name."""
        return tuple(ref for ref in references_of(self.ids) or self.models if ref != CONFTEST)


def given(config: pytest.Config, option: Option) -> list[Given]:
    """Return what the user gave for an option: the ini file's values, or the command line's where it has some.

    What is given by name, such as axes, is joined, those of the command line last, because each names a thing of its own.
    """
    line = config.getoption(option.dest, default=None)
    stated = [Given(value, option.flag, config.invocation_params.dir, True) for value in _listed(line)]
    if stated and option.name not in ("axis", "anchor", "neuron-option"):
        return stated
    where = config.inipath.name if config.inipath else "the ini file"
    folder = config.inipath.parent if config.inipath else config.rootpath
    try:
        value = config.getini(option.ini)
    except (TypeError, ValueError, pytest.UsageError) as error:
        raise OptionError(f"{option.ini} in {where}: {error}", hint=f"it takes what {option.flag} takes") from None
    return [Given(item, f"{option.ini} in {where}", folder, False) for item in _listed(value)] + stated


def _listed(value: Any) -> list[Any]:
    if value is None or value is False or (value == "" and not isinstance(value, list)):
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def parsed(config: pytest.Config, name: str) -> list[tuple[Any, Given]]:
    """Return the parsed values of an option, each with where it came from. OptionError names that place."""
    option = next(option for option in OPTIONS if option.name == name)
    parse: Callable[[Any], Any] = PARSERS.get(name, _unchanged)
    if name == "backend":
        parse = choice_of("backend", backend_names(brought_backends(config)))
    values = []
    for item in given(config, option):
        try:
            values.append((parse(item.value), item))
        except OptionError as error:
            raise OptionError(f"{item.source}: {error.message}", hint=error.hint, evidence=error.evidence) from None
    return values


def brought_backends(config: pytest.Config) -> tuple[type[Any], ...]:
    """Return the backends that conftest files and plugins bring."""
    try:
        answers = config.hook.pytest_torchscript_backends()
    except Exception as error:
        said = f"hook pytest_torchscript_backends: {first_line(error)}"
        raise OptionError(said, hint="it returns a list of classes, and builds nothing") from error
    return own_backends(answers)


def _unchanged(value: Any) -> Any:
    return value


def last(config: pytest.Config, name: str, default: Any = None) -> Any:
    """Return the parsed value of an option that is given once."""
    values = parsed(config, name)
    return values[-1][0] if values else default


#: On the config.
RUN: pytest.StashKey[Run] = pytest.StashKey()


def run_of(config: pytest.Config) -> Run:
    """Return what a run was asked for; where nothing was, the defaults, made when somebody asks."""
    if RUN not in config.stash:
        config.stash[RUN] = read_run(config)
    return config.stash[RUN]


def read_run(config: pytest.Config) -> Run:
    """Read everything the user asked for. Raises OptionError for what is malformed or does not fit together."""
    models = _models(config)
    ids = config.stash.get(SUITE_IDS, ())
    run = Run(
        models=tuple(models),
        given_models=tuple(ref for ref, on_command_line in models.items() if on_command_line),
        ids=ids,
        settings=_settings(config),
        reports=_reports(config),
        known=_known_failures(config),
        speed=bool(last(config, "speed", False)),
    )
    _check_single(config, run)
    return run


def _models(config: pytest.Config) -> dict[str, bool]:
    models: dict[str, bool] = {}
    for reference, item in parsed(config, "model"):
        if reference in models:
            raise OptionError(f"{item.source}: {reference!r} is given twice", hint="give each model once")
        models[reference] = item.on_command_line
    return models


def _settings(config: pytest.Config) -> Settings:
    rtol, atol = last(config, "rtol"), last(config, "atol")
    if (rtol is None) != (atol is None):
        lone, missing = ("rtol", "atol") if atol is None else ("atol", "rtol")
        raise OptionError(
            f"--torchscript-{lone} is given without --torchscript-{missing}",
            hint="give both, or neither to have tolerances calibrated for each model",
        )
    anchors = _named(parsed(config, "anchor"), lambda anchor: anchor[0])
    defaults = Settings()
    return replace(
        defaults,
        weights=last(config, "weights", defaults.weights),
        task=last(config, "task"),
        backends=tuple(dict.fromkeys(name for name, _ in parsed(config, "backend"))) or defaults.backends,
        axes=_named(parsed(config, "axis"), lambda axis: axis.name),
        anchor={name: size for name, size in anchors.values() if size is not None},
        leave_out=tuple(name for name, size in anchors.values() if size is None),
        artifact=_path(config, "artifact", must_exist=True),
        max_examples=last(config, "max-examples"),
        rtol=rtol,
        atol=atol,
        trust_remote_code=bool(last(config, "trust-remote-code", False)),
        neuron=last(config, "neuron", defaults.neuron),
        neuron_options=dict(_named(parsed(config, "neuron-option"), lambda option: option[0]).values()),
        cache=_path(config, "cache"),
        seed=_seed(config),
        own_backends=brought_backends(config),
    )


def names_that_must_exist(config: pytest.Config, run: Run) -> Settings:
    """Return the axes, anchors and inputs that some model of the run must have, as settings.

    Where the command line chose the models, those of the ini file may be for models that it left out.
    """
    if not (run.given_models or run.ids):
        return run.settings
    axes = [axis for axis, item in parsed(config, "axis") if item.on_command_line]
    anchors = [anchor for anchor, item in parsed(config, "anchor") if item.on_command_line]
    return Settings(
        axes={axis.name: axis for axis in axes},
        anchor={name: size for name, size in anchors if size is not None},
        leave_out=tuple(name for name, size in anchors if size is None),
    )


def _named(values: list[tuple[Any, Given]], name_of: Callable[[Any], str]) -> Mapping[str, Any]:
    """Key values by name; the command line wins over the ini file, but the same name twice in one place is an error."""
    found: dict[str, tuple[Any, Given]] = {}
    for value, item in values:
        name = name_of(value)
        if name in found and found[name][1].source == item.source:
            raise OptionError(f"{item.source}: {name!r} is given twice", hint="give each name once")
        found[name] = (value, item)
    return {name: value for name, (value, _) in found.items()}


def _path(config: pytest.Config, name: str, *, must_exist: bool = False) -> str | None:
    for value, item in reversed(parsed(config, name)):
        path = _absolute(item.folder, value)
        if must_exist and not path.is_file():
            raise OptionError(f"{item.source}: file {value!r} does not exist", hint="give the path of an existing file")
        if not must_exist and path.exists() and not path.is_dir():
            raise OptionError(f"{item.source}: {value!r} is a file", hint="give a folder")
        return str(path)
    return None


def _absolute(folder: Path, text: str) -> Path:
    return folder / os.path.expanduser(text)  # noqa: PTH111 - Path.expanduser raises where there is no home


def _reports(config: pytest.Config) -> tuple[Path, ...]:
    paths = []
    for value, item in parsed(config, "report"):
        from pytest_torchscript.report.writers import check_writer

        path = _absolute(item.folder, value)
        try:
            check_writer(path)
        except OptionError as error:
            raise OptionError(f"{item.source}: {error.message}", hint=error.hint) from None
        paths.append(path)
    return tuple(paths)


def _known_failures(config: pytest.Config) -> KnownFailures | None:
    text = _path(config, "known-failures", must_exist=True)
    if text is None:
        return None
    from pytest_torchscript.report.known import read_known_failures

    return read_known_failures(text)


def _seed(config: pytest.Config) -> int:
    """Return hypothesis's seed where one is given, so that ``--hypothesis-seed`` steers everything we draw; else 0."""
    seed = config.getoption("hypothesis_seed", default=None)
    if seed is None:
        return 0
    try:
        return int(seed) % 2**63
    except ValueError:
        return zlib.crc32(str(seed).encode())


def _check_single(config: pytest.Config, run: Run) -> None:
    suites = run.suites
    if len(suites) <= 1:
        return
    for name in ("artifact", "task"):
        for _, item in parsed(config, name):
            raise OptionError(
                f"{item.source} takes exactly one model, but {len(suites)} are given: {', '.join(suites)}",
                hint="run pytest once for each model",
            )
