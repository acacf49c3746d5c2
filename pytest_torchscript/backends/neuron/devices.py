"""Which Neuron devices and cores this machine has, read from files. Imports neither torch nor a Neuron library.

A character device ``/dev/neuron*`` is a device; it is looked at and not opened. ``/proc/devices`` and ``/sys`` explain
what is missing and count cores, nothing more: a driver without a device node cannot run anything.
"""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_torchscript.backends.neuron.generations import GENERATIONS

#: Names a folder to look under instead of ``/``: for tests with stand-in devices (docs/neuron.md).
ROOT_VARIABLE = "PYTEST_TORCHSCRIPT_NEURON_ROOT"

#: Cores of an instance by its name (pages of the vendor's instance families; Inf1 has 4 a chip, Inf2 and Trn1 have 2).
_INSTANCE_CORES = {
    "inf1.xlarge": 4,
    "inf1.2xlarge": 4,
    "inf1.6xlarge": 16,
    "inf1.24xlarge": 64,
    "inf2.xlarge": 2,
    "inf2.8xlarge": 2,
    "inf2.24xlarge": 12,
    "inf2.48xlarge": 24,
    "trn1.2xlarge": 2,
    "trn1.32xlarge": 32,
    "trn1n.32xlarge": 32,
}
_LISTING = "/opt/aws/neuron/bin/neuron-ls"
_LISTING_SECONDS = 20


@dataclass(frozen=True)
class Devices:
    """The device nodes found, and in words what was found or why not. ``instance`` is empty off the vendor's cloud."""

    nodes: tuple[str, ...]
    why: str
    instance: str = ""
    hint: str = ""


def root_of(env: Mapping[str, str], root: str | None = None) -> Path:
    """Return the folder to look under: the argument, else the variable for stand-ins, else ``/``."""
    return Path(root or env.get(ROOT_VARIABLE) or "/")


def find_devices(root: Path) -> Devices:
    """Look for character devices ``dev/neuron*`` under a root."""
    nodes: list[str] = []
    others: list[str] = []
    for path in sorted((root / "dev").glob("neuron*")):
        (nodes if _is_character_device(path) else others).append(str(path))
    instance = _first_line(root / "sys/devices/virtual/dmi/id/product_name")
    instance = instance if re.match(r"(inf|trn)\d", instance) else ""
    if nodes:
        return Devices(tuple(nodes), f"{', '.join(nodes)} found", instance)
    return Devices((), *_why_none(root, others, instance))


def _why_none(root: Path, others: list[str], instance: str) -> tuple[str, str, str]:
    """Return why there is no device, the instance, and what to do about it."""
    pattern = root / "dev" / "neuron*"
    if others:
        why = f"no device: {', '.join(others)} is not a character device"
        return why, instance, "remove the file; the driver makes the device node"
    driver = re.search(r"^\s*\d+\s+neuron\s*$", _read(root / "proc/devices"), re.MULTILINE)
    if driver:
        why = f"no device: the driver is loaded (/proc/devices), but no {pattern} is visible here"
        return why, instance, "in a container pass --device=/dev/neuron0"
    if instance:
        why = f"no device: this is {instance}, but its driver is not loaded (no {pattern}, none in /proc/devices)"
        return why, instance, "install the driver: aws-neuronx-dkms (2.24.* is the last series for Inf1)"
    return f"no device: no {pattern}", "", "run on an Inf1, Inf2 or Trn1 instance with the driver aws-neuronx-dkms"


def count_cores(env: Mapping[str, str], *, backend: str = "neuron", root: str | None = None) -> int:
    """Return how many NeuronCores the machine has; 0 where no device was found.

    Asked in this order: sysfs, ``neuron-ls --json-output``, the instance's name, the usual number for each device node.
    """
    base = root_of(env, root)
    devices = find_devices(base)
    if not devices.nodes:
        return 0
    return (
        _cores_of_sysfs(base)
        or _cores_of_listing(env)
        or _INSTANCE_CORES.get(devices.instance, 0)
        or len(devices.nodes) * GENERATIONS[backend].cores_a_device
    )


def _cores_of_sysfs(root: Path) -> int:
    counts = (_first_line(path) for path in (root / "sys/devices/virtual/neuron_device").glob("neuron*/core_count"))
    return sum(int(count) for count in counts if count.isdigit())


def _cores_of_listing(env: Mapping[str, str]) -> int:
    """Return the cores `neuron-ls` names; 0 where it is not there or says nothing usable."""
    program = shutil.which("neuron-ls", path=env.get("PATH")) or shutil.which(_LISTING)
    if program is None:
        return 0
    try:
        listed = subprocess.run(
            [program, "--json-output"], capture_output=True, timeout=_LISTING_SECONDS, check=True, env=dict(env)
        )
        return sum(_counts_of(json.loads(listed.stdout)))
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0


def _counts_of(listing: object) -> Iterator[int]:
    for entry in listing if isinstance(listing, list) else ():
        count = entry.get("nc_count") if isinstance(entry, dict) else None
        if isinstance(count, int):
            yield count


def _is_character_device(path: Path) -> bool:
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except OSError:
        return False


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _first_line(path: Path) -> str:
    return _read(path).strip().split("\n")[0].strip()
