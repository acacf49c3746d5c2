"""The wheel and the sdist, built from the checkout and opened."""

from __future__ import annotations

import email.message
import email.parser
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import pytest_torchscript

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pytest_torchscript"
VERSION = pytest_torchscript.__version__

pytestmark = pytest.mark.skipif(not PACKAGE.is_dir(), reason="the sources of the package are not beside its tests")


def build(kind: str, source: Path, target: Path) -> Path:
    """Build one distribution without touching a network."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(target)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=120)
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    pytest.importorskip("hatchling", reason="hatchling is not installed: pip install 'pytest-torchscript[test]'")
    return zipfile.ZipFile(build("wheel", ROOT, tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="hatchling is not installed: pip install 'pytest-torchscript[test]'")
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


def metadata_of(wheel: zipfile.ZipFile) -> email.message.Message:
    name = f"pytest_torchscript-{VERSION}.dist-info/METADATA"
    return email.parser.Parser().parsestr(wheel.read(name).decode("utf-8"))


def packaged() -> set[str]:
    """Return the files of the package that users need: sources, the typing marker, data."""
    kinds = {".py", ".typed", ".json", ".j2", ".css", ".js"}
    files = {path for path in PACKAGE.rglob("*") if path.suffix in kinds or path.name == "py.typed"}
    return {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert inside == packaged()
    assert "pytest_torchscript/py.typed" in inside
    assert any(name.startswith("pytest_torchscript/models/configurations") for name in inside)


def test_the_wheel_installs_without_a_compiler(wheel: zipfile.ZipFile) -> None:
    assert Path(str(wheel.filename)).name == f"pytest_torchscript-{VERSION}-py3-none-any.whl"


def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    metadata = metadata_of(wheel)
    assert metadata["Version"] == VERSION
    assert metadata["Requires-Python"] == ">=3.9"
    points = wheel.read(f"pytest_torchscript-{VERSION}.dist-info/entry_points.txt").decode("utf-8")
    assert points.split() == ["[pytest11]", "torchscript", "=", "pytest_torchscript.plugin"]
    assert any(name.endswith("LICENSE") for name in wheel.namelist())


def test_placeholders_cannot_satisfy_the_neuron_extras(wheel: zipfile.ZipFile) -> None:
    required = [re.sub(r"\s", "", line) for line in metadata_of(wheel).get_all("Requires-Dist", [])]
    assert any(line.startswith("torch-neuron>=1.13.1") and "neuron" in line.partition(";")[2] for line in required)
    assert any(line.startswith("torch-neuronx>=2.1") and "neuronx" in line.partition(";")[2] for line in required)


def test_the_sdist_holds_what_a_packager_needs(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {
        "pyproject.toml",
        "README.md",
        "CHANGELOG.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "noxfile.py",
        "conftest.py",
    }
    assert needed <= names
    assert packaged() <= names
    assert {"tests/release/test_distributions.py", "constraints/current.txt"} <= names
    top = {name.partition("/")[0] for name in names}
    assert top <= {
        *needed,
        "PKG-INFO",
        ".gitignore",
        ".ci",
        "pytest_torchscript",
        "tests",
        "docs",
        "examples",
        "benchmarks",
        "constraints",
    }
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".pt", ".bin"))]


def test_the_sdist_builds_the_same_wheel(sdist: Path, wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    again = build("wheel", next(tmp_path.iterdir()), tmp_path / "wheels")
    assert set(zipfile.ZipFile(again).namelist()) == set(wheel.namelist())


def test_the_version_stands_in_one_place() -> None:
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f"## [{VERSION}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    holders = [
        path.name for path in PACKAGE.rglob("*.py") if re.search(rf'"{re.escape(VERSION)}"', path.read_text("utf-8"))
    ]
    assert holders == ["__init__.py"]
