"""Parse what the user names: a Hub id, a checkpoint directory, ``package.module:factory``, or a call of a factory.

Pure, but for a look at the disk: whether a path is there, and what a file of references holds.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_torchscript.errors import OptionError

HUB, DIRECTORY, FACTORY = "hub", "directory", "factory"
FORMS = (
    "name a Hub id (bert-base-uncased), a checkpoint directory (./checkpoint), package.module:factory, a call of it with "
    "literals (torch.nn:LSTM(16, 32)), or a file of these (@models.txt)"
)

_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_FACTORY = re.compile(rf"{_DOTTED}:{_DOTTED}")
_HUB_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_CALL = re.compile(rf"(?P<target>{_DOTTED}:{_DOTTED})\s*\((?P<arguments>.*)\)", re.DOTALL)
_HALF_FACTORY = re.compile(rf"(?:{_DOTTED})?:(?:{_DOTTED})?")


@dataclass(frozen=True)
class Reference:
    """What the user named, as given, and how it is read: ``hub``, ``directory`` or ``factory``.

    ``arguments`` and ``keywords`` are the literals that a factory is called with.
    """

    text: str
    kind: str
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """What is called, without its arguments; for other kinds the whole text."""
        call = _CALL.fullmatch(self.text) if self.kind == FACTORY else None
        return call["target"] if call else self.text


#: A folder of the Hub's cache: the repository, and the commit of one snapshot.
_SNAPSHOT = re.compile(r"(?P<repository>.*[\\/]models--(?P<name>[^\\/]+))[\\/]snapshots[\\/](?P<commit>[0-9a-f]+)")


def place_of(reference: Reference) -> str:
    """Return what tells a model from others: the real folder of a directory, the Hub id of the newest snapshot in the Hub's
    cache; else the text."""
    if reference.kind != DIRECTORY:
        return reference.text
    folder = os.path.realpath(expand(reference.text))
    snapshot = _SNAPSHOT.fullmatch(folder)
    if snapshot is not None:
        newest = Path(snapshot["repository"], "refs", "main")
        if newest.is_file() and newest.read_text(encoding="utf-8").strip() == snapshot["commit"]:
            return snapshot["name"].replace("--", "/", 1)
    return folder


def parse_reference(text: str) -> Reference:
    """Return how a reference is read. Existing paths and drive letters are tried before ``module:factory``.

    Raises OptionError where it is empty, can be none of the three, or calls with more than literals.
    """
    text = text.strip()
    if not text:
        raise OptionError("reference '' is empty", hint=FORMS)
    call = _CALL.fullmatch(text)
    if os.path.exists(text) or (call is None and _looks_like_path(text)):  # noqa: PTH110 - "~" must not be expanded here
        return Reference(text, DIRECTORY)
    if call is not None:
        return Reference(text, FACTORY, *_literals(text, call["arguments"]))
    if _FACTORY.fullmatch(text):
        return Reference(text, FACTORY)
    if ":" in text:
        raise OptionError(f"reference {text!r} is not package.module:factory", hint=_factory_hint(text))
    return Reference(text, _hub_or_missing_directory(text))


def _literals(text: str, arguments: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a call that hold literals and nothing else: nothing a user names is evaluated."""
    try:
        call = ast.parse(f"_({arguments})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        said = getattr(error, "msg", "") or str(error) or type(error).__name__
        raise OptionError(
            f"reference {text!r}: ({arguments}) is not a list of arguments: {said}",
            hint='write it as Python would call it, and quote it for the shell: "torch.nn:LSTM(16, 32, batch_first=True)"',
        ) from None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise OptionError(f"reference {text!r} is more than one call", hint=FORMS)
    found: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise _no_literal(text, f"**{ast.unparse(keyword.value)}")
        if keyword.arg in found:
            raise OptionError(f"reference {text!r}: {keyword.arg} is given twice", hint="give each argument once")
        found[keyword.arg] = _literal(text, keyword.value, f"{keyword.arg}=")
    return tuple(_literal(text, argument, "") for argument in call.args), found


def _literal(text: str, node: ast.expr, name: str) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise _no_literal(text, f"{name}{ast.unparse(node)}") from None


def _no_literal(text: str, argument: str) -> OptionError:
    return OptionError(
        f"reference {text!r}: {argument} is no literal, and nothing else is evaluated",
        hint="give numbers, text, True, False, None, and lists, tuples or dicts of them; write a factory for anything else",
    )


def read_references(path: str | os.PathLike[str]) -> list[str]:
    """Return the references of a file, one a line; empty lines and what follows a ``#`` are left out.

    A relative path in it starts from the file's folder. Raises OptionError, with the lines, where the file is not there,
    holds none, names another file, or names one twice.
    """
    name = os.fspath(path)
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise OptionError(
            f"@{name}: the file cannot be read: {said}", hint="give the path of a file of references"
        ) from None
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        text = _without_comment(line)
        if not text:
            continue
        if text.startswith("@"):
            raise OptionError(f"{name}:{number}: {text!r} names another file", hint="put its lines here")
        text = _from_folder(text, os.path.dirname(name))  # noqa: PTH120 - "" is the current folder
        if text in seen:
            raise OptionError(
                f"{name}:{number}: {text!r} stands in line {seen[text]} already", hint="name each model once"
            )
        try:
            parse_reference(text)
        except OptionError as error:
            raise OptionError(f"{name}:{number}: {error.message}", hint=error.hint) from None
        seen[text] = number
    if not seen:
        raise OptionError(f"@{name}: the file names no model", hint="write one reference a line")
    return list(seen)


def _without_comment(line: str) -> str:
    """Return a line without its comment. In a call a ``#`` may stand in a text: there one begins only behind the call."""
    for sign in re.finditer(r"(?:^|\s)#", line):
        text = line[: sign.start()].strip()
        if "(" not in text or _is_whole_call(text):
            return text
    return line.strip()


def _is_whole_call(text: str) -> bool:
    try:
        ast.parse("_" + text[text.index("(") :], mode="eval")
    except (SyntaxError, ValueError):
        return False
    return True


def _from_folder(text: str, folder: str) -> str:
    """Return a relative path as seen from the current folder, and anything else as it is."""
    if not folder or os.path.isabs(text) or text.startswith("~") or _CALL.fullmatch(text):  # noqa: PTH117
        return text
    path = os.path.normpath(os.path.join(folder, text))  # noqa: PTH118
    if not os.path.exists(path) and not _looks_like_path(text):  # noqa: PTH110
        return text
    inside = Path(path).is_absolute() and Path.cwd() in Path(path).parents
    return os.path.relpath(path) if inside else path


def _looks_like_path(text: str) -> bool:
    return (
        bool(_DRIVE.match(text)) or text.startswith((".", "/", "~", "\\")) or text.endswith(("/", "\\")) or "\\" in text
    )


def _hub_or_missing_directory(text: str) -> str:
    names = text.split("/")
    if len(names) > 2 and all(names):
        return DIRECTORY  # no Hub id has two slashes: it can only be a directory that is not there
    if all(_HUB_NAME.fullmatch(name) and "--" not in name and ".." not in name for name in names):
        return HUB
    raise OptionError(f"reference {text!r} is neither a Hub id nor an existing directory", hint=FORMS)


def _factory_hint(text: str) -> str:
    if _HALF_FACTORY.fullmatch(text):
        return f"both sides of ':' must be there: {text.strip(':') or 'package.module'}:make_model"
    if ".py:" in text:
        module = Path(text.split(":", 1)[0]).with_suffix("")
        return f"name the module, not its file: {'.'.join(module.parts)}:{text.split(':', 1)[1]}"
    return FORMS


def expand(text: str) -> str:
    """Return a directory reference with ``~`` expanded."""
    return str(Path(text).expanduser()) if text.startswith("~") else text
