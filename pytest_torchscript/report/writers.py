"""Choose a report's format by the ending of its path, and say before the run what will not work after it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pytest_torchscript.errors import OptionError, did_you_mean
from pytest_torchscript.report.html_report import to_html
from pytest_torchscript.report.json_report import to_json
from pytest_torchscript.report.markdown import to_markdown
from pytest_torchscript.report.shape_map import to_png
from pytest_torchscript.results import RunReport

Writer = Callable[[RunReport], bytes]

_WRITERS: dict[str, Writer] = {".json": to_json, ".md": to_markdown, ".html": to_html, ".png": to_png}


def writer_for(path: str | os.PathLike[str]) -> Writer:
    """Return the function that turns a report into bytes, or raise an OptionError that lists the endings."""
    ending = Path(path).suffix
    if ending.lower() in _WRITERS:
        return _WRITERS[ending.lower()]
    asked = did_you_mean(ending.lower(), _WRITERS)
    said = f"the ending {ending!r} is unknown" if ending else "it has no ending"
    raise OptionError(f"report {os.fspath(path)!r}: {said}", hint=f"{asked}the endings are: {', '.join(_WRITERS)}")


def check_writer(path: str | os.PathLike[str]) -> None:
    """Raise an OptionError where a report could not be written to `path`: its ending, its folder, or a folder there."""
    writer_for(path)
    place = Path(path)
    folder = place.parent
    if place.is_dir():
        raise OptionError(f"report {os.fspath(path)!r}: that is a folder", hint="name a file in it, such as out.json")
    if not folder.exists():
        raise OptionError(
            f"report {os.fspath(path)!r}: the folder {str(folder)!r} does not exist",
            hint=f"make it first: mkdir {folder}",
        )
    if not folder.is_dir():
        raise OptionError(f"report {os.fspath(path)!r}: {str(folder)!r} is not a folder", hint="name another folder")
    if not os.access(place if place.exists() else folder, os.W_OK):
        raise OptionError(f"report {os.fspath(path)!r}: it may not be written", hint="choose a folder that is yours")
