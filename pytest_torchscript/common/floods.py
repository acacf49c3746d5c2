"""What a call may print and log: so much, and no more. A model that prints tensors at every call would fill memory and disk."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: Characters on each stream, and records of logging, that a call may leave behind; warnings are counted alone.
CHARACTERS, RECORDS, WARNINGS = 100_000, 1_000, 1_000


class _Stream:
    """A stream that takes so many characters; the rest is counted. Whatever else is asked of it the real one answers."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.count = 0

    def write(self, text: str) -> int:
        left = CHARACTERS - self.count
        self.count += len(text)
        if left > 0:
            self._stream.write(text[:left])
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Records(logging.Filter):
    """Lets through so many records to one handler."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002
        self.count += 1
        return self.count <= RECORDS


@contextmanager
def bounded(told: Callable[[str], object] = lambda _said: None) -> Iterator[None]:
    """Drop what is printed and logged beyond a bound; ``told`` hears which bound that was. Bytes that go past Python's own
    streams are not seen."""
    before = sys.stdout, sys.stderr
    streams = tuple(map(_Stream, before))
    filters = [(handler, _Records()) for handler in logging.root.handlers]
    sys.stdout, sys.stderr = streams
    for handler, records in filters:
        handler.addFilter(records)
    try:
        yield
    finally:
        if (sys.stdout, sys.stderr) == streams:  # a model that puts others there keeps them
            sys.stdout, sys.stderr = before
        for handler, records in filters:
            handler.removeFilter(records)
        if any(stream.count > CHARACTERS for stream in streams):
            told(f"prints more than {CHARACTERS:,} characters")
        if any(records.count > RECORDS for _, records in filters):
            told(f"logs more than {RECORDS:,} records")
