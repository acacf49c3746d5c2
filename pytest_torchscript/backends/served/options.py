"""Where a served model is, and what a guest of its server is allowed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from pytest_torchscript.backends.base import ARITHMETICS, REORDERED, Options
from pytest_torchscript.errors import OptionError, unknown

OPEN, GRPC = "v2", "grpc"
COLUMNS, ROWS = FORMS = ("columns", "rows")
SCHEMES = ("http", "https", "grpc", "grpcs")

_HINT = "give the URL of the model: http://127.0.0.1:8501/v1/models/NAME, or …/v2/models/NAME"
_PATH = re.compile(
    r"(?P<prefix>(?:/[^/]+)*?)/(?P<protocol>v1|v2)/models/(?P<model>[^/:]+)"
    r"(?:/versions/(?P<version>[^/:]+)|/labels/(?P<label>[^/:]+))?/?"
)


@dataclass(frozen=True)
class Endpoint:
    """The parts of a model's URL. ``root`` is what stands before the protocol's own path."""

    scheme: str
    host: str
    prefix: str
    protocol: str
    model: str
    version: str = ""
    label: str = ""

    @classmethod
    def of(cls, url: str) -> Endpoint:
        """Take a URL apart. OptionError for one that names no model of a server."""
        said = f"served option url={url!r}"
        try:
            parts = urlsplit(url)
            parts.port  # noqa: B018 - reading it is what raises
        except ValueError as error:
            raise OptionError(f"{said}: {error}", hint=_HINT) from None
        if parts.username is not None or parts.password is not None:
            raise OptionError(
                f"served option url for {parts.hostname!r} carries a user or a password, which would be printed",
                hint="put 'Authorization: …' into a variable of the environment and name it: served.header_env=VARIABLE",
            )
        if not parts.scheme or "://" not in url:
            raise OptionError(f"{said} has no scheme", hint=_HINT)
        if parts.scheme not in SCHEMES:
            raise OptionError(
                f"{said}: the scheme {parts.scheme!r} is none of {', '.join(SCHEMES)}",
                hint=_HINT,
            )
        if not parts.hostname:
            raise OptionError(f"{said} names no host", hint=_HINT)
        if parts.query or parts.fragment:
            raise OptionError(f"{said} goes on behind the name of the model", hint=_HINT)
        path = _PATH.fullmatch(parts.path)
        if path is not None and parts.scheme.startswith("grpc") and path["prefix"]:
            raise OptionError(f"{said}: gRPC has no paths before the model's own", hint=_HINT)
        if path is None:
            raise OptionError(f"{said} names no model: its path is {parts.path or '/'!r}", hint=_HINT)
        found = {name: unquote(text or "") for name, text in path.groupdict().items() if name != "prefix"}
        return cls(parts.scheme, parts.netloc, path["prefix"], **found)

    @property
    def root(self) -> str:
        """What a protocol's own path is put behind."""
        return f"{self.scheme}://{self.host}{self.prefix}"

    def __str__(self) -> str:
        version = f"/versions/{self.version}" if self.version else f"/labels/{self.label}" if self.label else ""
        return f"{self.root}/{self.protocol}/models/{self.model}{version}"


@dataclass(frozen=True)
class ServedOptions(Options):
    """``url`` names the model. ``inputs`` and ``outputs`` declare, in order, what a server without metadata keeps to itself:
    a name, or ``NAME:DATATYPE``. ``signature`` chooses one of several (TensorFlow Serving), ``form`` its rows or columns.

    ``requests`` bounds the requests for one model, ``parallel`` how many may be under way at once, ``timeout`` the seconds
    for one. ``header_env`` names a variable of the environment with ``Name: value`` headers, a line each.
    """

    numbers = "a whole number"

    url: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    signature: str = ""
    form: str = ""
    requests: int = 500
    parallel: int = 1
    timeout: float = 30.0
    header_env: str = ""
    arithmetic: str = REORDERED

    def __post_init__(self) -> None:
        if self.url:
            Endpoint.of(self.url)
        for name, least in (("requests", 1), ("parallel", 1), ("timeout", 0.001)):
            value = getattr(self, name)
            if value < least:
                raise OptionError(f"served option {name}={value} is too few", hint=f"give {least} or more")
        if self.arithmetic not in ARITHMETICS:
            raise unknown("served option arithmetic", self.arithmetic, ARITHMETICS)
        if self.form and self.form not in FORMS:
            raise unknown("served option form", self.form, FORMS)
        if self.header_env:
            read_headers(self.header_env)

    @property
    def endpoint(self) -> Endpoint:
        """The parts of the URL. OptionError where none was given."""
        if not self.url:
            raise OptionError(
                "served: no URL is given", hint=f"--torchscript-option served.url=…; {_HINT.partition(': ')[2]}"
            )
        return Endpoint.of(self.url)


def read_headers(variable: str) -> Mapping[str, str]:
    """Return the headers that a variable of the environment holds. OptionError where it is unset or malformed; no message
    shows what it holds."""
    text = os.environ.get(variable)
    if text is None:
        raise OptionError(
            f"served option header_env={variable!r}: the environment has no such variable",
            hint=f"set it to one header a line: {variable}='Authorization: Bearer …'",
        )
    headers = {}
    for number, line in enumerate(text.splitlines(), start=1):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not line.strip():
            continue
        if not colon or not value or not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or not value.isprintable():
            raise OptionError(
                f"served option header_env={variable!r}: line {number} of the variable is no header",
                hint="write one header a line: 'Name: value'",
            )
        headers[name] = value
    if not headers:
        raise OptionError(
            f"served option header_env={variable!r}: the variable is empty", hint="write 'Name: value' into it"
        )
    return headers
