"""A stand-in for torch_neuronx 2.9, XLA generation (see ../../README.md)."""

import os
import warnings

import neuron_standin

__version__ = "2.9.0.2.15.32035"

NO_DEVICE = (
    "Bad StatusOr access: INVALID_ARGUMENT: PJRT_Client_Create: "
    "error condition nullptr != (args)->client->Error(): Init: error condition !(num_devices > 0):"
)
TARGET_MISSING = (
    "If you want to compile on CPU, please supply compiler argument target, with one of options trn1, inf2, trn1n, "
    'or trn2. Ex: "--target trn1"'
)
IMPORTED_WITH_TARGET = os.environ.get("NEURON_PLATFORM_TARGET_OVERRIDE")


def trace(
    func,
    example_inputs,
    *_,
    input_output_aliases=None,
    compiler_workdir=None,
    compiler_args=None,
    partitioner_config=None,
    inline_weights_to_neff=True,
    cpu_backend=False,
    **unknown,
):
    if unknown:
        warnings.warn(f"Unexpected keyword arguments: {list(unknown)}", stacklevel=2)
    arguments = compiler_args.split() if isinstance(compiler_args, str) else list(compiler_args or ())
    neuron_standin.record("trace", compiler_args=arguments, cpu_backend=cpu_backend, target=IMPORTED_WITH_TARGET)
    if not cpu_backend and not neuron_standin.has_device():
        raise RuntimeError(NO_DEVICE)
    if cpu_backend and "--target" not in arguments:
        raise RuntimeError(TARGET_MISSING)
    if "unsupported" in neuron_standin.behaviours():
        raise RuntimeError("Input tensor is not an XLA tensor: CPUFloatType")
    compiled = neuron_standin.compile_for_device(func, example_inputs)
    SOURCES[id(compiled)] = (func, example_inputs)
    return compiled


SOURCES = {}


def dynamic_batch(neuron_script):
    func, example_inputs = SOURCES[id(neuron_script)]
    return neuron_standin.compile_for_device(func, example_inputs, dynamic_batch=True)
