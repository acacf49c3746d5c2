"""What both stand-ins share: bf16 arithmetic, operators that check shapes and the device, behaviours, a record.

Behaviours, by the environment variable NEURON_STANDIN (several, with commas):
    off=X        every output is X away from what it should be
    exact        float32 arithmetic
    cpu_trace    too small a graph: a CPU trace and one log line
    none         nothing partitioned: RuntimeError
    fallback     one of two sub-graphs fails to compile and is put back on the CPU
    all_back     the only sub-graph fails to compile
    low          40 % of the operators are fused
    silent       no log line at all
    timeout      the compiler does not finish
    memory       the compiler is killed
    unsupported  an operator without support, and no fall-back
    abort        the process dies when the artifact runs
"""

import atexit
import copy
import json
import os
import pathlib

import torch


def behaviours():
    words = [word for word in os.environ.get("NEURON_STANDIN", "").split(",") if word]
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def record(event, **facts):
    path = os.environ.get("NEURON_STANDIN_RECORD")
    if path:
        facts.update(event=event, pid=os.getpid(), cores=os.environ.get("NEURON_RT_VISIBLE_CORES"))
        with pathlib.Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(facts, default=str) + "\n")


def has_device():
    return os.environ.get("NEURON_STANDIN_DEVICE") == "1"


def runtime_ready(x):
    if "abort" in behaviours():
        os.abort()
    if has_device():
        record("run")
    return has_device()


def enter(x):
    return x.to(torch.bfloat16).to(x.dtype) if x.is_floating_point() else x.to(torch.int32).to(x.dtype)


def leave(x, difference):
    return x + difference if x.is_floating_point() else x.clone()


VARIABLES = ("NEURON_STANDIN_DEVICE", "NEURON_STANDIN_RECORD", "NEURON_STANDIN")


def make_operators():
    """Define the operators once a process: an in-process inner pytest run drops this module, torch stays."""
    if hasattr(torch.library, "neuron_standin_operators"):
        return
    library = torch.library.Library("neuron", "DEF")
    library.define("runtime_ready(Tensor x) -> bool")
    library.define("enter_v1(Tensor x) -> Tensor")
    library.define("forward_v2_0(Tensor x, float difference) -> Tensor")
    library.impl("runtime_ready", runtime_ready, "CPU")
    library.impl("enter_v1", enter, "CPU")
    library.impl("forward_v2_0", leave, "CPU")
    torch.library.neuron_standin_operators = library
    atexit.register(vars(torch.library).pop, "neuron_standin_operators")  # torch 1.13 complains of one left at the end


make_operators()


def guarded(x: torch.Tensor, shape: list[int], first: int) -> torch.Tensor:
    if not bool(torch.ops.neuron.runtime_ready(x)):
        raise RuntimeError(
            "The PyTorch Neuron Runtime could not be initialized. Neuron Driver issues are logged\n"
            "to your system logs. See the Neuron Runtime's troubleshooting guide for help on this topic"
        )
    if x.dim() != len(shape):
        raise RuntimeError("nrt infer_wait failed in nrtd")
    for position in range(first, len(shape)):
        if x.size(position) != shape[position]:
            raise RuntimeError("nrt infer_wait failed in nrtd")
    return torch.ops.neuron.enter_v1(x)


def round_outputs(module, inputs, output):
    if isinstance(output, torch.Tensor) and output.is_floating_point():
        return output.to(torch.bfloat16).to(output.dtype)
    return output


class OnDevice(torch.nn.Module):
    """The wrapped module in bf16 arithmetic, behind a check of shapes and device."""

    def __init__(self, module, example, dynamic_batch):
        super().__init__()
        coarse = "exact" not in behaviours()
        self.inner = copy.deepcopy(module).eval()
        for parameter in self.inner.parameters():
            if coarse and parameter.is_floating_point():
                parameter.data = parameter.data.to(torch.bfloat16).to(parameter.dtype)
        for child in self.inner.modules():
            if coarse and not list(child.children()) and child is not self.inner:
                child.register_forward_hook(round_outputs)
        self.shapes = [list(tensor.shape) for tensor in example]
        self.first = 1 if dynamic_batch else 0
        self.difference = float(behaviours().get("off", "0"))
        self.guard = torch.jit.script(guarded)

    def forward(self, *tensors):
        entered = [self.guard(tensor, shape, self.first) for tensor, shape in zip(tensors, self.shapes)]
        outputs = self.inner(*entered)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return tuple(torch.ops.neuron.forward_v2_0(output, self.difference) for output in outputs)


def compile_for_device(module, example, dynamic_batch=False):
    """Trace the bf16 form; while tracing, the runtime counts as ready (a compiler needs no device)."""
    before = {name: os.environ.get(name) for name in VARIABLES}
    wrapped = OnDevice(module, example, dynamic_batch)
    os.environ.update(NEURON_STANDIN_DEVICE="1", NEURON_STANDIN_RECORD="", NEURON_STANDIN="")
    try:
        return torch.jit.trace(wrapped, example, check_trace=False)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
