"""What may be set: one table for the command line, its ini twins, the marker and the keywords of `check`.

A row says what a setting is called everywhere and how a value of it is read, be it text or Python's own; `Settings` is the
serialisable record that comes of it. A new setting is a row and a field. A leaf: no pytest, no torch. Every run of pytest
imports it, so it is quick to import.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from pytest_torchscript.errors import OptionError, unknown

if TYPE_CHECKING:
    from pytest_torchscript.spec import Axis

WEIGHTS = ("auto", "pretrained", "random", "tiny", "meta")
#: Types of devices that torch knows by name.
DEVICES = ("cpu", "cuda", "mps", "xpu", "hpu", "mtia", "xla", "lazy")
#: What a model may compute in.
DTYPES = ("float32", "float16", "bfloat16", "float64")
NEURON_MODES = ("auto", "require", "compile", "emulate", "off")
#: Whether the checks of a model run in a process of its own.
ISOLATE = ("auto", "on", "off")
TASKS = (
    "default",
    "masked-lm",
    "causal-lm",
    "causal-lm-with-past",
    "seq2seq-lm",
    "seq2seq-lm-with-past",
    "sequence-classification",
    "token-classification",
    "question-answering",
    "multiple-choice",
    "next-sentence-prediction",
    "image-classification",
    "object-detection",
    "semantic-segmentation",
    "masked-image-modeling",
    "zero-shot-image-classification",
    "depth-estimation",
    "audio-classification",
    "audio-frame-classification",
    "audio-xvector",
    "ctc",
    "speech-seq2seq",
    "vision2seq",
)

#: The features of transformers' export guide, and the tasks of the Hub, that are called otherwise here.
GUIDE_NAMES = {
    "masked-im": "masked-image-modeling",
    "image-segmentation": "semantic-segmentation",
    "vision2seq-lm": "vision2seq",
    "speech2seq-lm": "speech-seq2seq",
    "feature-extraction": "default",
    "fill-mask": "masked-lm",
    "text-generation": "causal-lm",
    "text-generation-with-past": "causal-lm-with-past",
    "text2text-generation": "seq2seq-lm",
    "text2text-generation-with-past": "seq2seq-lm-with-past",
    "text-classification": "sequence-classification",
    "image-to-text": "vision2seq",
}


@dataclass(frozen=True)
class Settings:
    """How models are built, exported, moved and judged. Defaults are those of the command line.

    ``task`` None means the checkpoint's own. ``anchor`` maps axis names to sizes; ``leave_out`` names optional inputs
    that the main trace is made without. ``max_examples`` None follows the hypothesis profile. ``backends`` are names;
    ``own_backends`` are classes that the repository brings; ``options`` holds by the name of a backend its options by
    name, and ``neuron_options`` those of either Neuron backend (backends/neuron/options.py). ``cache`` is a folder for
    compiled artifacts. ``device`` and ``dtype`` None leave a model as it is. ``timeout`` is in seconds a check, ``memory`` in
    GB (10**9 bytes) a model. `make_settings` makes it of what a user wrote.
    """

    weights: str = "auto"
    task: str | None = None
    backends: tuple[str, ...] = ("torchscript",)
    axes: Mapping[str, Axis] = field(default_factory=dict)
    anchor: Mapping[str, int] = field(default_factory=dict)
    leave_out: tuple[str, ...] = ()
    artifact: str | None = None
    max_examples: int | None = None
    rtol: float | None = None
    atol: float | None = None
    trust_remote_code: bool = False
    neuron: str = "auto"
    neuron_options: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    own_backends: tuple[type[Any], ...] = ()
    device: str | None = None
    dtype: str | None = None
    map_location: str | None = None
    cache: str | None = None
    speed: bool = False
    seed: int = 0
    offline: bool = False
    isolate: str = "auto"
    timeout: float | None = None
    memory: float | None = None

    @property
    def limited(self) -> bool:
        """Whether time or memory is limited."""
        return self.timeout is not None or self.memory is not None


#: How often a setting is given: once; as a list, where the command line's replaces the ini file's; or by names, such as axes,
#: where the two are joined and a marker's are added.
ONCE, LISTED, NAMED = "once", "listed", "named"


class Setting(NamedTuple):
    """One thing that may be set, as the command line, the ini file, markers and `check` call it.

    ``read`` takes one value, text or Python's own, and returns it as the field holds it; of what is given by names it
    returns the name too. OptionError says what is wrong with it. A ``path`` is read with the folder it starts from.
    """

    name: str
    metavar: str
    help: str
    field: str
    read: Callable[..., Any]
    given: str = ONCE
    aliases: tuple[str, ...] = ()
    on_command_line: bool = True
    path: bool = False

    @property
    def switch(self) -> bool:
        """Whether the command line gives it without a value."""
        return not self.metavar

    @property
    def flag(self) -> str:
        """How it is written on the command line."""
        return f"--torchscript-{self.name}"

    @property
    def dest(self) -> str:
        """Its name among pytest's options."""
        return "torchscript_" + self.name.replace("-", "_")

    @property
    def ini(self) -> str:
        """Its name in an ini file."""
        return "torchscript_models" if self.name == "model" else self.dest

    @property
    def keywords(self) -> tuple[str, ...]:
        """Its names in a marker and in `check`, the usual one first."""
        return tuple(dict.fromkeys((self.field, self.name.replace("-", "_"), *self.aliases)))

    def read_keyword(self, value: Any) -> Any:
        """Return what a marker or `check` gives as the field holds it; anchors keep the None of what is left out."""
        if self.given == NAMED:
            return dict(self.read(item) for item in _items(_by_full_name(value) if self.field == "options" else value))
        if self.given == LISTED:
            return tuple(dict.fromkeys(self.read(item) for item in _items(value)))
        return self.read(value)


def _by_full_name(value: Any) -> Any:
    """Return options of backends by ``BACKEND.NAME``, where some are given backend by backend."""
    if not isinstance(value, Mapping):
        return value
    flat: dict[Any, Any] = {}
    for name, item in value.items():
        flat.update({f"{name}.{own}": item[own] for own in item} if isinstance(item, Mapping) else {name: item})
    return flat


def _items(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return list(value)
    return [value]


# Readers: one value, as text or as Python gives it.


def one_of(kind: str, choices: tuple[str, ...]) -> Callable[[Any], str]:
    """Return a reader of some words; its error lists them, the closest first."""

    def read(value: Any) -> str:
        if isinstance(value, str) and value in choices:
            return value
        raise unknown(kind, value, choices)

    return read


def task(value: Any) -> str:
    """Return a task; the other names that export guides have for one are known, too."""
    if isinstance(value, str) and value in GUIDE_NAMES:
        return GUIDE_NAMES[value]
    if isinstance(value, str) and value in TASKS:
        return value
    raise unknown("task", value, TASKS, also=GUIDE_NAMES)


def text(value: Any) -> str:
    """Return a name that is not empty."""
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise OptionError(f"{value!r} is not a name", hint="give a name, as text")


def switch(value: Any) -> bool:
    """Return a truth value; text says it as an ini file does."""
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    raise OptionError(f"{value!r} is not a truth value", hint="give true or false")


def count(value: Any) -> int:
    """Return a number of examples: a whole number from 1."""
    number = _whole(value)
    if number is None or number < 1:
        raise OptionError(f"{value!r} is not a number of examples", hint="give a whole number from 1")
    return number


def whole_number(value: Any) -> int:
    """Return a whole number from 0 that torch takes for a seed."""
    number = _whole(value)
    if number is None or not 0 <= number < 2**63:
        raise OptionError(f"{value!r} is not a whole number from 0 to 2**63 - 1", hint="give one, such as 7")
    return number


def tolerance(value: Any) -> float:
    """Return a finite number that is not negative."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isfinite(number) and number >= 0:
        return number
    raise OptionError(f"{value!r} is not a tolerance", hint="give a number from 0, such as 1e-4")


def above_zero(what: str, example: str) -> Callable[[Any], float]:
    """Return a reader of a finite number above zero; its error says of what."""

    def read(value: Any) -> float:
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number) and number > 0:
            return number
        raise OptionError(f"{value!r} is not a number of {what}", hint=f"give a number above 0, such as {example}")

    return read


def _whole(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    digits = value.strip() if isinstance(value, str) else ""
    return int(digits) if digits.isascii() and digits.isdigit() else None


def existing_file(value: Any, folder: str | os.PathLike[str] = "") -> str:
    """Return the path of a file that is there; a relative one starts from a folder."""
    path = in_folder(value, folder)
    if not os.path.isfile(path):  # noqa: PTH113
        raise OptionError(f"file {os.fspath(value)!r} does not exist", hint="give the path of an existing file")
    return path


def folder_to_be(value: Any, folder: str | os.PathLike[str] = "") -> str:
    """Return the path of a folder, there or not; a relative one starts from a folder."""
    path = in_folder(value, folder)
    if os.path.exists(path) and not os.path.isdir(path):  # noqa: PTH110, PTH112
        raise OptionError(f"{os.fspath(value)!r} is a file", hint="give a folder")
    return path


def in_folder(value: Any, folder: str | os.PathLike[str] = "") -> str:
    """Return a path; a relative one starts from a folder."""
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise OptionError(f"{value!r} is not a path", hint="give the path, as text")
    # os.path: Path.expanduser raises where there is no home.
    return os.path.join(folder, os.path.expanduser(value))  # noqa: PTH111, PTH118


AXIS_FORMS = "write NAME=MIN:MAX, NAME=MIN:MAX:MULTIPLE, NAME=SIZE or NAME=SIZE,SIZE: sequence=1:512"


def axis(value: Any) -> tuple[str, Axis]:
    """Return the axis that a text, an Axis, or a name with an Axis, a size, sizes or a text describes, by its name."""
    found = _axis(*value) if isinstance(value, tuple) and len(value) == 2 else _axis("", value)
    return found.name, found


def _axis(name: Any, value: Any) -> Axis:
    from pytest_torchscript.spec import Axis

    if isinstance(value, Axis):
        return value if name in ("", value.name) else replace(value, name=name)
    if isinstance(value, str):
        return parse_sizes(name, value) if name else parse_axis(value)
    sizes = value if isinstance(value, (list, tuple)) else [value]
    if name and sizes and all(isinstance(size, int) and not isinstance(size, bool) for size in sizes):
        return Axis.fixed_at(name, *(_size(name, size) for size in sizes))
    raise OptionError(
        f"{value!r} does not describe an axis", hint="give an Axis, a size, a list of sizes, or text such as '1:512'"
    )


def parse_axis(text: str) -> Axis:
    """Return the axis that ``NAME=MIN:MAX[:MULTIPLE]``, ``NAME=SIZE`` or ``NAME=SIZE,SIZE`` describes."""
    name, separator, sizes = (part.strip() for part in text.partition("="))
    if not separator or not name:
        raise OptionError(f"{text!r} does not describe an axis", hint=AXIS_FORMS)
    return parse_sizes(name, sizes)


def parse_sizes(name: str, text: str) -> Axis:
    """Return the axis of a name with the sizes that ``MIN:MAX[:MULTIPLE]``, ``SIZE`` or ``SIZE,SIZE`` describes."""
    from pytest_torchscript.spec import Axis

    try:
        if ":" not in text:
            return Axis.fixed_at(name, *(_size(name, int(part)) for part in text.split(",")))
        low, high, multiple = (*(int(part) for part in text.split(":")), *([1] if text.count(":") == 1 else []))
    except ValueError:
        raise OptionError(f"'{name}={text}' does not describe an axis", hint=AXIS_FORMS) from None
    return Axis(name, low, high, multiple)


def anchor(value: Any) -> tuple[str, int | None]:
    """Return the axis and size of ``NAME=SIZE``, or of a pair; ``none`` leaves an optional input out and has no size."""
    if isinstance(value, tuple) and len(value) == 2:
        name, size = value
    else:
        name, separator, size = str(value).partition("=")
        name = name if separator else ""
    if isinstance(name, str) and name.strip():
        if size is None or str(size).strip().lower() == "none":
            return name.strip(), None
        number = _whole(size)
        if number is not None:
            return name.strip(), _size(name.strip(), number)
    said = f"{name}={size}" if isinstance(value, tuple) else value
    raise OptionError(
        f"{said!r} is not an anchor", hint="write AXIS=SIZE (batch=1), or INPUT=none to trace without an optional input"
    )


def _size(name: str, size: int) -> int:
    if size < 1:
        raise OptionError(f"axis {name!r}: size={size} is not a size", hint="give a whole number from 1")
    return size


def device(value: Any) -> str:
    """Return the name of a device, as torch writes it: a type, and where there are several its number."""
    kind, colon, number = value.strip().partition(":") if isinstance(value, str) else ("", "", "")
    if kind not in DEVICES:
        raise unknown("device", value, DEVICES)
    if colon and not (number.isascii() and number.isdigit()):
        raise OptionError(f"{value!r} is not a device", hint=f"number it from 0: {kind}:0")
    return f"{kind}{colon}{number}"


def dtype(value: Any) -> str:
    """Return the name of a floating dtype; torch's own (``torch.bfloat16``) is read as its name."""
    name = str(value).strip()
    name = name[len("torch.") :] if name.startswith("torch.") else name
    if name in DTYPES:
        return name
    raise unknown("dtype", name, DTYPES)


def backend_class(value: Any) -> type[Any]:
    """Return a class of backends."""
    if isinstance(value, type):
        return value
    raise OptionError(
        f"{value!r} is no class of backends", hint="give subclasses of pytest_torchscript.backends.Backend"
    )


def option(value: Any) -> tuple[str, Any]:
    """Return name and value of ``NAME=VALUE`` or of a pair; what they mean is for the backend to say."""
    if isinstance(value, tuple) and len(value) == 2:
        name, given = value
    else:
        name, separator, given = str(value).partition("=")
        name, given = (name.strip(), given.strip()) if separator else ("", given)
    if isinstance(name, str) and name:
        return name, given
    raise OptionError(f"{value!r} is not an option", hint="write NAME=VALUE, such as timeout=1800")


def backend_option(value: Any) -> tuple[str, Any]:
    """Return ``BACKEND.NAME`` and value of ``BACKEND.NAME=VALUE`` or of a pair."""
    name, given = option(value)
    backend, _, own = name.partition(".")
    if backend and own:
        return name, given
    raise OptionError(f"option {name!r} names no backend", hint="write BACKEND.NAME=VALUE, such as neuron.timeout=1800")


SETTINGS = (
    Setting(
        "task",
        "TASK",
        "Build the model for a task of the export guide, such as masked-lm.",
        "task",
        task,
    ),
    Setting(
        "weights",
        "KIND",
        "Weights to use: auto, pretrained, random, tiny, meta.",
        "weights",
        one_of("weights", WEIGHTS),
    ),
    Setting("backend", "NAME", "Export with this backend. Default: torchscript.", "backends", text, LISTED),
    Setting("axis", "NAME=RANGE", "Narrow, widen or fix an axis: sequence=1:128, sequence=16.", "axes", axis, NAMED),
    Setting(
        "anchor",
        "NAME=SIZE",
        "Trace at this size of an axis; INPUT=none leaves an input out.",
        "anchor",
        anchor,
        NAMED,
        aliases=("anchors",),
    ),
    Setting(
        "artifact",
        "FILE",
        "Check this file (TorchScript, .onnx, .pt2) in place of an export of ours.",
        "artifact",
        existing_file,
        path=True,
    ),
    Setting(
        "device",
        "DEVICE",
        "Where eager and export run: cpu, cuda, cuda:N, mps. Default: where the model is.",
        "device",
        device,
    ),
    Setting(
        "dtype",
        "DTYPE",
        "Compute in float32, float16, bfloat16 or float64. Default: as the model is.",
        "dtype",
        dtype,
    ),
    Setting(
        "map-location",
        "DEVICE",
        "Where the file will be loaded: fail where it is bound to another device.",
        "map_location",
        device,
    ),
    Setting("max-examples", "N", "Examples that hypothesis tries for an axis.", "max_examples", count),
    Setting("rtol", "X", "Relative tolerance, in place of the calibrated one; needs atol.", "rtol", tolerance),
    Setting("atol", "X", "Absolute tolerance, in place of the calibrated one; needs rtol.", "atol", tolerance),
    Setting("trust-remote-code", "", "Run code that comes with a checkpoint.", "trust_remote_code", switch),
    Setting(
        "option", "BACKEND.NAME=VALUE", "Option of a backend: neuron.timeout=1800.", "options", backend_option, NAMED
    ),
    Setting(
        "neuron", "MODE", "AWS Neuron: auto, require, compile, emulate, off.", "neuron", one_of("mode", NEURON_MODES)
    ),
    Setting(
        "neuron-option",
        "NAME=VALUE",
        "Option of a Neuron compilation: timeout=1800, compiler_args=…",
        "neuron_options",
        option,
        NAMED,
    ),
    Setting("cache", "DIR", "Keep compiled artifacts in a folder.", "cache", folder_to_be, path=True),
    Setting("speed", "", "Compare the latency of eager and export too.", "speed", switch),
    Setting(
        "isolate",
        "MODE",
        "Check each model in a process of its own: auto (where a limit is given), on, off.",
        "isolate",
        one_of("mode", ISOLATE),
    ),
    Setting(
        "timeout", "SECONDS", "End a check that takes longer, in C++ too.", "timeout", above_zero("seconds", "600")
    ),
    Setting("memory", "GB", "End a model that holds more memory.", "memory", above_zero("GB", "8")),
    Setting("", "", "", "leave_out", text, LISTED, on_command_line=False),
    Setting("", "", "", "own_backends", backend_class, LISTED, on_command_line=False),
    Setting("", "", "", "seed", whole_number, on_command_line=False),
    Setting("", "", "", "offline", switch, on_command_line=False),
)
#: Both or neither.
PAIRS = (("rtol", "atol"),)


def read_keywords(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a marker or `check` gives by keyword as fields of Settings; None means the default.

    OptionError names a keyword that is no setting, one that is given under two names, or the value that cannot be taken.
    """
    by_keyword = {keyword: setting for setting in SETTINGS for keyword in setting.keywords if keyword}
    defaults = Settings()
    read: dict[str, Any] = {}
    given: dict[str, str] = {}
    for keyword, value in keywords.items():
        if keyword not in by_keyword:
            fields = [setting.field for setting in SETTINGS]
            raise unknown("setting", keyword, fields, listed="settings are", also=by_keyword)
        setting = by_keyword[keyword]
        if value is None:
            read.setdefault(setting.field, getattr(defaults, setting.field))
            continue
        first = given.setdefault(setting.field, keyword)
        if first != keyword:
            raise OptionError(f"{first} and {keyword} are the same setting", hint="give one of the two")
        try:
            read[setting.field] = setting.read_keyword(value)
        except OptionError as error:
            named = error.message.startswith(tuple(f"{name} " for name in setting.keywords))
            message = error.message if named else f"{keyword}: {error.message}"
            raise OptionError(message, hint=error.hint, evidence=error.evidence) from None
    return read


def changed(settings: Settings, changes: Mapping[str, Any], *, spelled: Callable[[str], str] = str) -> Settings:
    """Return settings with some fields changed; what is given by names is added to what stands.

    An anchor of None leaves the input out; options of backends are given by ``BACKEND.NAME``. ``spelled`` says how the user
    wrote a setting, for the OptionError that is raised where one of a pair is missing.
    """
    merged = dict(changes)
    if "options" in merged:
        merged["options"] = _by_backend(settings.options, merged["options"])
    for name in (setting.field for setting in SETTINGS if setting.given == NAMED):
        if name in merged:
            merged[name] = {**getattr(settings, name), **merged[name]}
    if "anchor" in merged:
        sizes = merged["anchor"]
        left_out = [*merged.get("leave_out", settings.leave_out), *(name for name in sizes if sizes[name] is None)]
        merged["anchor"] = {name: size for name, size in sizes.items() if size is not None}
        merged["leave_out"] = tuple(dict.fromkeys(left_out))
    result = replace(settings, **merged)
    if not result.backends:
        raise OptionError("backends: none is given", hint="name one, or leave the setting out")
    for pair in PAIRS:
        lone = [name for name in pair if getattr(result, name) is not None]
        if len(lone) == 1:
            missing = next(name for name in pair if name != lone[0])
            raise OptionError(
                f"{spelled(lone[0])} is given without {spelled(missing)}",
                hint=f"give both {' and '.join(pair)}, or neither to have tolerances calibrated for each model",
            )
    if result.isolate == "off" and result.limited:
        limit = spelled("timeout" if result.timeout is not None else "memory")
        raise OptionError(
            f"{limit} is given with {spelled('isolate')} off",
            hint=f"a limit is kept from another process: leave {spelled('isolate')} out, or the limit",
        )
    return result


def _by_backend(stand: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    joined = {backend: dict(options) for backend, options in stand.items()}
    for name, value in given.items():
        backend, _, own = name.partition(".")
        joined.setdefault(backend, {})[own] = value
    return dict(joined)


def make_settings(**keywords: Any) -> Settings:
    """Return settings from keywords, as `check` takes them. OptionError for what cannot be taken."""
    return changed(Settings(), read_keywords(keywords))
