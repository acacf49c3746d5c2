"""Scripts that repeat the failures of specimens: exit code 1 on the broken model, 0 on the repaired one.

A run in CI has one of them; ``HOSTILE=all`` (``nox -s hostile``) has every one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import pytest_torchscript

pytestmark = pytest.mark.process

#: By specimen: its file, and what is written in place of what.
REPAIRS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "half_rounded_up": ("sizes.py", {"math.ceil(signal.shape[1] / 2)": "(signal.shape[1] + 1) // 2"}),
    "size_as_text": ("sizes.py", {'int(name.rpartition("_")[2])': "signal.shape[1]"}),
    "position_int": ("text.py", {"until = int(input_ids.shape[1])": "until = input_ids.shape[1]"}),
    "triangle_int": ("text.py", {"length = int(input_ids.shape[-1])": "length = input_ids.shape[-1]"}),
    "length_scale": (
        "text.py",
        {
            "math.log(length, 16) if length > 16 else 1.0": (
                "(torch.ones_like(input_ids[0]).sum().log() / math.log(16)).clamp(min=1)"
            )
        },
    ),
    "last_token_list": ("text.py", {"list(range(len(input_ids)))": "torch.arange(input_ids.shape[0])"}),
    "relative_list": (
        "text.py",
        {
            "[[abs(row - column) for column in range(length)] for row in range(length)]": (
                "(torch.arange(length)[:, None] - torch.arange(length)).abs()"
            ),
            "torch.tensor(distances)": "distances",
        },
    ),
    "pooling_square_root": (
        "text.py",
        {"math.sqrt(input_ids.numel())": "(input_ids.shape[0] * input_ids.shape[1]) ** 0.5"},
    ),
    "interpolate_int": (
        "image.py",
        {"(int(pixels.shape[2]) * 2, int(pixels.shape[3]))": "(pixels.shape[2] * 2, pixels.shape[3])"},
    ),
    "global_pool_int": (
        "image.py",
        {"functional.avg_pool2d(self.stem(pixels), kernel).flatten(1)": "self.stem(pixels).mean((2, 3))"},
    ),
    "sides_swapped": ("image.py", {"rows, columns = int(height), int(width)": "rows, columns = height, width"}),
    "coordinate_int": (
        "image.py",
        {
            "torch.linspace(-1, 1, int(pixels.shape[-2]))": (
                "torch.arange(pixels.shape[-2]) / (pixels.shape[-2] - 1) * 2 - 1"
            )
        },
    ),
}
CHOSEN = list(REPAIRS) if os.environ.get("HOSTILE") == "all" else list(REPAIRS)[:1]
FACTORY = """
from specimens.table import SPECIMENS

def specimen(name):
    chosen = next(chosen for chosen in SPECIMENS if chosen.name == name)
    return chosen.factory(), dict(chosen.inputs)
"""


def test_a_repaired_specimen_ends_its_script_with_zero(tmp_path: Path) -> None:
    for name in ("broken", "repaired"):
        shutil.copytree(Path(__file__).parent, tmp_path / name / "specimens", ignore=shutil.ignore_patterns("test_*"))
        (tmp_path / name / "zoo.py").write_text(FACTORY, encoding="utf-8")
    for file, changes in (REPAIRS[name] for name in CHOSEN):
        path = tmp_path / "repaired" / "specimens" / file
        text = path.read_text(encoding="utf-8")
        for old, new in changes.items():
            assert text.count(old) == 1
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")
    models = [f"--torchscript-model=zoo:specimen({name!r})" for name in CHOSEN]
    words = [
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *models,
        "-k",
        "axis",
        f"--torchscript-reproducers={tmp_path}/out",
    ]
    said = run(tmp_path / "broken", "-m", *words).stdout
    scripts = sorted((tmp_path / "out").glob("*.py"))
    assert {name for name in CHOSEN if any(name in script.name for script in scripts)} == set(CHOSEN), said
    for script in scripts:
        broken, repaired = (run(tmp_path / name, str(script)) for name in ("broken", "repaired"))
        assert (broken.returncode, repaired.returncode) == (1, 0), (script, broken.stderr, repaired.stderr)
        assert broken.stderr.splitlines()[-1].startswith("AssertionError: ")


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    package = Path(pytest_torchscript.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.fspath(folder), os.fspath(package)])}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
