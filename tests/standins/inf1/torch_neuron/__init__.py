"""A stand-in for torch_neuron 1.13.1 (see ../../README.md)."""

import logging
import subprocess

import neuron_standin
import torch

__version__ = "1.13.1.2.11.13.0"

logger = logging.getLogger("Neuron")


def is_available():
    return neuron_standin.has_device()


def trace(
    func,
    example_inputs,
    fallback=True,
    op_whitelist=None,
    minimum_segment_size=2,
    subgraph_builder_function=None,
    subgraph_inputs_pruning=True,
    skip_compiler=False,
    debug_must_trace=True,
    allow_no_ops_on_neuron=False,
    compiler_workdir=None,
    dynamic_batch_size=False,
    compiler_timeout=None,
    _neuron_trace=True,
    compiler_args=None,
    optimizations=None,
    verbose="INFO",
    **kwargs,
):
    example = tuple(example_inputs) if isinstance(example_inputs, (tuple, list)) else (example_inputs,)
    if not all(isinstance(tensor, torch.Tensor) for tensor in example):
        raise TypeError("example_inputs is not a tuple of tensors")
    if compiler_args is not None and not all(isinstance(item, str) for item in compiler_args):
        raise TypeError("compiler_args is not a list of str")
    if func.training:
        raise ValueError("model is in training mode")
    behaviours = neuron_standin.behaviours()
    neuron_standin.record("trace", compiler_args=compiler_args, timeout=compiler_timeout, dynamic=dynamic_batch_size)
    if "cpu_trace" in behaviours:
        logger.warning("No operator is placed on Neuron runtime; returning a CPU trace")
        return torch.jit.trace(func, example, check_trace=False)
    if "none" in behaviours and not allow_no_ops_on_neuron:
        raise RuntimeError(
            "No operations were successfully partitioned and compiled to neuron for this model - aborting trace!"
        )
    if "timeout" in behaviours:
        raise subprocess.TimeoutExpired(["neuron-cc", "compile", "graph_def.pb"], compiler_timeout or 60)
    if "memory" in behaviours:
        raise subprocess.SubprocessError(
            "neuron-cc failed with the following command line call:\nneuron-cc compile graph_def.pb\nexit status -9"
        )
    if "unsupported" in behaviours and not fallback:
        raise AttributeError("Neuron compile failed.  Operator aten::adaptive_max_pool2d is not supported")
    if "silent" not in behaviours:
        write_log(behaviours)
    if "all_back" in behaviours:
        return torch.jit.trace(func, example, check_trace=False)
    return neuron_standin.compile_for_device(func, example, dynamic_batch_size)


def write_log(behaviours):
    fused = 226 if "low" in behaviours else 548
    graphs = 2 if "fallback" in behaviours else 1
    failed = int("fallback" in behaviours or "all_back" in behaviours)
    compiled = graphs - failed
    logger.info(
        "Number of arithmetic operators (pre-compilation) before = 565, fused = %d, percent fused = %.2f%%",
        fused,
        fused / 5.65,
    )
    logger.info("The neuron partitioner created %d sub-graphs", graphs)
    if failed:
        logger.warning("torch.neuron.trace failed on _NeuronGraph$551; falling back to native python function call")
    if compiled:
        logger.info(
            "Neuron successfully compiled %d sub-graphs, Total fused subgraphs = %d, "
            "Percent of model sub-graphs successfully compiled = %.1f%%",
            compiled,
            compiled,
            100 * compiled / graphs,
        )
    logger.info(" => aten::Int: 96 [supported]")
    logger.info(" => aten::embedding: 1 [not supported]")
