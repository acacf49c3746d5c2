"""Choose a report's format by the ending of its path, and say before the run what will not work after it."""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from pytest_torchscript.errors import OptionError, did_you_mean, first_line
from pytest_torchscript.report.html_report import to_html
from pytest_torchscript.report.json_report import to_json
from pytest_torchscript.report.markdown import to_markdown
from pytest_torchscript.report.picture import SOFTWARE, to_png
from pytest_torchscript.results import RunReport

Writer = Callable[[RunReport], bytes]

_WRITERS: dict[str, Writer] = {".json": to_json, ".md": to_markdown, ".html": to_html, ".png": to_png}


#: By ending, what stands in the first so many bytes of every report of ours; JSON is read whole.
_START = 1000
_SIGNS = {".md": b"# TorchScript: ", ".html": b"<title>TorchScript: ", ".png": SOFTWARE.encode()}
#: The packages that a format needs; they come with the extra `report`.
_NEEDS = {".html": ("jinja2", "matplotlib"), ".png": ("matplotlib",)}


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
    missing = [name for name in _NEEDS.get(place.suffix.lower(), ()) if importlib.util.find_spec(name) is None]
    if missing:
        raise OptionError(
            f"report {os.fspath(path)!r}: it is made by {' and '.join(missing)}, which {_is(missing)} not installed",
            hint="pip install 'pytest-torchscript[report]', or write .json or .md",
        )
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
    if place.is_file() and not _is_ours(place):
        raise OptionError(
            f"report {os.fspath(path)!r}: there is a file which is no report of ours", hint="name another, or remove it"
        )


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _is_ours(place: Path) -> bool:
    """Whether a file is empty or a report: what else somebody keeps there is not for us to overwrite."""
    try:
        with place.open("rb") as file:
            start = file.read(_START)
        if place.suffix.lower() != ".json":
            return not start.strip() or _SIGNS[place.suffix.lower()] in start
        text = place.read_text(encoding="utf-8")
        return not text.strip() or "schema_version" in json.loads(text)
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def write_report(path: str | os.PathLike[str], report: RunReport) -> None:
    """Write a report, in one step: whoever reads the file meanwhile finds a whole one. OptionError where that fails."""
    write_made(path, lambda: writer_for(path)(report))


def write_made(path: str | os.PathLike[str], make: Callable[[], bytes]) -> None:
    """Write what is made as a report is written."""
    place = Path(path).resolve()
    try:
        data = make()
        if not os.access(place.parent, os.W_OK) or (place.exists() and not place.is_file()):
            place.write_bytes(data)
            return
        handle, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.chmod(name, place.stat().st_mode & 0o7777 if place.exists() else 0o666 & ~_umask())  # noqa: PTH101
            os.replace(name, place)  # noqa: PTH105
        except BaseException:
            Path(name).unlink(missing_ok=True)  # an interrupt may come when it has its place already
            raise
    except Exception as error:
        raise OptionError(
            f"report {os.fspath(path)!r} could not be written: {first_line(error)}", hint="see the folder and its disk"
        ) from error


def _umask() -> int:
    """Return the umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
