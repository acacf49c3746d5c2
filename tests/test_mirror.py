"""The tests mirror the package: each module has a test file of its name, in the folder of its ring.

``pytest_torchscript/lab/bench.py`` is tested by ``tests/unit/lab/test_bench.py``. Where that name is taken, as pytest imports
a test file by its bare name, the folders of the module stand before it: ``test_inputs_text.py``. Files beside those, of an
option or of what several modules do together, are free.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

import pytest_torchscript
from pytest_torchscript.checks.registry import registered

TESTS = Path(__file__).parent
SOURCES = Path(pytest_torchscript.__file__).parent
#: Modules without a test file of their own, and why.
EXCEPT = {
    "__main__": "tests/unit/test_main.py runs it",
    "suite": "tests/plugin/test_suite.py runs it, as pytest does",
    "plugin/names": "constants alone",
    "backends/aot_inductor/checks": "test_aot_inductor_backend.py asks it: what it needs is compiled once for both",
}


def modules(sources: Path) -> list[str]:
    """Return the modules as paths without their ending; what an ``__init__`` holds belongs to the package's own tests."""
    found = (path.relative_to(sources).with_suffix("") for path in sources.rglob("*.py") if path.name != "__init__.py")
    return sorted(path.as_posix() for path in found)


def files_for(module: str, tests: Path) -> list[Path]:
    """Return the test files that bear a module's name and stand in the folder of its ring."""
    *folders, name = module.split("/")
    ring = folders[:1]
    names = {
        "_".join(["test", *before, name]) + ".py"
        for length in range(len(folders) + 1)
        for before in combinations(folders, length)
    }
    return [
        path
        for path in sorted(tests.rglob("test_*.py"))
        if path.name in names and [part for part in path.relative_to(tests).parts[:-1] if part != "unit"][:1] == ring
    ]


def gaps(sources: Path, tests: Path, excepted: dict[str, str]) -> list[str]:
    """Return the modules that no test file mirrors, and the exceptions that are none."""
    found = {module: files_for(module, tests) for module in modules(sources)}
    owners: dict[Path, list[str]] = {}
    for module, paths in found.items():
        if len(paths) == 1:
            owners.setdefault(paths[0], []).append(module)
    return [
        *(
            f"{module}.py has no test file of its name"
            for module in found
            if not found[module] and module not in excepted
        ),
        *(f"{path.name} stands for {' and '.join(shared)}" for path, shared in owners.items() if len(shared) > 1),
        *(f"{module}.py is no exception" for module in excepted if found.get(module, [module])),
    ]


def test_each_module_has_a_test_file_of_its_name() -> None:
    assert gaps(SOURCES, TESTS, EXCEPT) == []


@pytest.mark.parametrize(
    ("files", "excepted", "said"),
    [
        ({"unit/lab/test_bench.py"}, {}, []),
        ({"unit/lab/test_lab_bench.py"}, {}, []),
        (set(), {}, ["lab/bench.py has no test file of its name"]),
        (set(), {"lab/bench": "a reason"}, []),
        ({"unit/checks/test_bench.py"}, {}, ["lab/bench.py has no test file of its name"]),
        ({"unit/lab/test_bench.py"}, {"lab/bench": "a reason"}, ["lab/bench.py is no exception"]),
        ({"unit/lab/test_bench.py"}, {"lab/gone": "a reason"}, ["lab/gone.py is no exception"]),
    ],
)
def test_a_gap_is_seen(tmp_path: Path, files: set[str], excepted: dict[str, str], said: list[str]) -> None:
    for name in (
        "package/__init__.py",
        "package/lab/__init__.py",
        "package/lab/bench.py",
        *(f"tests/{it}" for it in files),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert gaps(tmp_path / "package", tmp_path / "tests", excepted) == said


def test_one_file_cannot_stand_for_two_modules(tmp_path: Path) -> None:
    for name in ("package/backends/a/log.py", "package/backends/b/log.py", "tests/unit/backends/test_log.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert gaps(tmp_path / "package", tmp_path / "tests", {}) == [
        "test_log.py stands for backends/a/log and backends/b/log"
    ]


#: Checks that tell and never fail, and what they end in instead of a failure.
NEVER_FAIL = {"anchors": "warning: ", "sensitivity": "skipped", "speed": "skipped"}


@pytest.mark.parametrize("name", registered())
def test_each_check_is_seen_to_pass_and_to_fail(name: str) -> None:
    """In the test file of its module, by the words of its outcomes; whether they are right is for that file to ask."""
    module = "/".join(registered()[name].ask.__module__.split(".")[1:])
    module = {"backends/aot_inductor/checks": "backends/aot_inductor/backend"}.get(module, module)
    texts = [path.read_text(encoding="utf-8") for path in files_for(module, TESTS)]
    assert any("passed" in text or "PASSED" in text for text in texts), f"no test sees {name} pass"
    assert any(NEVER_FAIL.get(name, "failed") in text or "FAILED" in text for text in texts), (
        f"no test sees {name} fail"
    )
