"""The rings of the package, read from its sources: who may import whom, and what may be loaded when.

    leaves <- common <- isolation
    leaves <- common <- models inputs tracing backends compare <- lab <- checks <- suite, plugin
    leaves <- report <- plugin

A rule that nothing reads leaks, so this reads it; and it is seen to fail on planted violations.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pytest_torchscript
from pytest_torchscript.backends.registry import backend_names

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "pytest_torchscript"
#: Those that are installed: beside the tests only in a checkout.
SOURCES = Path(pytest_torchscript.__file__).parent

LEAVES = {"errors", "form", "spec", "settings", "results", "outputs", "versions"}
ENGINES = {"models", "inputs", "tracing", "backends", "compare"}
#: What each ring may import, beside itself.
ALLOWED = {
    **dict.fromkeys(LEAVES, LEAVES),
    "common": LEAVES,
    **dict.fromkeys(ENGINES, LEAVES | {"common"}),
    "isolation": LEAVES | {"common"},
    "lab": LEAVES | ENGINES | {"common"},
    "checks": LEAVES | ENGINES | {"common", "lab", "isolation"},
    "report": LEAVES,
    "suite": LEAVES | ENGINES | {"checks", "plugin"},
    "plugin": LEAVES | ENGINES | {"common", "isolation", "lab", "checks", "report", "suite"},
    "__main__": LEAVES | {"common", "lab", "checks", "report"},
    "": LEAVES | ENGINES | {"checks"},  # the package itself: public names, on first use
}
HEAVY = {
    *("torch", "transformers", "hypothesis", "numpy", "onnx", "onnxruntime", "torch_neuron", "torch_neuronx"),
    *("jinja2", "matplotlib"),
}
#: Rings whose import alone must load nothing heavy: a pytest run that uses none of the plugin pays nothing.
LIGHT = LEAVES | {"", "__main__", "plugin", "report", "isolation"}
#: Modules that may import hypothesis or transformers when they are imported themselves.
EAGER_HYPOTHESIS = {f"{PACKAGE}.inputs.strategies"}

NOW, LATER, TYPES = "now", "later", "types"


@dataclass(frozen=True)
class Import:
    """One import statement: which module it names, where, and whether it runs now, in a function, or never."""

    module: str
    target: str
    line: int
    when: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def module_name(path: Path, root: Path) -> str:
    parts = [PACKAGE, *path.relative_to(root).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_imports(root: Path) -> list[Import]:
    found = []
    for path in sorted(root.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        name = module_name(path, root)
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for node, when in walk(tree, NOW):
            found += [Import(name, target, node.lineno, when) for target in targets(node, package, root)]
    return found


def walk(node: ast.AST, when: str) -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
    """Yield every import statement with when it runs."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, when
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from walk(child, TYPES if when == TYPES else LATER)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for part, then in ((child.body, TYPES), (child.orelse, when)):
                yield from walk(ast.Module(body=part, type_ignores=[]), then)
        else:
            yield from walk(child, when)


def targets(node: ast.Import | ast.ImportFrom, package: str, root: Path) -> list[str]:
    """Return the modules a statement names; a relative one from the package it stands in."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        parts = package.split(".")
        base = ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])
    if base.split(".")[0] != PACKAGE:
        return [base]
    return [f"{base}.{alias.name}" if is_module(f"{base}.{alias.name}", root) else base for alias in node.names]


def is_module(name: str, root: Path) -> bool:
    path = root.joinpath(*name.split(".")[1:])
    return path.is_dir() or path.with_suffix(".py").is_file()


def ring(module: str) -> str:
    parts = [*module.split("."), "", "", ""]
    own_checks = parts[1] == "backends" and parts[3] == "checks"  # what a backend asks is a check, wherever it stands
    return "checks" if own_checks else parts[1]


def inside(module: str) -> bool:
    return module.split(".")[0] == PACKAGE


def unknown_rings(imports: list[Import], root: Path) -> list[str]:
    names = {ring(module_name(path, root)) for path in root.rglob("*.py")}
    return [f"{PACKAGE}.{name} belongs to no ring" for name in sorted(names - ALLOWED.keys())]


def wrong_directions(imports: list[Import]) -> list[str]:
    return [
        f"{found}: {ring(found.module) or 'the package'} may not import {ring(found.target) or 'the package itself'}"
        for found in imports
        if inside(found.target)
        and ring(found.target) != ring(found.module)
        and ring(found.target) not in ALLOWED.get(ring(found.module), set())
        and not (ring(found.target) == "" and ring(found.module) in ("plugin", "suite"))
    ]


def strangers(imports: list[Import]) -> list[str]:
    """Return imports of pytest outside the plugin."""
    return [
        f"{found}: only plugin and suite may"
        for found in imports
        if found.target.split(".")[0] in ("pytest", "_pytest", "xdist")
        and ring(found.module) not in ("plugin", "suite")
    ]


def too_heavy(imports: list[Import]) -> list[str]:
    """Return what the light modules load when they are imported, through whatever they import."""
    now: dict[str, list[Import]] = {}
    for found in imports:
        if found.when == NOW:
            now.setdefault(found.module, []).append(found)
    light = [name for name in {found.module for found in imports} if ring(name) in LIGHT]
    problems = []
    for name in sorted(light):
        for chain in heavy_chains(name, now):
            problems.append(f"{name} loads {chain[-1].target} when imported: {' -> '.join(map(str, chain))}")
    return problems


def heavy_chains(name: str, now: dict[str, list[Import]]) -> Iterator[list[Import]]:
    seen: set[str] = set()
    waiting: list[tuple[str, list[Import]]] = [(name, [])]
    while waiting:
        module, chain = waiting.pop()
        for found in now.get(module, []):
            if found.target.split(".")[0] in HEAVY:
                yield [*chain, found]
            elif inside(found.target):
                for parent in with_parents(found.target):
                    if parent not in seen:
                        seen.add(parent)
                        waiting.append((parent, [*chain, found]))


def with_parents(module: str) -> list[str]:
    """Return a module and the packages whose ``__init__`` runs before it."""
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def impatient(imports: list[Import]) -> list[str]:
    """Return engine modules that load transformers or hypothesis when they are imported."""
    return [
        f"{found}: import it in the function that needs it"
        for found in imports
        if found.when == NOW
        and ring(found.module) in ENGINES | {"common", "lab", "checks"}
        and found.target.split(".")[0] in ("transformers", "hypothesis")
        and not (found.module in EAGER_HYPOTHESIS and found.target.startswith("hypothesis"))
    ]


def circles(imports: list[Import]) -> list[str]:
    """Return the modules that import each other, however far around: those in a function and for types only count too."""
    edges: dict[str, set[str]] = {found.module: set() for found in imports}
    for found in imports:
        if found.target in edges and found.target != found.module:
            edges[found.module].add(found.target)
    reached = {module: reachable(module, edges) for module in edges}
    rounds = {tuple(sorted(other for other in reached[module] if module in reached[other])) for module in edges}
    return [" <-> ".join(modules) for modules in sorted(rounds) if modules]


def reachable(module: str, edges: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(edges[module])
    while waiting:
        target = waiting.pop()
        if target not in found:
            found.add(target)
            waiting += edges[target]
    return found


#: What anybody may import of the backends: their contract, and the look-up by name.
CONTRACT = {f"{PACKAGE}.backends", f"{PACKAGE}.backends.base", f"{PACKAGE}.backends.registry"}
#: Words that are names of backends as well, by the module that says them, and what they mean there.
OTHER_MEANING = {
    ("settings", "torchscript"): "what a model is exported with by default",
    ("settings", "neuron"): "--torchscript-neuron",
    ("checks.needs", "torchscript"): "a trait",
    ("plugin", "torchscript"): "the fixture, and the record on a report",
    ("plugin", "neuron"): "the marker",
    ("plugin.neuron", "neuron"): "the marker",
    ("plugin.names", "torchscript"): "how the ids of the suite begin",
    ("plugin.markers", "torchscript"): "the marker",
    ("plugin.options", "torchscript"): "the group of options",
    ("plugin.recorder", "torchscript"): "the record on a report",
    ("plugin.reports", "torchscript"): "the record on a report",
    ("plugin.progress", "torchscript"): "the record on a report",
}


def outsiders(imports: list[Import], root: Path) -> list[str]:
    """Return where a backend is known by its module, its class or its name outside of ``backends/``."""
    home = f"{PACKAGE}.backends"
    known = [
        f"{found}: only the contract of backends may be known"
        for found in imports
        if f"{found.target}.".startswith(f"{home}.")
        and not f"{found.module}.".startswith(f"{home}.")
        and found.target not in CONTRACT
    ]
    classes = [name for path, tree in trees(root / "backends") if path.name != "base.py" for name in classes_of(tree)]
    named = re.compile(rf"\b(?:{'|'.join(sorted(classes) or ['-'])})\b")
    for path, tree in trees(root):
        module = module_name(path, root).removeprefix(f"{PACKAGE}.")
        if module.split(".")[0] == "backends":
            continue
        known += [f"{PACKAGE}.{module} names {word}" for word in named.findall(path.read_text(encoding="utf-8"))]
        known += [
            f"{PACKAGE}.{module}:{node.lineno} says {node.value!r}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and node.value in backend_names()
            and (module, node.value) not in OTHER_MEANING
        ]
    return known


def trees(root: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(root.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def classes_of(tree: ast.Module) -> list[str]:
    """Return the classes that are backends or artifacts, by how they are called."""
    return [node.name for node in tree.body if isinstance(node, ast.ClassDef) and is_a_backend(node)]


def is_a_backend(node: ast.ClassDef) -> bool:
    return any(word in node.name for word in ("Backend", "Artifact", "File"))


def problems(root: Path) -> list[str]:
    imports = read_imports(root)
    return [
        *outsiders(imports, root),
        *circles(imports),
        *unknown_rings(imports, root),
        *wrong_directions(imports),
        *strangers(imports),
        *too_heavy(imports),
        *impatient(imports),
    ]


def test_the_rings_hold() -> None:
    assert problems(SOURCES) == []


def test_the_reader_sees_the_package() -> None:
    imports = read_imports(SOURCES)
    assert len({found.module for found in imports}) > 20
    assert any(found.when == LATER for found in imports)
    assert any(found.when == TYPES for found in imports)


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in {"__init__.py": "", **files}.items():
        path = root / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        for folder in path.relative_to(root / PACKAGE).parents:
            (root / PACKAGE / folder / "__init__.py").touch()
    return root / PACKAGE


PLANTED = {
    "a leaf that imports an engine": (
        {"results.py": "from pytest_torchscript.models.eager import Eager"},
        "may not import models",
    ),
    "an engine that imports another": (
        {"compare/a.py": "import pytest_torchscript.inputs.values"},
        "may not import inputs",
    ),
    "an upward import in a function": (
        {"inputs/a.py": "def f():\n    from pytest_torchscript.checks import case"},
        "inputs.a:2 imports pytest_torchscript.checks: inputs may not import checks",
    ),
    "a common module that imports an engine": (
        {"common/a.py": "from pytest_torchscript.models.eager import Eager"},
        "common may not import models",
    ),
    "the lab importing a check": (
        {"lab/a.py": "def f():\n    from pytest_torchscript.checks.finding import Finding"},
        "lab may not import checks",
    ),
    "an upward import for types only": (
        {"inputs/a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..checks import case"},
        "inputs may not import checks",
    ),
    "a relative import of a neighbour": ({"models/a.py": "from ..tracing import trace"}, "may not import tracing"),
    "a relative import of a module": (
        {"tracing/trace.py": "", "models/sub/a.py": "from ...tracing import trace"},
        "models.sub.a:1 imports pytest_torchscript.tracing.trace",
    ),
    "a report that imports a check": (
        {"report/a.py": "from ..checks.run import check"},
        "report may not import checks",
    ),
    "an engine that imports the package": (
        {"models/a.py": "from pytest_torchscript import Axis"},
        "may not import the package itself",
    ),
    "pytest in an engine": ({"checks/a.py": "def f():\n    import pytest"}, "only plugin and suite may"),
    "torch in a leaf": ({"spec.py": "import torch"}, "pytest_torchscript.spec loads torch"),
    "torch in the plugin": (
        {"plugin/a.py": "try:\n    import torch\nexcept ImportError:\n    pass"},
        "plugin.a loads torch",
    ),
    "torch in a class body": ({"report/a.py": "class A:\n    import torch.nn as nn"}, "report.a loads torch.nn"),
    "torch through an engine": (
        {"plugin/a.py": "from pytest_torchscript.compare import b", "compare/b.py": "import torch"},
        "plugin.a loads torch when imported: pytest_torchscript.plugin.a:1 imports pytest_torchscript.compare.b -> ",
    ),
    "hypothesis through a package's __init__": (
        {
            "plugin/a.py": "import pytest_torchscript.inputs.b",
            "inputs/b.py": "",
            "inputs/__init__.py": "import hypothesis",
        },
        "plugin.a loads hypothesis",
    ),
    "transformers in an engine": ({"models/a.py": "import transformers"}, "import it in the function that needs it"),
    "hypothesis in a check": (
        {"checks/a.py": "from hypothesis import given"},
        "import it in the function that needs it",
    ),
    "a circle through a function and a type": (
        {
            "plugin/a.py": "def f():\n    from pytest_torchscript.plugin import b",
            "plugin/b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .c import d",
            "plugin/c.py": "import pytest_torchscript.plugin.a",
        },
        "pytest_torchscript.plugin.a <-> pytest_torchscript.plugin.b <-> pytest_torchscript.plugin.c",
    ),
    "a backend known by its module": (
        {"checks/a.py": "def f():\n    from pytest_torchscript.backends.torchscript import quiet"},
        "checks.a:2 imports pytest_torchscript.backends.torchscript: only the contract of backends may be known",
    ),
    "a backend known by its class": (
        {
            "backends/b.py": "class ServedBackend: pass",
            "lab/a.py": "def f(x):\n    return type(x).__name__ == ServedBackend",
        },
        "pytest_torchscript.lab.a names ServedBackend",
    ),
    "a backend known by its name": (
        {"report/a.py": "def f(export):\n    return export.backend == 'neuron'"},
        "pytest_torchscript.report.a:2 says 'neuron'",
    ),
    "a check of a backend that is imported by one": (
        {"backends/c/checks/d.py": "", "backends/c/e.py": "def f():\n    from .checks import d"},
        "backends may not import checks",
    ),
    "a module of no ring": ({"helpers.py": "import torch"}, "pytest_torchscript.helpers belongs to no ring"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_violation_is_seen(tmp_path: Path, name: str) -> None:
    files, said = PLANTED[name]
    assert any(said in problem for problem in problems(plant(tmp_path, files)))


def test_what_is_allowed_is_let_through(tmp_path: Path) -> None:
    files = {
        "spec.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\nelse:\n    import re",
        "outputs.py": "def f():\n    import torch\n    from pytest_torchscript.errors import Error",
        "errors.py": "",
        "compare/a.py": "import torch\nfrom .b import c\nfrom pytest_torchscript.errors import Error",
        "compare/b.py": "def f():\n    import transformers",
        "inputs/strategies.py": "import hypothesis",
        "checks/a.py": "import torch\nfrom pytest_torchscript.compare import a",
        "suite.py": "import pytest",
        "plugin/a.py": "import pytest\nfrom pytest_torchscript import __version__",
        "plugin/b.py": "def f():\n    from ..checks import a",
        "report/a.py": "from pytest_torchscript.errors import Error",
    }
    assert problems(plant(tmp_path, files)) == []


def test_versions_are_asked_for_in_one_place() -> None:
    asks = re.compile(r"version_info|__version__\.(?:split|partition)|parse_version|packaging\.version")
    found = {
        path.relative_to(SOURCES).as_posix() for path in SOURCES.rglob("*.py") if asks.search(path.read_text("utf-8"))
    }
    assert found == {"versions.py", "report/known.py"}  # the latter to import tomllib, in the form that mypy reads


def test_test_files_have_names_of_their_own() -> None:
    """pytest imports a test file by its bare name, unless it stands in a package: two of one name end the whole run."""
    here = Path(__file__).parent
    bare = [path.name for path in here.rglob("test_*.py") if not (path.parent / "__init__.py").exists()]
    assert sorted(bare) == sorted(set(bare))
