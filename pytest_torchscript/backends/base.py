"""The contract of a backend: what it is, whether it can be used here, how it exports, and what it exports.

The module handed to `Backend.export` is positional and returns a flat tuple of tensors (models/calling.py): what a
backend needs to know of calling forms, dicts and caches is nothing. What a check may know of a backend stands in
`Traits` and `Readiness`; no check asks for its name or class.

Imports no torch, so that a conftest.py may import it in every run.
"""

from __future__ import annotations

import inspect
import re
import shlex
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_torchscript.errors import BackendError, OptionError, unknown
from pytest_torchscript.settings import Settings
from pytest_torchscript.spec import Axis

if TYPE_CHECKING:
    import torch
    from torch import nn

#: How an artifact computes, beside eager: with the same kernels, with others, or in bf16.
SAME, REORDERED, BF16 = ARITHMETICS = ("same", "reordered", "bf16")
#: What can be done on this machine: export and run, export alone, run a stand-in on the CPU, nothing, or fail for it.
RUN, COMPILE, STAND_IN, SKIP, FAIL = ACTIONS = ("run", "compile", "stand-in", "skip", "fail")


class Refused(BackendError):  # noqa: N818 - it is a verdict, not a fault
    """An artifact does not take these inputs: a verdict. Any other exception of an artifact counts as this."""


class Unavailable(BackendError):  # noqa: N818 - it is no fault of the model
    """A runtime, device or server failed: outcome `error`, never a verdict about the model."""


class Unsupported(BackendError):  # noqa: N818 - nothing is wrong
    """An export cannot be made or run with what is installed, a dtype for instance: skipped with the reason."""


class Spent(BackendError):  # noqa: N818 - nothing is wrong
    """An artifact was asked as often as the user allows: no verdict. What was found until then is told."""


@dataclass
class Budget:
    """How often something that is not ours may be asked, all checks of one model together.

    ``share`` is the count until which the check under way may ask. Several threads may take from it.
    """

    limit: int
    hint: str = ""
    spent: int = 0
    share: int | None = None
    _lock: Any = field(default_factory=threading.Lock, repr=False)

    def take(self) -> None:
        """Count one request that is about to be made. `Spent` where there is none left."""
        with self._lock:
            if self.spent >= self.limit:
                raise Spent(f"request budget: all {self.limit} requests were made", hint=self.hint)
            if self.share is not None and self.spent >= self.share:
                raise Spent(
                    f"request budget: the share of this check is used up, {self.spent} of {self.limit} requests were made",
                    hint=self.hint,
                )
            self.spent += 1


@dataclass(frozen=True)
class Traits:
    """All that a check may know of a backend.

    ``arithmetic`` chooses the tolerance: `same` (bit-equal is expected), `reordered` (other kernels), `bf16` (judged by
    bf16 on the CPU). ``moves``: an artifact may answer at other sizes than those it was exported at. ``reexports``:
    another export is cheap. ``saves``: an artifact is written by `save`, and read by `Backend.loader` elsewhere.
    ``torchscript``: an artifact's ``module`` is a ScriptModule. ``follows``: an artifact runs on the device that eager runs
    on, as every ScriptModule does; else the module is exported on the CPU, and called with tensors there. ``isolate``: it
    may end its process, so that a model's checks run in one of their own, unless ``--torchscript-isolate off``.
    """

    arithmetic: str = SAME
    moves: bool = True
    reexports: bool = True
    saves: bool = False
    torchscript: bool = False
    follows: bool = False
    isolate: bool = False

    def __post_init__(self) -> None:
        if self.arithmetic not in ARITHMETICS:
            raise unknown("arithmetic", self.arithmetic, ARITHMETICS)


@dataclass(frozen=True)
class Readiness:
    """What can be done on this machine; asked once, before anything is built.

    ``reason`` says why, ``hint`` how to get more. ``label`` is laid over every result: ``emulated on CPU``.
    """

    action: str = RUN
    reason: str = ""
    hint: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise unknown("action", self.action, ACTIONS)

    @property
    def answers(self) -> bool:
        """Whether an artifact can be run, be it a stand-in."""
        return self.action in (RUN, STAND_IN)

    @property
    def message(self) -> str:
        """Reason and hint, laid out as every message of the package is."""
        return str(BackendError(self.reason, hint=self.hint))


@dataclass(frozen=True)
class DeviceShare:
    """What one process of several takes of a device: what to add to its environment, and a sentence about it, if any.

    ``claim`` is whatever holds the share: keep it as long as the process.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    claim: object = field(default=None, compare=False, repr=False)


class MarkedDevice:
    """The device that tests with a marker need, as far as a run may know of it before anything of it is imported.

    ``backend`` is the name of the backend that runs there; ``asked`` whether the run names such a backend itself.
    """

    backend: str
    asked: bool
    readiness: Readiness

    def __init__(self, settings: Settings) -> None:
        """Look for it, as the settings of a run have it."""
        raise NotImplementedError

    @staticmethod
    def is_here() -> bool:
        """Whether this machine has one, found without opening it."""
        raise NotImplementedError

    def share(self, worker: str | None, workers: int, run: str) -> DeviceShare:
        """Return what a worker takes (None: the controller, which takes nothing). OptionError where it is not enough."""
        raise NotImplementedError


@dataclass(frozen=True)
class Options:
    """The options of a backend: a subclass names them as fields with defaults. Values come as text or as Python's own.

    ``numbers`` says in errors what an int or a float has to be, where ``__post_init__`` asks for more.
    """

    numbers: ClassVar[str] = "a number"

    @classmethod
    def of(cls, values: Mapping[str, Any], *, backend: str = "backend") -> Any:
        """Make options from names and values. OptionError for a name that is none, or a value of another type."""
        known = {item.name: item for item in fields(cls)}
        for name in values:
            if name not in known:
                raise unknown(f"{backend} option", name, known, listed="options")
        return cls(
            **{name: _typed(cls, f"{backend} option {name}", value, known[name]) for name, value in values.items()}
        )


def _typed(options: type[Options], label: str, value: Any, item: Field[Any]) -> Any:
    """Return a value as its field's annotation has it: a bool, int, float, tuple of strings, else text.

    The annotation is read as text: ``int | None`` cannot be evaluated on Python 3.9.
    """
    kind = next(iter(re.findall(r"\b(?:bool|int|float|[tT]uple|Path)\b", str(item.type))), "str").lower()
    said = f"{label}={value!r} is not"
    if value is None:
        return None
    if kind == "bool":
        return _flag(value, said)
    if kind in ("int", "float"):
        try:
            return int(value) if kind == "int" else float(value)
        except (TypeError, ValueError):
            raise OptionError(f"{said} {options.numbers}", hint=f"write {item.name} = 600") from None
    if kind == "tuple":
        words = shlex.split(value) if isinstance(value, str) else value
        if not isinstance(words, Sequence) or not all(isinstance(word, str) for word in words):
            raise OptionError(f"{said} a list of strings", hint=f"write {item.name} = ['first', 'second']")
        return tuple(words)
    return Path(value) if kind == "path" else str(value)


def _flag(value: Any, said: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    text = str(value).strip().lower()
    if text not in words:
        raise OptionError(f"{said} a truth value", hint="write true or false")
    return words[text]


@dataclass(frozen=True)
class ExportRequest:
    """What to export: a positional module, an example, and how the sizes and names of its inputs are called.

    ``dims`` holds for each input its dims by axis name, so that a fixed-shape artifact can name the axis it refuses;
    ``axes`` has the ranges of those axes. ``answer`` returns what eager answers to the example, nested as the model has it.
    ``recorded``, where the artifact is called a few times and dropped: returns the graph that torch's tracer makes of the
    module at the example, and the weights that it takes after that. What is made of it answers alike and may be cheaper.
    """

    module: nn.Module
    example: tuple[torch.Tensor, ...]
    names: tuple[str, ...]
    dims: Mapping[str, Sequence[str | int]] = field(default_factory=dict)
    axes: Mapping[str, Axis] = field(default_factory=dict)
    answer: Callable[[], Any] | None = None
    recorded: Callable[[], tuple[Any, Mapping[str, torch.Tensor]]] | None = None

    def clones(self) -> tuple[torch.Tensor, ...]:
        """Return the example, for whoever may write into it."""
        return tuple(tensor.clone() for tensor in self.example)

    @property
    def device(self) -> torch.device:
        """Where the example is, and the module."""
        import torch

        return next((tensor.device for tensor in self.example if not tensor.is_meta), torch.device("cpu"))

    def placed(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Return one value an input as forward takes its arguments: in a tuple of their own where it has ``*args``."""
        kinds = [parameter.kind for parameter in inspect.signature(self.module.forward).parameters.values()]
        return (tuple(values),) if inspect.Parameter.VAR_POSITIONAL in kinds else tuple(values)

    @cached_property
    def directory(self) -> Path:
        """An empty folder to work in, made when it is asked for, and kept as long as this request is."""
        path = tempfile.mkdtemp(prefix="pytest-torchscript-")
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        return Path(path)


class Artifact:
    """What a backend made: called with the flat tensors, in the order of the request's names.

    It returns a tensor, or a sequence of tensors in the order of eager's own. It raises `Refused` for inputs that it does
    not take, and `Unavailable` where its runtime failed. A base for convenience: anything that can be called will do.
    """

    #: Facts for the report, plain data: compiler options, versions, share of the graph on the device.
    details: Mapping[str, Any] = {}
    #: Sentences for a person: what became of the export that is no failure.
    notes: Sequence[str] = ()

    def __call__(self, *tensors: torch.Tensor) -> Any:
        """Run on CPU tensors."""
        raise NotImplementedError

    def save(self, path: Path) -> None:
        """Write the artifact to one file; only where `Traits.saves`."""
        raise NotImplementedError


class Backend:
    """One way to export and run. A subclass has a name, its traits, `export`, and what else it is able to.

    It is made once for a model, as ``cls(options)``, and what it raises passes through unchanged: an exception of
    `export` fails the check `trace`, `Unavailable` makes it an error.
    """

    #: What users call it: ``--torchscript-backend NAME``.
    name: str = ""
    traits: Traits = Traits()
    #: How the file of a saved artifact ends.
    ending: str = ".pt"
    #: What to do about a wrong answer, where it is for the backend to say.
    hint: str = ""
    #: What to ask where an answer is wrong at the anchor already, for a backend that does not export the module handed over:
    #: what it runs may be of another model. Empty for those that export.
    if_another: str = ""
    #: What to do about a size that is wrong and that no line of the model explains, where it is for the backend to say.
    unexplained: str = ""
    #: How messages say that an artifact was made at some sizes: ``traced at batch=2``. By default by the traits.
    made: str = ""
    #: How often what it runs may be asked, where that is not for this package to decide.
    budget: Budget | None = None
    #: What a check says of a trait that it needs and that there is not, by the trait's name, or of a backend that is not
    #: `ready`; ``{backend}`` is the name of this one, ``{default}`` that of the one to ask instead.
    lacks: ClassVar[Mapping[str, str]] = {}
    Options: ClassVar[type[Any]] = Options

    def __init__(self, options: Any = None) -> None:
        self.options = self.Options() if options is None else options

    @classmethod
    def options_from(cls, settings: Settings) -> Any:
        """Return the options of this backend out of a run's settings."""
        return cls.Options.of(settings.options.get(cls.name, {}), backend=cls.name)

    def readiness(self) -> Readiness:
        """Say what can be done on this machine."""
        return Readiness()

    @classmethod
    def checks(cls) -> tuple[Any, ...]:
        """Return checks that it alone has, made with ``pytest_torchscript.checks.registry.check``."""
        return ()

    def export(self, request: ExportRequest) -> Artifact:
        """Export at the sizes of the example, with axes free where the format has such a thing."""
        raise NotImplementedError

    def loader(self) -> str:
        """Return Python source that defines ``load(path)`` for a fresh process; only where `Traits.saves`."""
        raise NotImplementedError


@dataclass(frozen=True)
class FileFacts:
    """What a file says of itself: the names of its inputs, in order, its mode, and what it was made of."""

    inputs: tuple[str, ...]
    training: bool
    class_name: str


class MadeElsewhere(Backend):
    """The backend of one file, which is checked in place of an export of ours.

    ``refusal`` is raised by `export`: a bad file costs the check `trace` alone. Without ``facts`` there is one.
    """

    lacks: ClassVar[Mapping[str, str]] = {"reexports": "the artifact was made elsewhere: nothing else is exported"}
    if_another = "is the file made of this model, with these weights? Then give its own sizes with --torchscript-anchor"

    def __init__(self, path: str, facts: FileFacts | None = None, refusal: BackendError | None = None) -> None:
        super().__init__()
        self.path = path
        self.facts = facts
        self.refusal = refusal

    @classmethod
    def of(cls, path: str) -> Any:
        """Look at a file: the backend has what it says of itself, or why it cannot be used."""
        try:
            return cls(path, cls.look(path))
        except BackendError as error:
            return cls(path, refusal=error)

    @staticmethod
    def look(path: str) -> FileFacts:
        """Return what a file says of itself. BackendError for a file that cannot be used."""
        raise NotImplementedError

    def export(self, request: ExportRequest) -> Artifact:
        """Return the file's artifact, whatever the example is."""
        if self.refusal is not None:
            raise self.refusal
        return self.load(request)

    def load(self, request: ExportRequest) -> Artifact:
        """Load the file; the request says how its inputs and their dims are called."""
        raise NotImplementedError
