"""Workers of one run tell each other what they planned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from plugin_runs import Run

from pytest_torchscript.plugin.outlines import FOLDER, Outlines, give_folder
from pytest_torchscript.results import Outline

OUTLINE = Outline({"batch": (1, 64), "time": (2, 7)}, ("x", "mask"), "ctc", "Net", "tiny")


def test_what_one_worker_planned_another_finds(tmp_path: Path) -> None:
    one, other = (Outlines(tmp_path, worker=worker, workers=2) for worker in range(2))
    assert other.find(3) is None
    one.keep(3, OUTLINE)
    found = other.find(3)
    assert found is not None
    assert (list(found.ranges), found.inputs, found.task) == (["batch", "time"], ["x", "mask"], "ctc")
    assert [path.name for path in tmp_path.iterdir()] == ["3.json"]


def test_each_begins_at_its_share() -> None:
    folder = Path("anywhere")
    assert [Outlines(folder, worker=worker, workers=3).order(7) for worker in range(3)] == [
        [0, 1, 2, 3, 4, 5, 6],
        [2, 3, 4, 5, 6, 0, 1],
        [4, 5, 6, 0, 1, 2, 3],
    ]
    assert Outlines(folder, worker=4, workers=2).order(2) == [0, 1]  # one that replaces another
    assert Outlines().order(2) == [0, 1]
    assert Outlines(folder, workers=4).order(0) == []


def test_what_cannot_be_read_is_planned_anew(tmp_path: Path) -> None:
    (tmp_path / "0.json").write_text("{")
    (tmp_path / "1.json").mkdir()
    assert [Outlines(tmp_path).find(number) for number in range(3)] == [None, None, None]


def test_without_a_folder_nothing_is_told(tmp_path: Path) -> None:
    for outlines in (Outlines(), Outlines(tmp_path / "gone")):
        outlines.keep(0, OUTLINE)
        assert outlines.find(0) is None


def test_workers_of_this_machine_are_told_one_folder_which_goes_with_the_run() -> None:
    cleanups: list[Callable[[], Any]] = []
    config: Any = SimpleNamespace(stash={}, add_cleanup=cleanups.append)
    nodes = [
        SimpleNamespace(workerinput={}, gateway=SimpleNamespace(spec=SimpleNamespace(popen=popen)))
        for popen in (True, True, None)
    ]
    for node in nodes:
        give_folder(config, node)
    first, second, elsewhere = (node.workerinput.get(FOLDER) for node in nodes)
    assert first == second
    assert elsewhere is None
    assert Path(first).is_dir()
    for cleanup in cleanups:
        cleanup()
    assert not Path(first).exists()


PLANNED = """
import os, pytest_torchscript.lab.plan as plan

made = plan.make_plan

def counted(reference, *args, **named):
    with open(os.path.join(os.path.dirname(__file__), "planned.txt"), "a") as out:
        out.write(f"{getattr(reference, 'text', reference)} {os.environ['PYTEST_XDIST_WORKER']}\\n")
    return made(reference, *args, **named)

plan.make_plan = counted
"""


def test_a_model_is_planned_by_those_who_come_first_and_by_who_checks_it(
    run_apart: Run, pytester: pytest.Pytester
) -> None:
    pytest.importorskip("xdist")
    pytester.makeconftest(PLANNED)
    names = [f"copy_{number}" for number in range(8)]
    pytester.makepyfile(more="\n".join(f"from zoo import good as {name}" for name in names))
    result = run_apart(*(f"--torchscript-model=more:{name}" for name in names), "-k", "trace or outputs", "-n", "4")
    result.assert_outcomes(passed=16)
    lines = set((pytester.path / "planned.txt").read_text().splitlines())
    assert {line.split()[0] for line in lines} == {f"more:{name}" for name in names}
    assert len(lines) < 4 * len(names)  # else each worker would have planned each
