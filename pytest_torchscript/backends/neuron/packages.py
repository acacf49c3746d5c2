"""Which Neuron packages are installed, found without importing them: metadata and the source text on disk.

PyPI carries placeholders of the same names (1.0, 1.0.post1). They install silently, are found by `find_spec`, and raise
ImportError ("WRONG PACKAGE") when imported; so neither the name nor a successful look-up proves anything.
Imports neither torch nor a Neuron library.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_torchscript.backends.neuron.generations import Generation
from pytest_torchscript.versions import installed_version, numbers_of

REAL, PLACEHOLDER, ABSENT, NATIVE = "real", "placeholder", "absent", "native"

INDEX = "https://pip.repos.neuron.amazonaws.com"
_PLACEHOLDER_VERSIONS = ("1.0", "1.0.post1")
_PLACEHOLDER_TEXT = "WRONG PACKAGE"


@dataclass(frozen=True)
class Package:
    """One package: its pip name, `real`, `placeholder`, `absent` or `native`, and its version (empty: not known)."""

    name: str
    kind: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()


def find_package(generation: Generation) -> Package:
    """Return the library of a generation: torch-neuron or torch-neuronx."""
    found = _find(generation.package, generation.library)
    if found.kind == REAL and is_native(generation, found.version):
        return Package(found.name, NATIVE, found.version)
    return found


def is_native(generation: Generation, version: str) -> bool:
    """Whether this version is the library without `trace`."""
    first = generation.native_from
    return bool(first) and numbers_of(version)[: len(first)] >= first


def find_compiler(generation: Generation, env: Mapping[str, str]) -> Package:
    """Return the compiler of a generation: neuron-cc or neuronx-cc, installed or on PATH."""
    found = _find(generation.compiler, generation.compiler_module)
    if found.kind != REAL and shutil.which(found.name, path=env.get("PATH")):
        return Package(found.name, REAL)
    return found


def _find(name: str, module: str) -> Package:
    source = _source_of(module)
    version = _version_near(name, source) if source else installed_version(name)
    if _PLACEHOLDER_TEXT in _text(source) or version in _PLACEHOLDER_VERSIONS:
        return Package(name, PLACEHOLDER, version)
    if source is None and not version:
        return Package(name, ABSENT)
    return Package(name, REAL, version or _written_version(source))


def _source_of(module: str) -> Path | None:
    """Return the file a module would be loaded from; None for a mere folder of that name."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.origin else None


def _version_near(name: str, source: Path) -> str:
    """Return the version of the distribution beside a module; one elsewhere may be another copy of it."""
    site = str(source.parent.parent)
    near = list(importlib.metadata.distributions(name=name, path=[site]))
    if near:
        return str(near[0].version)
    elsewhere = installed_version(name)
    return "" if elsewhere in _PLACEHOLDER_VERSIONS else elsewhere


def _written_version(source: Path | None) -> str:
    """Return the ``__version__`` written in a package's own files: a copied folder has no metadata."""
    if source is None:
        return ""
    for path in (source, source.with_name("version.py"), source.with_name("_version.py")):
        written = re.search(r"^__version__\s*(?::\s*str\s*)?=\s*['\"]([^'\"]+)['\"]", _text(path), re.MULTILINE)
        if written:
            return written.group(1)
    return ""


def _text(path: Path | None) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:100_000] if path else ""
    except OSError:
        return ""


def torch_mismatch(package: Package) -> str:
    """Return a warning where torch is not the one the package was built for: its first three numbers name it."""
    present = installed_version("torch")
    wanted = numbers_of(package.version)[:3]
    if package.kind != REAL or len(wanted) < 3 or not present or wanted == numbers_of(present)[:3]:
        return ""
    name = ".".join(map(str, wanted))
    return f"{package} was built for torch {name}, installed is torch {present}: pip install torch=={name}"
