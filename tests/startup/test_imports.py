"""A run that does not use the plugin pays nothing for it: seen at the exit of a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_torchscript

HEAVY = ("torch", "transformers", "hypothesis", "numpy", "onnxruntime", "torch_neuron", "torch_neuronx")

PROBE = """
import atexit, json, os, sys

@atexit.register
def tell():
    with open(os.environ["PROBE"], "w") as out:
        json.dump(sorted(sys.modules), out)
"""

PLUGIN = "pytest_torchscript.plugin"


def modules_at_exit(tmp_path: Path, *args: str) -> set[str]:
    """Return the modules that a process has imported when it ends, hypothesis's own plugin left out."""
    (tmp_path / "probe.py").write_text(PROBE)
    path = os.pathsep.join([str(tmp_path), str(Path(pytest_torchscript.__file__).parents[1])])
    # A worker of the outer run must not make the inner one believe that it is a worker, too.
    outer = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    env = {
        **outer,
        "PYTHONPATH": path,
        "PROBE": str(tmp_path / "modules.json"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    result = subprocess.run([sys.executable, *args], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    return set(json.loads((tmp_path / "modules.json").read_text()))


def test_package(tmp_path: Path) -> None:
    loaded = modules_at_exit(
        tmp_path, "-c", "import probe, pytest_torchscript; pytest_torchscript.Axis; pytest_torchscript.TensorSpec"
    )
    assert not loaded & set(HEAVY)


def test_help_of_commands(tmp_path: Path) -> None:
    arguments = "sys.argv[1:] = ['explain', '--help']"
    run = f"import probe, runpy, sys; {arguments}; runpy.run_module('pytest_torchscript', run_name='__main__')"
    loaded = modules_at_exit(tmp_path, "-c", run)
    assert "pytest_torchscript.settings" in loaded
    assert not loaded & {*HEAVY, "pytest"}


def test_unused_run(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text("import probe\n\ndef test_mine():\n    pass\n")
    loaded = modules_at_exit(tmp_path, "-m", "pytest", "-p", PLUGIN, "-q")
    assert PLUGIN in loaded
    assert not loaded & set(HEAVY)


def test_unused_run_on_workers(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    (tmp_path / "test_own.py").write_text("import probe\n\ndef test_mine():\n    pass\n")
    loaded = modules_at_exit(tmp_path, "-m", "pytest", "-p", "xdist", "-p", PLUGIN, "-n", "1", "-q")
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize("args", [("--help",), ("--markers",), ("--fixtures",)], ids=lambda args: args[0])
def test_asking(tmp_path: Path, args: tuple[str, ...]) -> None:
    (tmp_path / "conftest.py").write_text("import probe\n")
    assert not modules_at_exit(tmp_path, "-m", "pytest", "-p", PLUGIN, *args) & set(HEAVY)


def test_controller_without_options_to_check(tmp_path: Path) -> None:
    """The controller of a distributed run leaves the models to its workers."""
    pytest.importorskip("xdist")
    (tmp_path / "conftest.py").write_text("import os\nif 'PYTEST_XDIST_WORKER' not in os.environ:\n    import probe\n")
    (tmp_path / "zoo.py").write_text(
        "import torch\nfrom pytest_torchscript import TensorSpec\n\n"
        "def good():\n    return torch.nn.Linear(4, 4), {'input': TensorSpec('batch', 4)}\n"
    )
    args = ("-m", "pytest", "-p", "xdist", "-p", PLUGIN, "-n", "1", "--torchscript-model", "zoo:good", "-k", "trace")
    assert not modules_at_exit(tmp_path, *args) & {"torch", "transformers", "hypothesis"}


def test_import_is_quick(tmp_path: Path) -> None:
    """Over pytest alone; the best of some, because machines stutter. The budget is 10 ms, here with room for slow ones."""
    code = (
        "import time, pytest, dataclasses\n"
        "start = time.perf_counter()\n"
        "import pytest_torchscript.plugin\n"
        "print(time.perf_counter() - start)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(pytest_torchscript.__file__).parents[1])}
    env["PYTHONPYCACHEPREFIX"] = str(tmp_path)  # compiled once, as where it is installed
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    seconds = [
        float(subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    assert min(seconds) < 0.05
