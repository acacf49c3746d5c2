"""What a Neuron backend finds on this machine: device, package, compiler; and all that is missing, with how to get it.

Nothing of Neuron is imported and no device is opened, so looking costs nothing and changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pytest_torchscript.backends.neuron.devices import find_devices, root_of
from pytest_torchscript.backends.neuron.generations import GENERATIONS, Generation
from pytest_torchscript.backends.neuron.packages import (
    ABSENT,
    INDEX,
    NATIVE,
    PLACEHOLDER,
    REAL,
    Package,
    find_compiler,
    find_package,
    torch_mismatch,
)
from pytest_torchscript.settings import Settings


@dataclass(frozen=True)
class Problem:
    """One thing that is not there: `package`, `compiler` or `device`; what is wrong with it, and how to get it."""

    kind: str
    what: str
    hint: str = ""


@dataclass(frozen=True)
class NeuronStatus:
    """What was found for one backend (`neuron`: Inf1; `neuronx`: Inf2, Trn1).

    ``device`` is True only where a character device was seen. ``problems`` names each thing that is not there;
    ``warnings`` do not prevent a run.
    """

    backend: str
    device: bool
    device_why: str
    devices: tuple[str, ...]
    package: str
    package_name: str
    version: str
    compiler: str
    compiler_name: str
    compiler_version: str
    instance: str = ""
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def here(self) -> bool:
        """Whether the instance is one of this generation; off the vendor's cloud the first generation is meant."""
        first = next(iter(GENERATIONS))
        return self.instance.startswith(GENERATIONS[self.backend].instances) if self.instance else self.backend == first

    @property
    def compiles(self) -> bool:
        """Whether a compilation can be tried: a compiler that was not seen may still be found by the package."""
        return self.package == REAL and self.compiler != PLACEHOLDER


def find_neuron(
    env: Mapping[str, str] | None = None, *, backend: str = "neuron", root: str | None = None
) -> NeuronStatus:
    """Look for device, package and compiler of a backend; ``root`` replaces ``/`` in tests."""
    env = os.environ if env is None else env
    devices = find_devices(root_of(env, root))
    generation = GENERATIONS[backend]
    package, compiler = find_package(generation), find_compiler(generation, env)
    problems = [*_package_problem(generation, package), *_compiler_problem(generation, compiler)]
    if not devices.nodes:
        problems.append(Problem("device", devices.why, devices.hint))
    mismatch = torch_mismatch(package)
    return NeuronStatus(
        backend=backend,
        device=bool(devices.nodes),
        device_why=devices.why,
        devices=devices.nodes,
        package=package.kind,
        package_name=package.name,
        version=package.version,
        compiler=compiler.kind,
        compiler_name=compiler.name,
        compiler_version=compiler.version,
        instance=devices.instance,
        problems=tuple(problems),
        warnings=(mismatch,) if mismatch else (),
    )


def status_of(settings: Settings) -> NeuronStatus:
    """Return the status of the backend that a run asks for by name, else of the one that can do most here."""
    asked = next((name for name in settings.backends if name in GENERATIONS), None)
    return find_neuron(backend=asked) if asked else choose_backend()


def choose_backend(env: Mapping[str, str] | None = None, *, root: str | None = None) -> NeuronStatus:
    """Return the status of the backend that can do most here; where neither can anything, that of `neuron`.

    Where both packages are installed the instance decides: Inf1 runs torch-neuron alone, Inf2 and Trn1 torch-neuronx.
    """
    found = [find_neuron(env, backend=name, root=root) for name in GENERATIONS]
    return min(found, key=lambda status: (_KIND_ORDER[status.package], not status.here))


_KIND_ORDER = {REAL: 0, NATIVE: 1, PLACEHOLDER: 2, ABSENT: 3}


def _package_problem(generation: Generation, package: Package) -> Iterator[Problem]:
    install = f"pip install 'pytest-torchscript[{generation.name}]' --extra-index-url {INDEX}"
    install += f" ({generation.needs})" if generation.needs else ""
    if package.kind == ABSENT:
        yield Problem("package", f"package {package.name} is not installed", install)
    if package.kind == PLACEHOLDER:
        what = f"package {package} is PyPI's placeholder, not the library"
        yield Problem("package", what, f"pip uninstall {package.name}; {install}")
    if package.kind == NATIVE:
        yield native_problem(generation, package.version)


def native_problem(generation: Generation, version: str) -> Problem:
    """Return what is said of the native generation of a library, and the way out."""
    name, first = generation.package, ".".join(map(str, generation.native_from))
    what = f"{name} {version} is the native generation ({first} and later, no trace): not supported yet"
    return Problem("package", what, f"pip install '{name}<{first}' --extra-index-url {INDEX}")


def _compiler_problem(generation: Generation, compiler: Package) -> Iterator[Problem]:
    install = f"pip install {generation.compiler_requirement} --extra-index-url {INDEX}"
    if compiler.kind == ABSENT:
        yield Problem("compiler", f"compiler {compiler.name} is not installed", install)
    if compiler.kind == PLACEHOLDER:
        what = f"compiler {compiler} is PyPI's placeholder"
        yield Problem("compiler", what, f"pip uninstall {compiler.name}; {install}")
