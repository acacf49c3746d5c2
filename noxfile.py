"""The environments this project promises to work in. Their exact versions stand in constraints/, a file for each.

    nox                           lint, and the tests on the interpreters that are there
    nox -s "stack-3.10"           one environment
    nox -s "stack-3.11" -- tests/unit -x      arguments of pytest after the two dashes
    nox -s "newest-3.11"          what pip calls newest today

A session tests the built wheel, never the checkout: the tests run from a copy that holds everything but the package.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "syntax", "stack"]
nox.options.error_on_missing_interpreters = False

PACKAGE = "pytest_torchscript"
#: The file of constraints of each Python version.
STACKS = {"3.9": "inf1", "3.10": "inf1", "3.11": "current", "3.13": "current"}
#: What a release of tomorrow is most likely to break: real models, every task with a cache, the tracer, the corpus.
CANARIES = ("tests/real", "tests/corpus", "tests/field", "tests/unit/inputs", "tests/unit/tracing")
#: Two workers, one thread each: the suite's models are too small to gain from more.
PARALLEL = ("-n", "2")
#: The package of each model server that tests/servers start; a file of constraints of that name holds what it needs.
SERVERS = {"triton": "nvidia-pytriton", "mlserver": "mlserver"}
THREADS = {"OMP_NUM_THREADS": "1"}
COMPILES = """
import pathlib, sys
for path in (path for folder in sys.argv[1:] for path in sorted(pathlib.Path(folder).rglob("*.py"))):
    compile(path.read_text(encoding="utf-8"), str(path), "exec")
"""


@nox.session(python="3.11")
def lint(session: nox.Session) -> None:
    """Lint the whole tree and type-check the package."""
    session.install(*_constrained("current"), ".[lint]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")


@nox.session(python="3.9")
def syntax(session: nox.Session) -> None:
    """Compile everything with the oldest Python: what it cannot read neither ruff nor mypy finds, nor any newer stack."""
    session.run("python", "-c", COMPILES, PACKAGE, "tests")


@nox.session(python=list(STACKS))
def stack(session: nox.Session) -> None:
    """Run every test on one of the pinned stacks."""
    _test_wheel(session, STACKS[str(session.python)])


@nox.session(python="3.9")
def lowest(session: nox.Session) -> None:
    """Run every test on the lowest version of everything."""
    _test_wheel(session, "lowest")


@nox.session(python="3.11")
def oldest_tools(session: nox.Session) -> None:
    """Run every test with the oldest pytest, hypothesis and xdist on a current torch."""
    _test_wheel(session, "oldest-tools")


@nox.session(python=["3.11", "3.13"])
def newest(session: nox.Session) -> None:
    """Run the canaries on the newest version of everything: whatever pip chooses today, within what the machine allows."""
    _test_wheel(session, None, arguments=[*PARALLEL, *(session.posargs or CANARIES)])


@nox.session(python="3.11")
def onnx(session: nox.Session) -> None:
    """Run what concerns backends, with the extras onnx and grpc, four exports in one run among it: some minutes."""
    arguments = [*PARALLEL, *(session.posargs or ("tests/backends", "tests/unit/backends", "tests/unit/lab"))]
    _test_wheel(session, "current", extras="test,onnx,grpc", arguments=arguments)


@nox.session(python="3.11")
def hostile(session: nox.Session) -> None:
    """Run every hostile model and every signal, with and without workers, and scripts of repaired models: half an hour."""
    session.env["HOSTILE"] = "all"
    _test_wheel(session, "current", arguments=["tests/isolation", "tests/corpus/test_repaired.py", *session.posargs])


@nox.session(python="3.11")
def neighbours(session: nox.Session) -> None:
    """Run what concerns other plugins, with all of them installed."""
    chosen = session.posargs or ["tests/neighbours"]
    arguments = [*PARALLEL, "-p", "no:randomly", *chosen]
    _test_wheel(session, "current", extras="test,neighbours", arguments=arguments)


@nox.session(python="3.11")
@nox.parametrize("server", list(SERVERS), ids=list(SERVERS))
def served(session: nox.Session, server: str) -> None:
    """Start a model server, check a traced BERT behind it, and stop it; skipped where the server does not install."""
    arguments = ["tests/servers", "-k", server, *session.posargs]
    _test_wheel(session, server, packages=(SERVERS[server],), arguments=arguments)


def _constrained(name: str) -> tuple[str, str]:
    """Return pip's arguments that hold it to one file of constraints."""
    return ("--constraint", f"constraints/{name}.txt")


def _test_wheel(
    session: nox.Session,
    constraints: str | None,
    *,
    extras: str = "test",
    packages: tuple[str, ...] = (),
    arguments: list[str] | None = None,
) -> None:
    """Install the built wheel, held to a file of constraints or else at its newest, and run pytest far from the checkout."""
    work = Path(session.create_tmp()).resolve()
    wheels = work / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    session.run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), ".")
    held = ("--upgrade", "--upgrade-strategy=eager") if constraints is None else _constrained(constraints)
    # setuptools: tests/cpp compile with torch.utils.cpp_extension, which imports it.
    session.install(*held, "setuptools", f"{next(wheels.glob('*.whl'))}[{extras}]")
    try:
        if packages:
            session.install(*held, *packages)
    except CommandFailed:  # no wheel for this machine
        session.skip(f"{', '.join(packages)}: not to be installed here")
    session.run("python", "-m", "pip", "list")
    session.chdir(_copy_without_package(work / "tree"))
    session.run("python", "-m", "pytest", *(arguments or session.posargs or PARALLEL), env=THREADS)


def _copy_without_package(target: Path) -> Path:
    """Copy the checkout, so that no import can find the package's sources."""
    shutil.rmtree(target, ignore_errors=True)
    ignored = shutil.ignore_patterns(PACKAGE, ".*", "__pycache__", "dist", "build")
    shutil.copytree(Path(__file__).parent, target, ignore=lambda folder, names: ignored(folder, names) - {".ci"})
    return target
