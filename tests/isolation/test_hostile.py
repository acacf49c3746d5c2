"""Hostile models, each in a process of its own: it costs its own check, and the sound model beside it nothing.

A run in CI has the kinds that differ most, and a few checks; ``HOSTILE=all`` (``nox -s hostile``) has every one, all checks of
each, with and without workers.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from processes import environment, plugin, processes_of

pytestmark = [pytest.mark.process, pytest.mark.skipif(os.name != "posix", reason="the models use signals and forks")]

#: Seconds for a check. Many models want more than a few would: each process starts beside those of others.
LIMIT = 20 if os.environ.get("HOSTILE") else 6
TOO_LONG = f"it took longer than {LIMIT} s"
#: By model: the check that tells, and how its message begins; None where all pass.
EVERY: Mapping[str, tuple[str, str] | None] = {
    "segfault_at_size": (
        "axis[time]",
        "its process was ended by SIGSEGV in test_axis[time], while eager ran at batch=2 time=31",
    ),
    "segfault_in_trace": (
        "trace",
        "its process was ended by SIGSEGV in test_trace, while the exporter ran at batch=2 time=11",
    ),
    "factory_segfault": ("model", "its process was ended by SIGSEGV while it was planned"),
    "loop_with_the_lock": ("trace", f"{TOO_LONG} (--torchscript-timeout) in test_trace"),
    "memory_at_size": ("axis[time]", "it held "),
    "process_left": None,
    "sound": None,
    "segfault_in_artifact": (
        "axis[time]",
        "its process was ended by SIGSEGV in test_axis[time], while the export ran at batch=2 time=1",
    ),
    "segfault_in_eager": ("model", "its process was ended by SIGSEGV while eager ran at "),
    "abort_at_size": ("axis[time]", "its process was ended by SIGABRT in test_axis[time]"),
    "exit_in_eager": ("model", "its process ended with exit code 0 while eager ran at "),
    "exit_in_trace": ("trace", "its process ended with exit code 13 in test_trace"),
    "sys_exit_in_eager": ("model", "eager refuses all that was drawn for it"),
    "killed_at_size": ("axis[time]", "its process was ended by SIGKILL in test_axis[time]"),
    "loop_in_python": ("trace", TOO_LONG),
    "loop_in_cpp": ("trace", TOO_LONG),
    "loop_in_torchscript": ("axis[time]", TOO_LONG),
    "threads_left": None,
    "state_changed": None,
    "flood": None,
    "source_deleted": None,
    "factory_exit": ("model", "its process ended with exit code 5 while it was planned"),
    "factory_loop": ("model", TOO_LONG),
}
FEW = list(EVERY)[:7]
CHOSEN = list(EVERY) if os.environ.get("HOSTILE") == "all" else os.environ.get("HOSTILE", "").split() or FEW
CHECKS = ("-k", "model or trace or history or (axis and time)") if CHOSEN is FEW else ()


@pytest.mark.parametrize("workers", [(), ("-n", "2")] if CHOSEN is not FEW else [("-n", "2")], ids="".join)
def test_each_costs_its_own_check(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    shutil.copy(Path(__file__).parent / "hostile.py", pytester.path)
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    models = [word for name in CHOSEN for word in ("--torchscript-model", f"hostile:{name}")]
    limits = ("--torchscript-isolate", "on", "--torchscript-timeout", str(LIMIT), "--torchscript-memory", "2")
    result = pytester.runpytest_subprocess(
        *plugin(), *models, *limits, *CHECKS, *workers, "--torchscript-report", "out.json", timeout=1500
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    said = result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in said
    assert "Traceback" not in said
    assert "xxxxx" not in said
    report = json.loads((pytester.path / "out.json").read_text("utf-8"))
    assert report["complete"] is True
    found = {model["model"].partition(":")[2]: model for model in report["models"]}
    assert {name: told(found[name]) for name in CHOSEN} == {name: expected(name, found[name]) for name in CHOSEN}
    assert not processes_of(pytester.path)


def told(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the checks of a model that could not be carried out, with what they say; those after it are skipped."""
    checks = [check for export in model["exports"] for check in export["checks"]]
    wrong = [(check["name"], check["message"]) for check in checks if check["outcome"] not in ("passed", "skipped")]
    if wrong and wrong[0][0] != "model":
        after = checks[[check["name"] for check in checks].index(wrong[0][0]) + 1 :]
        assert {check["outcome"] for check in after} <= {"skipped"}, model
        assert all(check["message"].startswith("not asked: ") for check in after), model
    return wrong


def expected(name: str, model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is expected of a model, with the message that it has where that begins as it should."""
    row = EVERY[name]
    if row is None:
        return []
    prefix = f"torchscript::hostile:{name}: {row[1]}"
    said = [message for _, message in told(model) if message.startswith(prefix) and "\n    hint: " in message]
    return [(row[0], said[0] if said else f"{prefix}…")]
