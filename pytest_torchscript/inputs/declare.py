"""Inputs that a user declares: by TensorSpecs, or by example tensors whose axes eager is asked about."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

import torch

from pytest_torchscript.errors import InputError
from pytest_torchscript.form import Form, code_of, quoted, read_form, shortened, type_name
from pytest_torchscript.inputs.draw import MASK, PIXEL_MASK, dtype_of, is_float
from pytest_torchscript.inputs.examples import FromExample, drawable
from pytest_torchscript.inputs.propose import Accepts, find_axes
from pytest_torchscript.spec import Axis, Dim, InputSpec, TensorSpec

#: What people hand over as inputs: by name, by place, or one alone; nested, and constants beside them.
Inputs = Union[Mapping[str, Any], Sequence[Any], TensorSpec, torch.Tensor]
#: Names so many arguments by place, and says whether they may be given by these names too (models/calling.py).
ByPlace = Callable[[int], "tuple[list[str], bool]"]

_WRITE = "write inputs={'x': TensorSpec('batch', 'time', 16)}, a tuple of examples, or one example"


@dataclass(frozen=True)
class Declared:
    """Inputs taken apart: their form, and the TensorSpec or the example of every flat input."""

    form: Form
    leaves: Mapping[str, TensorSpec | torch.Tensor]

    @property
    def examples(self) -> dict[str, torch.Tensor]:
        """The example tensors, without gradients, on the CPU: all inputs are there, and go to the model from there."""
        examples = {name: leaf.detach() for name, leaf in self.leaves.items() if isinstance(leaf, torch.Tensor)}
        return {name: value if value.is_meta else value.cpu() for name, value in examples.items()}

    @property
    def specs(self) -> dict[str, TensorSpec]:
        """The TensorSpecs; masks and ids named as in transformers have their role."""
        return {name: with_role(name, leaf) for name, leaf in self.leaves.items() if isinstance(leaf, TensorSpec)}


def read_inputs(inputs: Any, by_place: ByPlace | None = None, *, joined: bool = False) -> Declared:
    """Take the inputs of a call apart: a mapping of names, a tuple or a list by place, or one tensor.

    ``by_place`` names arguments that are given by place; without it they are numbered. ``joined`` says that inferred inputs
    join these, so that constants alone will do. Raises InputError that names the input and its type for whatever cannot be
    fed.
    """
    if isinstance(inputs, InputSpec):
        return Declared(inputs.form, dict(inputs))
    if isinstance(inputs, (torch.Tensor, TensorSpec)):
        inputs = (inputs,)
    if isinstance(inputs, Mapping):
        wrong = next((name for name in inputs if not isinstance(name, str)), None)
        if wrong is not None:
            raise InputError(
                f"inputs: the key {wrong!r} is of type {type_name(wrong)}, expected the name of an input", hint=_WRITE
            )
        given, positional = dict(inputs), False
    elif isinstance(inputs, (tuple, list)):
        given, positional = _placed(inputs, by_place)
    else:
        raise InputError(
            f"inputs: a value of type {type_name(inputs)} holds no inputs by name or by place", hint=_WRITE
        )
    form, leaves = read_form(given, _is_leaf, positional=positional)
    if not leaves and not (joined and form.constants):
        shown = ", ".join(f"{name}={shortened(value)}" for name, value in form.constants) or "nothing"
        raise InputError(f"inputs: no tensor is among them: {shown}", hint=_WRITE)
    for name, leaf in leaves.items():
        if isinstance(leaf, torch.Tensor) and (leaf.layout != torch.strided or leaf.is_quantized):
            kind = "quantized" if leaf.is_quantized else f"of layout {leaf.layout}"
            raise InputError(
                f"input {name!r}: the example is {kind}; sizes can be moved of dense tensors alone",
                hint="wrap the model in one that takes dense tensors and makes the others itself",
            )
    return Declared(form, leaves)


def _is_leaf(value: Any) -> bool:
    return isinstance(value, (torch.Tensor, TensorSpec))


def _placed(inputs: Sequence[Any], by_place: ByPlace | None) -> tuple[dict[str, Any], bool]:
    """Return arguments given by place by name, and whether they must be given by place again."""
    if by_place is None:
        return {f"input_{index}": value for index, value in enumerate(inputs)}, True
    names, named = by_place(len(inputs))
    if len(names) < len(inputs):
        takes = f"takes {len(names)} by place" + (f": {', '.join(names)}" if names else "")
        raise InputError(
            f"inputs: {len(inputs)} are given in a {type(inputs).__name__}, and the model {takes}",
            hint="give one value for each argument; a tuple that is one argument stands in a tuple of its own: ((h, c),)",
        )
    return dict(zip(names, inputs)), not named


def declare_inputs(inputs: Inputs, by_place: ByPlace | None = None) -> InputSpec:
    """Return the inputs declared by TensorSpecs; masks and ids named as in transformers get their role.

    Raises InputError for anything else: example tensors take `propose_axes`, which needs a model to ask.
    """
    if isinstance(inputs, InputSpec):
        return inputs
    declared = read_inputs(inputs, by_place)
    for name, example in declared.examples.items():
        raise InputError(
            f"input {name!r}: an example tensor of shape {tuple(example.shape)} does not tell which of its dims may move",
            hint=f"declare it: {{{name!r}: {describe_tensor(spec_of(name, example))}}}, naming the dims that move",
        )
    return InputSpec(declared.specs, form=declared.form)


def with_role(name: str, spec: TensorSpec) -> TensorSpec:
    """Return the spec of an input with the role that its name tells, where it declares none."""
    if spec.role or spec.fill is not None:
        return spec
    role = role_of(name, spec)
    # A mask without a dtype is made in integers; one declared without it has been declared in float32.
    return spec.updated(role=role, dtype=dtype_of(spec)) if role else spec


#: Inputs whose name says what they hold: the role is filled in where the declaration gives none.
_IDS = ("input_ids", "decoder_input_ids")
#: Masks by the names that mean 1 = real and 0 = padded. A `padding_mask` means the opposite as often as not.
_MASKS = ("attention_mask", "decoder_attention_mask", "encoder_attention_mask", "input_mask", "mask")
_PIXEL_MASKS = ("pixel_mask", "pixel_attention_mask", "mask")


def role_of(name: str, spec: TensorSpec) -> str:
    """Return what an input holds, by its name, its dims and the range of its values; empty where they do not tell."""
    name = name.rpartition(".")[2]  # of a nested one, the key it stands under
    if name in _IDS:
        return "" if is_float(spec) else "ids"
    binary = dtype_of(spec) == torch.bool or (spec.low or 0, spec.high or 1) in ((0, 1), (0, 2))
    pictures = len(spec.dims) > 2 and isinstance(spec.dims[-2], (str, Axis)) and spec.dims[-2] != spec.dims[-1]
    if name in _PIXEL_MASKS and pictures:
        return PIXEL_MASK if binary else ""
    return MASK if name in (*_MASKS, *_PIXEL_MASKS) and binary and len(spec.dims) > 1 else ""


def spec_of(name: str, example: torch.Tensor, dims: Sequence[Dim] | None = None) -> TensorSpec:
    """Return the spec of an example: its dtype and the range of its values, for floats only where none is negative."""
    shape = tuple(example.shape) if dims is None else tuple(dims)
    if example.dtype == torch.bool or example.dtype.is_complex or not example.numel():
        return TensorSpec(*shape, dtype=example.dtype)
    low, high = example.min().item(), example.max().item()
    if not example.dtype.is_floating_point:
        least, past = min(0, int(low)), max(int(high) + 1, 2)
        found = TensorSpec(*shape, dtype=example.dtype, low=least, high=past)
        return found.updated(role=role_of(name, found))
    dtype = None if example.dtype == torch.float32 else example.dtype
    if 0 <= low < high:
        return TensorSpec(*shape, dtype=dtype, low=_rounded(low, math.floor), high=_rounded(high, math.ceil))
    return TensorSpec(*shape, dtype=dtype)


def _rounded(bound: float, towards: Callable[[float], int]) -> float:
    """Return a bound with three digits, moved outwards: it is printed for people."""
    unit = 10.0 ** (math.floor(math.log10(bound)) - 2) if 0 < bound < math.inf else 1.0
    return round(towards(bound / unit) * unit, 12) if bound < math.inf else bound


def propose_axes(
    accepts: Accepts, examples: Mapping[str, torch.Tensor], *, form: Form | None = None, seed: int = 0
) -> InputSpec:
    """Return the axes that example tensors may have, found by asking which sizes are accepted, and values that may be drawn.

    ``accepts`` takes tensors by flat name; ``form`` is that of the call. Each dim is moved alone, then together with dims of
    its size in other inputs; those that only move together are one axis, and first dims of one size are the batch. The range
    is what was accepted, looked for between 1 and a default largest size in a few calls.
    Raises InputError where the examples themselves are refused, or are no tensors.
    """
    for name, example in examples.items():
        if not isinstance(example, torch.Tensor):
            raise InputError(
                f"input {name!r}: {type(example).__name__} is not a tensor",
                hint="give every input as an example tensor, or every input as a TensorSpec",
            )
    axes = find_axes(accepts, examples)
    described: set[str] = set()
    inputs = {}
    for name, example in examples.items():
        dims: list[Dim] = []
        for index, size in enumerate(example.shape):
            axis = axes.get((name, index))
            dims.append(size if axis is None else axis.name if axis.name in described else axis)
            described |= {axis.name} if axis is not None else set()
        inputs[name] = spec_of(name, example, dims)
    spec, notes = drawable(accepts, InputSpec(inputs, form=form, examples=examples), seed)
    return InputSpec(dict(spec), axes=spec.axes, form=spec.form, examples=examples, found=describe(spec), notes=notes)


def describe(spec: InputSpec) -> str:
    """Return a declaration as Python code that a user can paste."""
    shown: set[str] = set()
    refused = [name for name, tensor in spec.items() if isinstance(tensor.fill, FromExample)]

    def leaf(name: str) -> str:
        return describe_tensor(spec[name], axes=spec.axes, shown=shown).replace("'", '"')

    lines = []
    for argument, node in spec.form.arguments.items():
        within = [name for name in refused if name.split(".")[0] == argument]
        note = "  # eager refuses draws from this range: give a fill=" if within else ""
        lines.append(f"    {quoted(argument)}: {code_of(node, leaf)},{note}")
    return "\n".join(["{", *lines, "}"])


def describe_tensor(
    tensor: TensorSpec, *, axes: Mapping[str, Axis] | None = None, shown: set[str] | None = None
) -> str:
    """Return one TensorSpec as code; an axis in `axes` is written out where it is not yet among the `shown`."""
    parts = [_describe_dim(dim, axes or {}, set() if shown is None else shown) for dim in tensor.dims]
    if tensor.dtype is not None:
        parts.append(f"dtype={tensor.dtype}")
    defaults = {"low": None, "high": None, "optional": False, "role": "", "pad": 0, "special": ()}
    for field, default in defaults.items():
        value = getattr(tensor, field)
        if value != default:
            parts.append(f"{field}={value!r}")
    if tensor.fill is not None and not isinstance(tensor.fill, FromExample):
        parts.append(f"fill={getattr(tensor.fill, '__name__', 'fill')}")
    return f"TensorSpec({', '.join(parts)})"


def _describe_dim(dim: Dim, axes: Mapping[str, Axis], shown: set[str]) -> str:
    name = dim.name if isinstance(dim, Axis) else dim
    axis = dim if isinstance(dim, Axis) else axes.get(str(dim).strip())
    if isinstance(name, int) or axis is None or name in shown:
        return repr(name)
    shown.add(axis.name)
    defaults = {"min": 1, "max": None, "multiple_of": 1, "sizes": (), "typical": None}
    told = [f"{field}={getattr(axis, field)!r}" for field, value in defaults.items() if getattr(axis, field) != value]
    return f"Axis({', '.join([repr(axis.name), *told])})"
