"""What passes between a run and the process of a model: requests by pickle, for they come from the run; answers by JSON, for
what a model's process says is never unpickled."""

from __future__ import annotations

import importlib
import importlib.util
import json
import pickle
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Callable

from pytest_torchscript import errors
from pytest_torchscript.errors import Error, OptionError

_LENGTH = struct.Struct("!Q")
#: An answer is a record of one check; what is longer was not written by us.
_LONGEST = 64 * 2**20


def send(stream: BinaryIO, request: Mapping[str, Any]) -> None:
    """Write a request. OSError where nobody reads any more."""
    body = pickle.dumps(dict(request))
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def receive(stream: BinaryIO) -> dict[str, Any] | None:
    """Read a request; None at the end."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    request: dict[str, Any] = pickle.loads(stream.read(_LENGTH.unpack(head)[0]))
    return request


def tell(stream: BinaryIO, message: Mapping[str, Any]) -> None:
    """Write an answer, or what is said before it."""
    stream.write(json.dumps(message, default=str).encode() + b"\n")
    stream.flush()


def hear(stream: BinaryIO) -> dict[str, Any] | None:
    """Read an answer, or what is said before it; None at the end, and for what is no message."""
    line = stream.readline(_LONGEST)
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def plain_error(error: Error) -> dict[str, Any]:
    """Return an error as a message holds it."""
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "evidence": list(error.evidence),
    }


def read_error(plain: Mapping[str, Any]) -> Error:
    """Return the error of a message; one of a backend's own kind as the nearest that is known here."""
    kind: type[Error] = getattr(errors, str(plain["kind"]), errors.BackendError)
    return kind(plain["message"], hint=plain["hint"], evidence=plain["evidence"])


@dataclass(frozen=True)
class Brought:
    """A class or a function of a conftest.py or a plugin, by its module: another process loads that from its file."""

    module: str
    name: str
    file: str

    @classmethod
    def of(cls, value: Callable[..., Any]) -> Brought:
        """Return where a class or a function stands. OptionError for one that no module holds by its name."""
        module, name = getattr(value, "__module__", ""), getattr(value, "__qualname__", "")
        holder = sys.modules.get(module)
        found: Any = holder
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is not value and getattr(found, "__wrapped__", None) is not value:
            raise OptionError(
                f"{name or value!r} of {module} cannot be brought to a process of its own: no module holds it by that name",
                hint="define it at the top of a module, or give --torchscript-isolate off",
            )
        return cls(module, name, getattr(holder, "__file__", None) or "")

    def load(self) -> Any:
        """Return it in this process."""
        found = _module(self.module, self.file)
        for part in self.name.split("."):
            found = getattr(found, part)
        return found


def _module(name: str, file: str) -> Any:
    if name in sys.modules or not file or not file.endswith(".py"):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
