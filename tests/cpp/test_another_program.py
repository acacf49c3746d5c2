"""The saved file is run by a C++ program linked with the installed torch: same answers as Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from pytest_torchscript import TensorSpec
from pytest_torchscript.checks import Lab, make_plan, make_settings
from tests import toys

SOURCE = Path(__file__).with_name("run_module.cpp")
COMPILER = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")
#: torch 2.9 and later need C++20 in their headers, earlier ones C++17.
STANDARD = "-std=c++20" if hasattr(torch, "accelerator") else "-std=c++17"

pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="no C++ compiler found: install g++ or set CXX"),
    pytest.mark.filterwarnings("ignore:.*torch.jit"),  # the test itself scripts a holder
    pytest.mark.skipif(sys.platform == "win32", reason="the flags below are those of g++ and clang"),
]


class Holder(nn.Module):
    """Carries tensors as buffers."""

    def __init__(self, tensors: list[torch.Tensor]) -> None:
        super().__init__()
        for index, tensor in enumerate(tensors):
            self.register_buffer(f"tensor_{index}", tensor)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the program once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch 1.13 asks setuptools for what it deprecates
        from torch.utils import cpp_extension
    binary = tmp_path_factory.mktemp("cpp") / "run_module"
    libraries = cpp_extension.library_paths()
    command = [str(COMPILER), STANDARD, "-O0", str(SOURCE), "-o", str(binary)]
    command += [f"-D_GLIBCXX_USE_CXX11_ABI={int(torch._C._GLIBCXX_USE_CXX11_ABI)}"]
    command += [f"-I{path}" for path in cpp_extension.include_paths()]
    command += [flag for path in libraries for flag in (f"-L{path}", f"-Wl,-rpath,{path}")]
    command += ["-Wl,--no-as-needed", "-ltorch", "-ltorch_cpu", "-lc10", "-Wl,--allow-shlib-undefined"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return binary


def answers_of(program: Path, folder: Path, lab: Lab, sizes: dict[str, int]) -> list[torch.Tensor]:
    """Save the artifact and its inputs, run the program, and read what it answered."""
    paths = [folder / name for name in ("model.pt", "inputs.pt", "answers.pt")]
    lab.export.artifact.save(paths[0])
    torch.jit.script(Holder(list(lab.subject.draw(sizes).values()))).save(str(paths[1]))
    done = subprocess.run([program, *paths], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return list(torch.jit.load(str(paths[2])).buffers())


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        (toys.Sound(), toys.SIGNAL),
        (toys.Masked(), toys.TEXT),
        (toys.Nested(), toys.SIGNAL),
        ("bert-base-uncased", None),
    ],
    ids=["sound", "masked", "nested", "bert"],
)
def test_a_saved_file_answers_the_same_in_another_program(
    program: Path, tmp_path: Path, model: nn.Module | str, inputs: dict[str, TensorSpec] | None
) -> None:
    lab = make_plan(model, make_settings(weights="tiny"), inputs=inputs).load()
    for sizes in (lab.sizes, {name: size + 1 for name, size in lab.sizes.items()}):
        answers = answers_of(program, tmp_path, lab, sizes)
        trial = lab.bench.judge.compare(answers, lab.subject.eager(lab.subject.draw(sizes)), lab.subject.draw(sizes))
        assert trial.status == "agrees", trial


def test_the_program_tells_a_frozen_size_too(program: Path, tmp_path: Path) -> None:
    lab = make_plan(toys.FrozenMean(), make_settings(), inputs=toys.SIGNAL).load()
    sizes = {**lab.sizes, "time": lab.sizes["time"] + 1}
    answers = answers_of(program, tmp_path, lab, sizes)
    trial = lab.bench.judge.compare(answers, lab.subject.eager(lab.subject.draw(sizes)), lab.subject.draw(sizes))
    assert trial.status == "differs"
