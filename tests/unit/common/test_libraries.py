"""What every model takes is imported once, and kept from the collector. Each in a process of its own: imports stay."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_torchscript

pytestmark = pytest.mark.process

#: Makes garbage that only the collector finds, imports, and prints what came of it.
PROGRAM = """
import gc, sys
from pytest_torchscript.common.libraries import any_scripted, import_libraries
{before}
class Ring:
    def __init__(self):
        self.me = self
    def __del__(self):
        print("dropped")
Ring()
import_libraries(transformers={transformers})
frozen = gc.get_freeze_count()
print(frozen > 100_000, gc.isenabled(), any_scripted())
Ring()
gc.collect()
import_libraries(transformers={transformers})
print(gc.get_freeze_count() <= frozen, "transformers" in sys.modules)
"""


def printed(before: str = "", *, transformers: bool = False) -> list[str]:
    path = os.pathsep.join([str(Path(pytest_torchscript.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    program = PROGRAM.format(before=before, transformers=transformers)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_what_is_imported_is_kept_from_the_collector_and_nothing_else() -> None:
    assert printed() == ["dropped", "True True False", "dropped", "True False"]


def test_transformers_only_where_a_model_is_of_it() -> None:
    pytest.importorskip("transformers")
    assert printed(transformers=True)[-1] == "True True"


@pytest.mark.parametrize(
    ("scripted", "kept"),
    [("traced = torch.jit.trace(torch.nn.Linear(1, 1), torch.zeros(1))", "False True True"), ("", "True True False")],
    ids=["a scripted module is alive", "none is"],
)
def test_a_scripted_module_of_the_users_stays_where_it_is_found(scripted: str, kept: str) -> None:
    """What `forget_code` asks for would not be found among what is kept from the collector."""
    assert printed(f"import torch\n{scripted}") == ["dropped", kept, "dropped", "True False"]


def test_a_broken_library_is_told_of_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "transformers.py").write_text("raise RuntimeError('made for another torch')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert printed(transformers=True)[1] == "True True False"


def test_a_collector_that_was_off_stays_off() -> None:
    assert printed("gc.disable()")[1] == "True False False"


def test_nothing_is_done_where_all_was_imported() -> None:
    before = "import torch, hypothesis.strategies, pytest_torchscript.checks"
    assert printed(before)[0] == "False True False"  # not even what is garbage is dropped
