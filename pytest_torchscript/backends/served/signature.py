"""Our inputs and outputs beside those of a server: by name, else by order, with a word.

A server may hold several of eager's tensors in one of its own: hidden states, one behind the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Union

import torch

from pytest_torchscript.backends.base import ExportRequest
from pytest_torchscript.backends.served.datatypes import NAMES, TORCH, can_become
from pytest_torchscript.errors import BackendError, OptionError

_Shape = Sequence[Union[str, int]]


@dataclass(frozen=True)
class Port:
    """An input or output of a server. ``datatype`` is empty, and ``dims`` None, where it does not say; -1 is free."""

    name: str
    datatype: str = ""
    dims: tuple[int, ...] | None = None

    def __str__(self) -> str:
        return " ".join(
            [self.name, *([self.datatype] if self.datatype else []), *([shown(self.dims)] if self.dims else [])]
        )


@dataclass(frozen=True)
class Signature:
    """What a server says it takes and gives."""

    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()


def counted(name: str) -> list[tuple[bool, int, str]]:
    """Order names with numbers in them by the numbers: output_2 comes before output_10."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name)]


def shown(dims: _Shape) -> str:
    """Write dims as a list, free ones as -1."""
    return f"[{', '.join(str(dim) for dim in dims)}]"


def declared(words: Sequence[str], option: str) -> tuple[Port, ...]:
    """Read ports from an option: each ``NAME`` or ``NAME:DATATYPE``. A name may hold colons."""
    ports = []
    for word in words:
        name, colon, datatype = word.rpartition(":")
        known = bool(colon) and datatype.upper() in TORCH
        if colon and datatype.isupper() and not known:
            raise OptionError(
                f"served option {option}: {word!r} has an unknown datatype", hint=f"datatypes are: {', '.join(TORCH)}"
            )
        ports.append(Port(name, datatype.upper()) if known else Port(word))
    return tuple(ports)


def match_inputs(ports: Sequence[Port], request: ExportRequest, where: str) -> tuple[list[Port], list[str]]:
    """Return for each of our inputs the server's, with a datatype, and what is to be said of it.

    By name; what is left over goes by order where the counts agree. BackendError where they do not, and where a rank or a
    datatype cannot match.
    """
    if not ports:
        return [Port(name, NAMES.get(tensor.dtype, "")) for name, tensor in _fed(request).items()], [
            "the server does not say what it takes: inputs go by eager's names"
        ]
    by_name = {plain_name(port.name): port for port in ports}
    found = {name: by_name[plain_name(name)] for name in request.names if plain_name(name) in by_name}
    ours = [name for name in request.names if name not in found]
    theirs = [port for port in ports if port not in found.values()]
    if len(ours) != len(theirs):
        raise _unmatched(ours, theirs, request, where)
    notes = []
    if ours:
        pairs = ", ".join(f"{name} as {port.name}" for name, port in zip(ours, theirs))
        notes.append(f"inputs that have other names on the server go by their order: {pairs}")
        found.update(zip(ours, theirs))
    return [_fitted(found[name], name, tensor, where) for name, tensor in _fed(request).items()], notes


def _fed(request: ExportRequest) -> Mapping[str, torch.Tensor]:
    return dict(zip(request.names, request.example))


def plain_name(name: str) -> str:
    """Return a name in the form in which names are compared: servers write ``states.0``, ``states_0``, ``states:0``."""
    return re.sub(r"\W+", "_", name).strip("_")


def _unmatched(ours: Sequence[str], theirs: Sequence[Port], request: ExportRequest, where: str) -> BackendError:
    lines = []
    if theirs:
        lines.append(f"the server has also {', '.join(map(str, theirs))}")
    if ours:
        lines.append(f"eager has also {', '.join(ours)}")
    if theirs and not ours:
        hint = (
            f"declare {theirs[0].name!r} among the inputs of the reference (module:factory that returns the model and its "
            "inputs), or serve a signature without it"
        )
    else:
        hint = f"leave it out with --torchscript-anchor {ours[0]}=none, or name the server's inputs with served.inputs"
    return BackendError(
        f"{where}: eager is fed {', '.join(request.names)}, and the inputs of the server are others",
        evidence=lines,
        hint=hint,
    )


def _fitted(port: Port, name: str, tensor: torch.Tensor, where: str) -> Port:
    """Return a port with the datatype that a tensor goes as. BackendError where it cannot."""
    own = NAMES.get(tensor.dtype, str(tensor.dtype))
    datatype = port.datatype or own
    as_here = "" if port.name == name else f", {name!r} here,"
    if not can_become(tensor.dtype, datatype):
        raise BackendError(
            f"{where}: input {port.name!r}{as_here} is {datatype} on the server and {own} in eager, which cannot match",
            hint=f"give {name!r} the server's dtype in its TensorSpec, or serve the model in {own}",
        )
    if port.dims is not None and len(port.dims) != tensor.dim():
        raise BackendError(
            f"{where}: input {port.name!r}{as_here} has {len(port.dims)} dims on the server, {shown(port.dims)}, and "
            f"{tensor.dim()} in eager, {shown(tuple(tensor.shape))}",
            hint=f"give {name!r} the server's dims in its TensorSpec, or correct the server's configuration",
        )
    return Port(port.name, datatype, port.dims)


@dataclass(frozen=True)
class Reading:
    """How one of the server's outputs is read: as it is, or as ``count`` tensors side by side along ``dim``.

    ``stacked`` says that ``dim`` is one of its own, else they are joined along it. ``dtypes`` are eager's.
    """

    name: str
    leaves: tuple[int, ...]
    dtypes: tuple[torch.dtype, ...]
    dim: int = 0
    stacked: bool = False

    def read(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """Return the tensors of eager's that an output holds. One that does not come apart is returned as it is."""
        if len(self.leaves) == 1:
            return [tensor]
        count = len(self.leaves)
        if (
            tensor.dim() <= self.dim
            or tensor.shape[self.dim] % count
            or (self.stacked and tensor.shape[self.dim] != count)
        ):
            return [tensor]
        return list(tensor.unbind(self.dim) if self.stacked else tensor.chunk(count, self.dim))


def match_outputs(
    paths: Sequence[str], expected: Sequence[torch.Tensor], answer: Mapping[str, torch.Tensor], where: str
) -> tuple[list[Reading], list[str]]:
    """Return how an answer is read as eager's tensors, and what is to be said of it; ``paths`` are where those lie.

    Eager's tensors go by their names, several of one name together (``hidden_states``); what is left over by order.
    BackendError where some of them are not there.
    """
    keys = [key_of(path) for path in paths]
    names = {plain_name(name): name for name in answer}
    taken: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        own = (
            key if key in names else next((name for name in names if re.fullmatch(rf"{re.escape(name)}_\d+", key)), "")
        )
        if own:
            taken.setdefault(names[own], []).append(index)
    matched = {index for indices in taken.values() for index in indices}
    groups = _groups([(index, keys[index]) for index in range(len(keys)) if index not in matched])
    left = [name for name in answer if name not in taken]
    notes = []
    if groups and len(left) < len(groups):
        missing = [paths[index] for group in groups for index in group]
        raise BackendError(
            f"{where}: the answer lacks {', '.join(missing[:5])}: it holds {', '.join(answer) or 'nothing'}",
            hint="serve the output, or check a model that returns what the server gives alone: module:factory",
        )
    if groups:
        one_each = sum(len(group) for group in groups)
        chosen = [[index] for group in groups for index in group] if len(left) >= one_each else groups
        for name, group in zip(left, chosen):
            taken[name] = list(group)
        pairs = ", ".join(f"{name} as {paths[group[0]]}" for name, group in zip(left, chosen))
        notes.append(f"outputs that have other names on the server go by their order: {pairs}")
        left = left[len(chosen) :]
    if left:
        notes.append(f"outputs of the server that eager has not are not compared: {', '.join(left)}")
    readings = [_reading(name, indices, expected, answer[name], where) for name, indices in taken.items()]
    notes += [f"{item.name} holds {len(item.leaves)} tensors of eager" for item in readings if len(item.leaves) > 1]
    return readings, notes


def key_of(path: str) -> str:
    """Return a path into eager's output as a name: ``['hidden_states'][0]`` becomes ``hidden_states_0``."""
    return "_".join(re.findall(r"\w+", path))


def _groups(left: Sequence[tuple[int, str]]) -> list[list[int]]:
    """Return what has one name but for a number at its end together; what has no name is on its own."""
    groups: dict[str, list[int]] = {}
    for index, key in left:
        groups.setdefault(re.sub(r"_\d+$", "", key), []).append(index)
    return list(groups.values())


def _reading(
    name: str, indices: Sequence[int], expected: Sequence[torch.Tensor], tensor: torch.Tensor, where: str
) -> Reading:
    leaves, dtypes = tuple(indices), tuple(expected[index].dtype for index in indices)
    if len(indices) == 1:
        return Reading(name, leaves, dtypes)
    shape, count = tuple(expected[indices[0]].shape), len(indices)
    found = []
    for dim in range(tensor.dim()):
        rest = (*tensor.shape[:dim], *tensor.shape[dim + 1 :])
        if tensor.shape[dim] == count and rest == shape:
            found.append(Reading(name, leaves, dtypes, dim, stacked=True))
    for dim in range(len(shape)):
        if tuple(tensor.shape) == (*shape[:dim], count * shape[dim], *shape[dim + 1 :]):
            found.append(Reading(name, leaves, dtypes, dim))
    if not found:
        raise BackendError(
            f"{where}: output {name!r} has the shape {shown(tuple(tensor.shape))}, and eager's {count} tensors of that name "
            f"have {shown(shape)}: it does not come apart into them",
            hint="stack them along a dim of their own, or serve each under a name of its own",
        )
    if len(found) == 1:
        return found[0]

    def distance(reading: Reading) -> float:  # two dims of one size: the values tell which
        pairs = zip(reading.read(tensor), (expected[index] for index in indices))
        return float(sum((one.double() - other.double()).abs().sum() for one, other in pairs))

    return min(found, key=distance)
