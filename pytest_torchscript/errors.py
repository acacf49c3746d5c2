"""The exceptions of the package: what is wrong, with values, where, and one hint.

    Error                    every exception this package raises on purpose
     +-- OptionError         how the tool was called (pytest shows it as a usage error)
     +-- ModelError          a reference that cannot be turned into a model
     |    +-- MissingLibraryError  its class needs a library that is not installed: nothing is said of the model
     +-- InputError          inputs that cannot be inferred, declared or made
     +-- BackendError        a backend that is absent, or that cannot export or load
     +-- LibraryError        a library whose installed release lacks a name that is used
     +-- TorchScriptFailure  a model under check is wrong (also an AssertionError)

    MachineFailure           no memory, no device, no server: inside the engine only

A leaf: imports nothing of the package, and nothing heavy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class Error(Exception):
    """A message for a person: one line, indented evidence below it, and a last line that begins ``hint:``."""

    def __init__(self, message: str, *, hint: str = "", evidence: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.evidence = tuple(evidence)

    def __str__(self) -> str:
        return with_hint(self.message, self.hint, self.evidence)


class OptionError(Error):
    """An option, ini value or marker that is malformed or does not fit the others."""


class ModelError(Error):
    """A reference that cannot be turned into a model."""


class MissingLibraryError(ModelError):
    """A model whose class needs a library that is not installed: its one test is skipped."""


class InputError(Error):
    """Inputs that cannot be inferred, declared or made."""


class BackendError(Error):
    """A backend that is not there, or that failed to export, save, load or run for a reason of its own."""


class LibraryError(Error):
    """A library whose installed release has no such name any more, or not yet."""


class MachineFailure(BaseException):
    """The machine had no memory left, its device gave up, or a server is not there: ``error`` has the words.

    ``lost``: nothing that the device says from now on counts. ``no_room``: memory ended, so that less of it may do.

    No answer of a model, so it must not be taken for one by any of the handlers that ask whether a model takes something:
    therefore not an Exception, as asyncio's CancelledError is none. The runner of checks turns it into an outcome.
    """

    def __init__(self, error: Error, *, lost: bool = False, no_room: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.lost = lost
        self.no_room = no_room


class TorchScriptFailure(Error, AssertionError):  # noqa: N818 - it is a verdict, not a fault
    """A model under check does not answer as eager does."""


def with_hint(message: str, hint: str = "", evidence: Sequence[str] = ()) -> str:
    """Lay a message out as every message of the package is: what, evidence, hint. What a terminal would obey is shown."""
    lines = [message, *(f"    {line}" for line in evidence)]
    if hint:
        lines.append(f"    hint: {hint}")
    return clean("\n".join(lines))


#: User and password in a URL, what follows such a header, and tokens of the Hugging Face Hub.
_SECRETS = (
    (re.compile(r"(?<=://)[^/@\s'\"]+(?=@)"), "***"),
    (re.compile(r"(?i)\b((?:proxy-)?authorization['\"]?\s*[:=]\s*['\"]?)(?:(?:basic|bearer)\s+)?[^\s'\",]+"), r"\1***"),
    (re.compile(r"\bhf_\w{8,}"), "hf_***"),
)


def clean(text: str) -> str:
    """Return a text of outside as a message may show it: without what a terminal obeys, and without credentials."""
    for secret, shown in _SECRETS:
        text = secret.sub(shown, text)
    return visible(text)


#: What moves a cursor, colours, or turns the direction of writing; line breaks and tabs are kept.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
#: What a line begins with that GitHub Actions takes for a command.
_COMMAND = re.compile(r"^(\s*)(:):", re.MULTILINE)


def visible(text: str) -> str:
    """Return text of a stranger (names, source lines, what was raised) that no terminal and no CI takes for a command."""
    shown = _CONTROL.sub(_escaped, text.replace("\r\n", "\n"))
    return _COMMAND.sub(r"\1\\x3a:", shown).replace("##[", "#\\x23[")


def _escaped(sign: re.Match[str]) -> str:
    number = ord(sign[0])
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def closest(name: str, choices: Iterable[str]) -> str:
    """Return the choice most like `name`, or an empty string."""
    import difflib  # only a name that is wrong needs it

    return next(iter(difflib.get_close_matches(name, list(choices), n=1)), "")


def did_you_mean(name: object, choices: Iterable[str]) -> str:
    """Return the question that names the closest choice, with a blank after it; empty where none is close."""
    near = closest(str(name), choices)
    return f"did you mean {near!r}? " if near else ""


def unknown(
    kind: str, name: object, choices: Iterable[str], *, listed: str = "choose from", also: Iterable[str] = ()
) -> OptionError:
    """Return the error of a word that is none of some choices: it names the closest, and lists them all, that one first.

    ``also`` are other words for them: close ones are named, but not listed.
    """
    words = list(choices)
    asked = did_you_mean(name, [*words, *also])
    near = closest(str(name), words)
    words.sort(key=lambda word: word != near)
    return OptionError(f"{kind} {name!r} does not exist", hint=f"{asked}{listed}: {', '.join(words) or 'none'}")


def first_line(error: BaseException, limit: int = 300) -> str:
    """Name an exception from outside in one line: its type and the first line of its message that says something."""
    said = next((line.strip() for line in text_of(error).splitlines() if line.strip()), "")
    return cut(f"{type(error).__name__}: {said}" if said else type(error).__name__, limit)


def text_of(error: BaseException) -> str:
    """Return the message of an exception; one that cannot be turned into text has none."""
    try:
        return clean(str(error))
    except Exception:
        return ""


def cut(text: str, limit: int) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


#: What says that the machine has no room, and that its device can no longer be trusted, in the words of torch's allocators,
#: of CUDA and of what an interpreter makes of an exception that passes through it.
_NO_ROOM = re.compile(
    r"out of memory|can't allocate memory|not enough memory|_ALLOC_FAILED|\b(?:Out[oO]f)?MemoryError\b"
)
#: What pytest-timeout says by its signal.
_TIME_LIMIT = re.compile(r"^Timeout .*pytest-timeout")
_LOST = re.compile(r"(?:CUDA|HIP) error: |device-side assert|illegal memory access|unspecified launch failure")


def machine_failure(error: BaseException, fed: Mapping[str, Any]) -> MachineFailure | None:
    """Return what an exception says of the machine; None where it is no want of memory and no device that gave up.

    A time limit that another plugin set counts as the machine's. Such a failure is no answer of a model: neither a size that
    eager refuses nor one that an export does not take. ``fed`` are the tensors it came with, by name: their shapes are told.
    """
    shapes = ", ".join(f"{name} of {tuple(tensor.shape)}" for name, tensor in fed.items())
    beside = f", with {shapes}" if shapes else ""
    if not isinstance(error, Exception) and _TIME_LIMIT.search(text_of(error)):  # raised into whatever ran
        hint = "give it more time, or narrow the axis with --torchscript-axis NAME=MIN:MAX"
        return MachineFailure(BackendError(f"a time limit ended it{beside}", evidence=[first_line(error)], hint=hint))
    said = text_of(error) if isinstance(error, RuntimeError) else ""
    lost = bool(_LOST.search(said))
    if not (
        lost or _NO_ROOM.search(said) or isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    ):
        return None
    what = "the device gave up" if lost else "out of memory"
    hint = (
        "nothing it says after that counts; CUDA_LAUNCH_BLOCKING=1 names the operation"
        if lost
        else "narrow the axis with --torchscript-axis NAME=MIN:MAX, or give the run more memory"
    )
    lines = [line.strip() for line in said.splitlines() if _LOST.search(line) or _NO_ROOM.search(line)]
    evidence = [cut(lines[0], 300)] if lines else [type(error).__name__]
    told = BackendError(f"{what}{beside}", evidence=evidence, hint=hint)
    return MachineFailure(told, lost=lost, no_room=not lost)


def passes_through(error: BaseException) -> bool:
    """Whether an exception that is no Exception is not for the code it comes from to explain: Ctrl-C, a closing generator
    and ``pytest.exit`` mean the run, and this package has some of its own that must cross the code of others."""
    if isinstance(error, (KeyboardInterrupt, GeneratorExit)) or type(error).__name__ == "Exit":
        return True
    return not isinstance(error, Exception) and type(error).__module__.split(".")[0] == __name__.split(".")[0]


def as_exception(error: BaseException) -> Exception:
    """Return an exception of the same name, words and origin, of a kind that handlers of exceptions see."""
    if isinstance(error, Exception):
        return error
    alike: type[Exception] = type(type(error).__name__, (Exception,), {})
    return alike(text_of(error)).with_traceback(error.__traceback__)
