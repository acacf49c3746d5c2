"""Requests to a server: counted, one after another, tried again where nobody was there, and never to another host.

What a server says is sorted here, once for all protocols: an answer, a refusal, or a failure that is no verdict.
"""

from __future__ import annotations

import html
import http.client
import ipaddress
import json
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from pytest_torchscript.backends.base import Budget, Unavailable
from pytest_torchscript.errors import cut, first_line

#: Seconds before each new try of a request that found nobody there.
WAITS = (0.1, 0.5, 2.0)
#: Nobody was there, as HTTP has it: too many requests, a gateway without a server behind it, a server not ready or too slow.
ABSENT = frozenset({408, 429, 502, 503, 504})
#: Refusals of what was sent. Other codes may be meant so, or mean that something else is wrong.
REFUSALS = frozenset({400, 413, 422})
_SHOWN = 300
_HINT = "is the server up, and at this address? What was found before it failed stands; run again when it answers"


class NoAnswer(Exception):  # noqa: N818 - sorted before anybody sees it
    """A request that nothing came back for, in words."""


class Rejected(Exception):  # noqa: N818 - sorted before anybody sees it
    """An answer that says no: its code, and the server's words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"the server answers {status}: {words}")
        self.status = status
        self.words = words


@dataclass(frozen=True)
class Reply:
    """What came back: a code as HTTP has it, the bytes, and the headers by their names in small letters."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Exchange(Protocol):
    """Sends one request and returns the reply; NoAnswer where there is none."""

    def __call__(self, path: str, body: bytes | None = None, headers: Mapping[str, str] = ...) -> Reply:
        """``path`` is what the protocol adds to the root of the server; without a body something is read."""


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows a redirect of what is read, within one host: headers may be secret, and a guest goes where it was sent to."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        there, here = urlsplit(newurl), urlsplit(req.full_url)
        if (there.scheme, there.netloc) != (here.scheme, here.netloc):
            raise NoAnswer(f"it redirects to {there.scheme}://{there.hostname}, another host, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Http:
    """HTTP by the standard library. ``root`` is put before every path; ``secret`` headers go to that host alone."""

    def __init__(self, root: str, *, timeout: float, secret: Mapping[str, str]) -> None:
        self.root, self.timeout, self.secret = root, timeout, dict(secret)
        # A server on this machine is not asked for by way of another one.
        proxies = [urllib.request.ProxyHandler({})] if _is_here(urlsplit(root).hostname or "") else []
        self._opener = urllib.request.build_opener(_SameHost, *proxies)

    def __call__(self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Send one request; NoAnswer where nothing comes back."""
        sent = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {}), **self.secret}
        request = urllib.request.Request(self.root + path, data=body, headers=sent)
        try:
            with self._opener.open(request, timeout=self.timeout) as answer:
                return Reply(answer.status, answer.read(), _lower(answer.headers))
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, error.read(), _lower(error.headers))
        except (socket.timeout, TimeoutError) as error:
            raise NoAnswer(f"no answer within {self.timeout:g} seconds") from error
        except urllib.error.URLError as error:
            if isinstance(error.reason, (socket.timeout, TimeoutError)):
                raise NoAnswer(f"no answer within {self.timeout:g} seconds") from error
            raise NoAnswer(str(error.reason)) from error
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(first_line(error)) from error


def _lower(headers: Any) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Guest:
    """Asks by an exchange, within a budget. ``where`` is how messages call the model; ``secrets`` never stand in one."""

    def __init__(
        self,
        exchange: Exchange,
        budget: Budget,
        where: str,
        *,
        secrets: Sequence[str] = (),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.exchange, self.budget, self.where = exchange, budget, where
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)
        self._sleep = sleep

    def ask(self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Return the reply to one request, tried again after a while where nobody was there.

        Rejected where the server says no. Unavailable, which is no verdict, where nobody was there in the end.
        """
        for wait in (*WAITS, None):
            self.budget.take()
            try:
                reply = self.exchange(path, body, headers or {})
            except NoAnswer as error:
                said = str(error)
            else:
                if reply.status < 300:
                    return reply
                said = f"{reply.status}: {self.words(reply)}"
                if reply.status not in ABSENT:
                    raise Rejected(reply.status, self.words(reply))
            if wait is not None:
                self._sleep(wait)
        raise self.unavailable(f"asked {len(WAITS) + 1} times, the server says {said}")

    def json(self, path: str, body: Any = None) -> Any:
        """Return what a reply holds as JSON; Unavailable where it is none."""
        return self.parsed(self.ask(path, None if body is None else json.dumps(body).encode()).body)

    def parsed(self, body: bytes) -> Any:
        """Read JSON; Unavailable, with the first of its words, where it is none."""
        try:
            return json.loads(body)
        except ValueError:
            raise self.unavailable(
                f"the answer is no JSON: {self.plain(body) or 'it is empty'}",
                hint="is there a gateway or a login page before the server? served.header_env=VARIABLE sends headers",
            ) from None

    def unavailable(self, said: str, *, hint: str = _HINT) -> Unavailable:
        """Return what to raise where something failed that is no verdict."""
        return Unavailable(f"{self.where}: {self.hidden(said)}", hint=hint)

    def words(self, reply: Reply) -> str:
        """Return what a reply says, for a person: the error of its JSON, or its text without the tags of HTML."""
        try:
            said = json.loads(reply.body)
        except ValueError:
            return self.plain(reply.body) or http.client.responses.get(reply.status, "nothing more")
        if isinstance(said, dict):
            said = next((said[key] for key in ("error", "detail", "message") if said.get(key)), said)
        return self.hidden(cut(" ".join(str(said).split()), _SHOWN))

    def plain(self, body: bytes) -> str:
        """Return the text of bytes in one line, cut, without the tags of HTML and without secrets."""
        text = re.sub(r"(?is)<(script|style)\b.*?</\1>|<[^>]*>", " ", body.decode("utf-8", errors="replace"))
        return self.hidden(cut(" ".join(html.unescape(text).split()), _SHOWN))

    def hidden(self, text: str) -> str:
        """Return a text without secrets: some servers say back what they were sent."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text
