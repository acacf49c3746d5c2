"""torch_neuron, for Inf1: traces on the CPU, compiles what it can, and leaves the rest there without an exception."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch

from pytest_torchscript.backends.base import ExportRequest
from pytest_torchscript.backends.neuron.common import NeuronBackendBase
from pytest_torchscript.backends.neuron.generations import INF1
from pytest_torchscript.backends.neuron.log import Placement, captured, judge_placement, read_log
from pytest_torchscript.common.silence import quiet


class NeuronBackend(NeuronBackendBase):
    """Compiles with torch_neuron.trace, by keyword alone: the order of its parameters changed between releases."""

    name = INF1.name
    generation = INF1

    def _trace(
        self, library: ModuleType, request: ExportRequest
    ) -> tuple[torch.jit.ScriptModule, Placement, dict[str, Any]]:
        example = tuple(tensor.clone() for tensor in request.example)
        with captured() as capture, quiet(), torch.no_grad():
            module = library.trace(request.module, example_inputs=example, **self._keywords())
        log, count = read_log(capture.lines), neuron_operators(module)
        placement = judge_placement(log, threshold=self.options.fused_threshold, neuron_operators=count)
        return module, placement, {"log": log.facts, "neuron_operators": count}

    def _keywords(self) -> dict[str, Any]:
        """Return only what differs from the library's defaults: older builds do not know every keyword."""
        options = self.options
        keywords: dict[str, Any] = {"compiler_args": list(self._arguments())}
        if options.timeout is not None:
            keywords["compiler_timeout"] = options.timeout
        if options.workdir is not None:
            keywords["compiler_workdir"] = options.workdir
        if options.dynamic_batch:
            keywords["dynamic_batch_size"] = True
        if not options.fallback:
            keywords["fallback"] = False
        if options.minimum_segment_size is not None:
            keywords["minimum_segment_size"] = options.minimum_segment_size
        return keywords


def neuron_operators(module: Any) -> int:
    """Count the ``neuron::`` nodes of an artifact's graph; 0 where it has no graph to read."""
    graph = getattr(module, "inlined_graph", None)
    if graph is None:
        return 0
    return sum(node.kind().startswith("neuron::") for node in all_nodes(graph))


def all_nodes(block: Any) -> list[Any]:
    """Return the nodes of a graph or block, with those of the blocks inside."""
    nodes = []
    for node in block.nodes():
        nodes.append(node)
        for inner in node.blocks():
            nodes.extend(all_nodes(inner))
    return nodes
