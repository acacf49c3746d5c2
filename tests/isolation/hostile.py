"""Models that end their process, never return, take all memory, or leave something behind: each in one place."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

import torch
from torch import nn

from pytest_torchscript import TensorSpec

INPUTS = {"x": TensorSpec("batch", "time", 4)}


def crash() -> None:
    ctypes.string_at(0)


class Mean(nn.Module):
    """Sound, and does something hostile first, where it is told to: `when` is asked at each call."""

    def __init__(self, deed=None, when=lambda x: False):
        super().__init__()
        self.deed = [deed]
        self.when = [when]

    def forward(self, x):
        if self.when[0](x):
            self.deed[0]()
        return x.mean(1)


def in_eager(x):
    return not torch.jit.is_tracing()


def in_trace(x):
    return torch.jit.is_tracing()


def after_the_anchor(x):
    return in_eager(x) and int(x.shape[1]) not in (11, 1)


class AtSize(nn.Module):
    """Hostile at one size alone, which its own code names: so that this size is tried."""

    def __init__(self, deed):
        super().__init__()
        self.deed = [deed]

    def forward(self, x):
        if x.shape[1] == 31:
            self.deed[0]()
        return x.mean(1)


def at_size(deed):
    return AtSize(deed).eval(), INPUTS


def made(deed, when):
    return Mean(deed, when).eval(), INPUTS


def forever():
    while True:
        pass


def forever_in_cpp():
    (torch.zeros(8, 8) + torch.eye(8)).pow(1.0)
    ctypes.CDLL(None).pause()  # a call that holds no lock of Python's and returns never, whatever signals Python gets


def forever_with_the_lock():
    ctypes.PyDLL(None).sleep(600)  # Python cannot run a line meanwhile, not even a handler of signals


def take(gigabytes=3):
    return torch.ones(int(gigabytes * 2**28)).sum()


def leave_threads():
    for _ in range(3):
        threading.Thread(target=time.sleep, args=(600,)).start()


def leave_a_process():
    if os.fork() == 0:
        time.sleep(600)


class ScriptedLoop(nn.Module):
    def __init__(self):
        super().__init__()
        self.loop = torch.jit.script(loop_of)

    def forward(self, x):
        return self.loop(x.mean(1), x.shape[1] == 31)


def loop_of(x: torch.Tensor, endless: bool) -> torch.Tensor:
    while endless:
        x = x + 0.0
    return x


def kernel(x, length):
    """Trust the length that it is given, as a kernel in C++ does."""
    if length != x.shape[1]:
        crash()
    return x.mean(1)


LIBRARY = torch.library.Library("hostile", "DEF")
LIBRARY.define("mean(Tensor x, int length) -> Tensor")
LIBRARY.impl("mean", kernel, "CPU")


class Trusting(nn.Module):
    """A trace records the length as a number: eager never crashes, its artifact does at every other size."""

    def forward(self, x):
        return torch.ops.hostile.mean(x, int(x.shape[1]))


def change_state():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    torch.set_grad_enabled(True)
    torch.manual_seed(7)
    os.chdir("/")
    os.environ["HOSTILE_WAS_HERE"] = "1"
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.disable(logging.CRITICAL)


class Printing(nn.Module):
    def forward(self, x):
        if in_eager(x):
            print("x" * 1_000_000)
            sys.stderr.write("y" * 1_000_000)
        return x.mean(1)


def sound():
    return made(None, lambda x: False)


def segfault_in_trace():
    return made(crash, in_trace)


def segfault_in_eager():
    return made(crash, in_eager)


def segfault_at_size():
    return at_size(crash)


def segfault_in_artifact():
    return Trusting().eval(), INPUTS


def state_changed():
    return made(change_state, in_eager)


def abort_at_size():
    return at_size(os.abort)


def exit_in_eager():
    return made(lambda: os._exit(0), in_eager)


def exit_in_trace():
    return made(lambda: os._exit(13), in_trace)


def sys_exit_in_eager():
    return made(lambda: sys.exit(3), in_eager)


def killed_at_size():
    return at_size(lambda: os.kill(os.getpid(), 9))


def loop_in_python():
    return made(forever, after_the_anchor)


def loop_in_cpp():
    return made(forever_in_cpp, after_the_anchor)


def loop_with_the_lock():
    return made(forever_with_the_lock, after_the_anchor)


def loop_in_torchscript():
    return ScriptedLoop().eval(), INPUTS


def memory_at_size():
    return at_size(take)


def threads_left():
    return made(leave_threads, in_eager)


def process_left():
    return made(leave_a_process, in_trace)


def flood():
    return Printing().eval(), INPUTS


def source_deleted():
    path = Path("deleted.py").resolve()
    path.write_text("import torch\nclass Gone(torch.nn.Module):\n    def forward(self, x):\n        return x.mean(1)\n")
    sys.path.insert(0, str(path.parent))
    import deleted

    path.unlink()
    return deleted.Gone().eval(), INPUTS


def factory_segfault():
    crash()


def factory_exit():
    os._exit(5)


def factory_loop():
    forever()
