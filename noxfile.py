"""The environments this project promises to work in; the only place that pins their versions.

    nox                           lint, and the tests on the interpreters that are there
    nox -s "stack-3.10"           one environment
    nox -s "stack-3.11" -- tests/unit -x      arguments of pytest after the two dashes

A session tests the built wheel, never the checkout: the tests run from a copy that holds everything but the package.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "stack"]
nox.options.error_on_missing_interpreters = False

PACKAGE = "pytest_torchscript"
#: An Inf1 runner: torch-neuron ends at torch 1.13.1, which needs numpy 1 and a transformers that still works on it.
#: The setuptools is for tests that compile: torch.utils.cpp_extension of that time imports pkg_resources.
INF1 = ("torch==1.13.1", "transformers==4.49.0", "numpy<2", "setuptools<81")
#: By Python version. torch 2.13.0 is pinned because some indexes hold it as a CPU build.
STACKS = {
    "3.9": INF1,
    "3.10": INF1,
    "3.11": ("torch==2.13.0", "transformers>=5,<6"),
    "3.13": ("torch==2.13.0", "transformers>=5,<6"),
}
#: The lower bounds in pyproject.toml, together.
LOWEST = (
    "torch==1.13.1",
    "transformers==4.46.1",
    "numpy<2",
    "setuptools<81",
    "pytest==8.4.0",
    "hypothesis==6.116.0",
    "pytest-xdist==3.5.0",
    "tomli==2.0.0",
)
#: The current stack, where pytest, hypothesis and xdist alone are as old as we claim.
OLDEST_TOOLS = (*STACKS["3.11"], "pytest==8.4.0", "hypothesis==6.116.0", "pytest-xdist==3.5.0")
#: Two workers, one thread each: the suite's models are too small to gain from more.
PARALLEL = ("-n", "2")
THREADS = {"OMP_NUM_THREADS": "1"}


@nox.session(python="3.11")
def lint(session: nox.Session) -> None:
    """Lint the whole tree and type-check the package."""
    session.install(*STACKS["3.11"], ".[lint]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")


@nox.session(python=list(STACKS))
def stack(session: nox.Session) -> None:
    """Run every test on one of the pinned stacks."""
    _test_wheel(session, *STACKS[str(session.python)])


@nox.session(python="3.9")
def lowest(session: nox.Session) -> None:
    """Run every test on the lowest version of everything."""
    _test_wheel(session, *LOWEST)


@nox.session(python="3.11")
def oldest_tools(session: nox.Session) -> None:
    """Run every test with the oldest pytest, hypothesis and xdist on a current torch."""
    _test_wheel(session, *OLDEST_TOOLS)


@nox.session(python="3.13")
def newest(session: nox.Session) -> None:
    """Run every test on the newest version of everything."""
    _test_wheel(session)


@nox.session(python="3.11")
def neighbours(session: nox.Session) -> None:
    """Run what concerns other plugins, with all of them installed."""
    chosen = session.posargs or ["tests/neighbours"]
    arguments = [*PARALLEL, "-p", "no:randomly", *chosen]
    _test_wheel(session, *STACKS["3.11"], extras="test,neighbours", arguments=arguments)


def _test_wheel(
    session: nox.Session, *requirements: str, extras: str = "test", arguments: list[str] | None = None
) -> None:
    """Install the built wheel with what is required, and run pytest far from the checkout."""
    work = Path(session.create_tmp()).resolve()
    wheels = work / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    session.run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), ".")
    session.install(*requirements, f"{next(wheels.glob('*.whl'))}[{extras}]")
    session.chdir(_copy_without_package(work / "tree"))
    session.run("python", "-m", "pytest", *(arguments or session.posargs or PARALLEL), env=THREADS)


def _copy_without_package(target: Path) -> Path:
    """Copy the checkout, so that no import can find the package's sources."""
    shutil.rmtree(target, ignore_errors=True)
    ignored = shutil.ignore_patterns(PACKAGE, ".*", "__pycache__", "dist", "build")
    shutil.copytree(Path(__file__).parent, target, ignore=ignored)
    return target
