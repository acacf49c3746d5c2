"""Which NeuronCore a pytest-xdist worker takes.

A process reserves all visible cores when its runtime starts and keeps them until it ends, so each worker must be shown
its own before anything of Neuron is imported. What the user set is never overridden.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from pytest_torchscript.backends.base import DeviceShare
from pytest_torchscript.backends.neuron.devices import count_cores
from pytest_torchscript.errors import OptionError

VISIBLE, NUMBER = "NEURON_RT_VISIBLE_CORES", "NEURON_RT_NUM_CORES"


def assign_cores(
    worker: str | None,
    workers: int,
    *,
    env: Mapping[str, str] | None = None,
    cores: int | None = None,
    backend: str = "neuron",
    run: str = "",
) -> DeviceShare:
    """Return the cores of a worker (`gw0`, `gw1` …; None for the controller, which takes none and only checks).

    ``cores`` defaults to what the machine has. OptionError where there are more workers than cores, also within a range
    that the user set; a machine without a device has nothing to assign.

    ``run`` names the run (xdist's testrunuid). With it, a worker that replaces a dead one takes the core that became free:
    its number (`gw2` of two) says nothing of which one died.
    """
    env = os.environ if env is None else env
    available = count_cores(env, backend=backend) if cores is None else cores
    if not available:
        return DeviceShare()
    if env.get(VISIBLE) or env.get(NUMBER):
        return _as_the_user_set(env, workers, available)
    if workers > available:
        raise _too_many(workers, f"this machine has {_count(available)}")
    if worker is None or workers < 1:
        return DeviceShare(note=f"{_count(available)}, one for each of {workers} workers" if workers > 1 else "")
    core, claim = _claimed(run, worker_index(worker) % available, available)
    return DeviceShare({VISIBLE: str(core)}, f"{worker} takes NeuronCore {core}", claim)


def _claimed(run: str, preferred: int, cores: int) -> tuple[int, BaseFileLock | None]:
    """Return a core that no other worker of the run holds, the preferred one if it is free, and what holds it.

    The locks end with their process, however it ends.
    """
    if not run:
        return preferred, None
    folder = Path(tempfile.gettempdir()) / f"pytest-torchscript-cores-{run}"
    folder.mkdir(exist_ok=True)
    for core in [preferred, *(other for other in range(cores) if other != preferred)]:
        lock = FileLock(folder / str(core))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        return core, lock
    return preferred, None


def _as_the_user_set(env: Mapping[str, str], workers: int, available: int) -> DeviceShare:
    if not env.get(VISIBLE):
        wanted = max(_whole(env[NUMBER]), 1) * max(workers, 1)
        if workers > 1 and wanted > available:
            raise _too_many(workers, f"{NUMBER}={env[NUMBER]} for each needs {wanted}, this machine has {available}")
        return DeviceShare(note=f"{NUMBER}={env[NUMBER]} kept as set")
    visible = cores_in(env[VISIBLE])
    if workers > len(visible):
        raise _too_many(workers, f"{VISIBLE}={env[VISIBLE]} shows {_count(len(visible))}")
    shared = f"; all {workers} workers see the same cores, unset it to give each its own" if workers > 1 else ""
    return DeviceShare(note=f"{VISIBLE}={env[VISIBLE]} kept as set{shared}")


def _too_many(workers: int, why: str) -> OptionError:
    return OptionError(
        f"{workers} workers (-n {workers}), more than there are NeuronCores: {why}",
        hint="use fewer workers; two processes cannot share a core",
    )


def _count(cores: int) -> str:
    return f"{cores} NeuronCore" + ("s" if cores != 1 else "")


def worker_index(worker: str) -> int:
    """Return the number in an xdist worker's name; OptionError for a name without one."""
    number = re.search(r"\d+$", worker)
    if number is None:
        raise OptionError(f"worker {worker!r} has no number", hint="start workers with -n")
    return int(number.group())


def cores_in(text: str) -> tuple[int, ...]:
    """Return the cores of ``NEURON_RT_VISIBLE_CORES``: ``4``, ``7-15`` or ``0,1,2``. OptionError for anything else."""
    cores: list[int] = []
    for part in text.split(","):
        bounds = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part)
        if bounds is None:
            raise OptionError(f"{VISIBLE}={text!r} is not a core, a range or a list", hint="write 0, 0-3 or 0,2")
        first = int(bounds.group(1))
        cores.extend(range(first, int(bounds.group(2) or first) + 1))
    return tuple(dict.fromkeys(cores))


def _whole(text: str) -> int:
    return int(text) if text.strip().isdigit() else 0
