"""The files of constraints: exact, whole, within the bounds of pyproject.toml, and named in the docs."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
NAMES = ("current", "inf1", "lowest", "mlserver", "oldest-tools", "triton")
#: The Pythons that each is for.
PYTHONS = {
    "current": ("3.11", "3.13"),
    "inf1": ("3.9", "3.10"),
    "lowest": ("3.9",),
    "mlserver": ("3.11",),
    "oldest-tools": ("3.11",),
    "triton": ("3.11",),
}
PIN = re.compile(r'(?P<name>[\w.-]+)==(?P<version>[\w.]+)(?:; python_version (?P<sign><|>=) "(?P<than>3\.\d+)")?')
every_file = pytest.mark.parametrize("name", NAMES)


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def pins(name: str, python: str) -> dict[str, str]:
    """Return what a file holds each package to on one Python."""
    held: dict[str, str] = {}
    for line in (ROOT / "constraints" / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        found = PIN.fullmatch(line)
        assert found, f"{name}.txt: not an exact version: {line!r}"
        package, than = found["name"].lower().replace("_", "-"), numbers(found["than"] or "3")
        if (numbers(python) < than) != (found["sign"] == "<"):
            continue
        assert package not in held, f"{name}.txt holds {package} twice on Python {python}"
        held[package] = found["version"]
    return held


def bounds(*extras: str) -> dict[str, str]:
    """Return the lower bound of each package that is required on an old Python too."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = [
        *project["dependencies"],
        *(line for extra in extras for line in project["optional-dependencies"][extra]),
    ]
    return dict(line.partition(";")[0].strip().split(">=") for line in required)


def test_every_file_is_known_here() -> None:
    assert {path.stem for path in (ROOT / "constraints").iterdir()} == set(NAMES)


@every_file
def test_what_is_required_is_held_to_a_version_within_the_bounds(name: str) -> None:
    for python in PYTHONS[name]:
        held = pins(name, python)
        for package, least in bounds("test").items():
            if package == "tomli" and numbers(python) >= (3, 11):
                continue
            assert numbers(held[package]) >= numbers(least), (name, python, package)


def test_linters_neighbours_and_exporters_are_held_too() -> None:
    assert bounds("lint", "neighbours", "onnx", "grpc").keys() <= pins("current", "3.11").keys() | {"tomli"}


def test_the_lowest_versions_are_the_lower_bounds() -> None:
    held = pins("lowest", "3.9")
    for package, least in bounds().items():
        shown = numbers(held[package])
        assert shown[: len(numbers(least))] == numbers(least), package
        assert not any(shown[len(numbers(least)) :]), package


def test_the_docs_name_what_was_tried() -> None:
    """A row of the table names a file, its session, a Python, and the versions under the heads of the columns."""
    table = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / "docs/stacks.md").read_text(encoding="utf-8").splitlines()
        if line.startswith(("| file", "| `"))
    ]
    heads = next(row for row in table if row[0] == "file")
    rows = [row for row in table if row[0].endswith(".txt`")]
    assert {row[0] for row in rows} == {f"`{name}.txt`" for name in NAMES}
    for row in rows:
        said = dict(zip(heads, row))
        for python in said["Python"].split(", "):
            held = pins(said["file"].strip("`").partition(".")[0], python)
            assert {package: held[package] for package in heads[3:]} == {
                package: said[package] for package in heads[3:]
            }


def test_the_sessions_pin_nothing_beside_the_files() -> None:
    assert "==" not in (ROOT / "noxfile.py").read_text(encoding="utf-8").replace("__name__ ==", "")
    assert "==" not in (ROOT / ".ci/run").read_text(encoding="utf-8").replace("=== ", "")
