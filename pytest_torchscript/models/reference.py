"""Parse what the user names: a Hub id, a checkpoint directory, or ``package.module:factory``.

Pure, but for one look at the disk.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from pytest_torchscript.errors import OptionError

HUB, DIRECTORY, FACTORY = "hub", "directory", "factory"
FORMS = "name a Hub id (bert-base-uncased), a checkpoint directory (./checkpoint) or package.module:factory"

_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_FACTORY = re.compile(rf"{_DOTTED}:{_DOTTED}")
_HUB_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_HALF_FACTORY = re.compile(rf"(?:{_DOTTED})?:(?:{_DOTTED})?")


@dataclass(frozen=True)
class Reference:
    """What the user named, as given, and how it is read: ``hub``, ``directory`` or ``factory``."""

    text: str
    kind: str


def parse_reference(text: str) -> Reference:
    """Return how a reference is read. Existing paths and drive letters are tried before ``module:factory``.

    Raises OptionError where it is empty or can be none of the three.
    """
    text = text.strip()
    if not text:
        raise OptionError("reference '' is empty", hint=FORMS)
    if os.path.exists(text) or _looks_like_path(text):  # noqa: PTH110 - "~" and "" must not be expanded here
        return Reference(text, DIRECTORY)
    if _FACTORY.fullmatch(text):
        return Reference(text, FACTORY)
    if ":" in text:
        raise OptionError(f"reference {text!r} is not package.module:factory", hint=_factory_hint(text))
    return Reference(text, _hub_or_missing_directory(text))


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
