"""The exceptions of the package: what is wrong, with values, where, and one hint.

    Error                    every exception this package raises on purpose
     +-- OptionError         how the tool was called (pytest shows it as a usage error)
     +-- ModelError          a reference that cannot be turned into a model
     +-- InputError          inputs that cannot be inferred, declared or made
     +-- BackendError        a backend that is absent, or that cannot export or load
     +-- LibraryError        a library whose installed release lacks a name that is used
     +-- TorchScriptFailure  a model under check is wrong (also an AssertionError)

A leaf: imports nothing of the package, and nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


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


class InputError(Error):
    """Inputs that cannot be inferred, declared or made."""


class BackendError(Error):
    """A backend that is not there, or that failed to export, save, load or run for a reason of its own."""


class LibraryError(Error):
    """A library whose installed release has no such name any more, or not yet."""


class TorchScriptFailure(Error, AssertionError):  # noqa: N818 - it is a verdict, not a fault
    """A model under check does not answer as eager does."""


def with_hint(message: str, hint: str = "", evidence: Sequence[str] = ()) -> str:
    """Lay a message out as every message of the package is: what, evidence, hint."""
    lines = [message, *(f"    {line}" for line in evidence)]
    if hint:
        lines.append(f"    hint: {hint}")
    return "\n".join(lines)


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
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"
