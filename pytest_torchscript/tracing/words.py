"""What an exception says, as a message can show it: its own words and the lines of the model's code, nothing of torch's
machinery or of this package."""

from __future__ import annotations

import re

from pytest_torchscript.common.frames import is_model_file, raising_frame
from pytest_torchscript.errors import cut, text_of
from pytest_torchscript.tracing.frames import Frame, parse_range

#: A message longer than this tells no more: a model that prints its tensors would fill the terminal.
MOST_LINES = 8
MOST_PLACES = 4
WIDTH = 300
#: Lines of a stack inside of a message, and what stands above them: the places say the same, less what is not the model's.
_STACK = re.compile(
    r'\s*(?:.+\.py\(\d+\): |File ".+", line \d+|Traceback |<[\w ]+>\(\d+\): )|.*TorchScript interpreter\.$'
)
#: The inner rows of a tensor that a message prints.
_NUMBERS = re.compile(r"\[[-+\d.einfa, ]+\][\], ]*")


def words_of(error: BaseException) -> list[str]:
    """Return the lines to show: what an exception says, then where in the model's code."""
    return [*spoken(error), *places_of(error)]


def spoken(error: BaseException) -> list[str]:
    """Return the type of an exception and its words, less the stacks that torch or Python listed among them."""
    said = [line.strip() for line in text_of(error).splitlines() if line.strip()]
    words = [line for line in said if not _STACK.match(line) and not _NUMBERS.fullmatch(line)]
    kind = type(error).__name__
    first = f"{kind}: {words[0].removeprefix(f'{kind}: ')}" if words else kind
    rest = words[1:]
    if len(rest) > MOST_LINES:
        rest = [*rest[: MOST_LINES - 2], "…", rest[-1]]
    return [cut(line, WIDTH) for line in (first, *rest)]


def places_of(error: BaseException) -> list[str]:
    """Return the places in the model's code that an exception names, innermost first, then the line that raised it."""
    named = [frame for frame in parse_range(text_of(error)) if is_model_file(frame.file)]
    frames = [*named, *raised_at(error)]
    shown = dict.fromkeys(f"at {frame.file}:{frame.line} in {frame.function}" for frame in frames)
    return list(shown)[:MOST_PLACES]


def raised_at(error: BaseException) -> tuple[Frame, ...]:
    """Return the innermost line of the model's code that an exception came through; none where it came through none."""
    frame = raising_frame(error)
    if frame is None or not is_model_file(frame.filename):
        return ()
    return (Frame(frame.filename, frame.lineno or 0, frame.name),)
