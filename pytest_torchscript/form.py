"""The form of a call: which arguments a model is given, what is a tensor in them, and what never changes.

A leaf. People hand tensors over in tuples, lists, dicts and named tuples, beside numbers and None; an export takes a flat
list of tensors. A `Form` holds the difference: a tree of containers whose leaves are slots for tensors, and constants.
torch.utils._pytree would walk such a tree as well, but it is private to torch and not the same in all of its releases.
"""

from __future__ import annotations

import copy
import enum
import keyword
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_torchscript.errors import InputError

#: What may stand beside tensors: it is written into the export as it is.
_PLAIN = (bool, int, float, complex, str, bytes, enum.Enum)
#: The same of torch, by name: a leaf does not import it.
_PLAIN_OF_TORCH = ("dtype", "device", "layout", "memory_format")

HINT = (
    "an input is a TensorSpec, an example tensor, a tuple, list, dict or named tuple of these, "
    "or a bool, int, float, string or None, which are constants"
)


@dataclass(frozen=True)
class Slot:
    """The place of one tensor. ``name`` is that of the flat input which goes there: ``state.0``, ``batch.features``."""

    name: str


@dataclass(frozen=True)
class Form:
    """How the arguments of one call are made of flat inputs.

    ``arguments`` maps the parameters of the model, in the order they are given in, to a slot, to a container of slots and
    constants, or to a constant. ``positional`` says that they were given by place: their names are only what they are
    called in reports.
    """

    arguments: Mapping[str, Any]
    positional: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The flat inputs, in the order of the call."""
        return tuple(slot.name for _, slot in _leaves(self.arguments) if isinstance(slot, Slot))

    @property
    def nested(self) -> tuple[str, ...]:
        """The flat inputs that lie within a container."""
        found = (_leaves({name: node}) for name, node in self.arguments.items() if not isinstance(node, Slot))
        return tuple(leaf.name for leaves in found for _, leaf in leaves if isinstance(leaf, Slot))

    @property
    def constants(self) -> tuple[tuple[str, Any], ...]:
        """What is no tensor, by its flat name."""
        return tuple((name, leaf) for name, leaf in _leaves(self.arguments) if not isinstance(leaf, Slot))

    def build(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call, by parameter: every slot filled with the tensor of its name."""
        return {name: _filled(node, tensors) for name, node in self.arguments.items()}

    def keeping(self, names: Sequence[str]) -> Form:
        """Return the form that is left when only some flat inputs are fed.

        A key of a dict and an argument go; in a tuple or a list None stands in the place, for the others keep theirs.
        """
        pruned = {argument: _pruned(node, set(names)) for argument, node in self.arguments.items()}
        return Form({name: node for name, node in pruned.items() if node is not _GONE}, self.positional)


def plain_form(names: Sequence[str]) -> Form:
    """Return the form of inputs that are nothing but tensors, one an argument."""
    return Form({name: Slot(name) for name in names})


def read_form(
    given: Mapping[str, Any], is_tensor: Callable[[Any], bool], *, positional: bool = False, what: str = "input"
) -> tuple[Form, dict[str, Any]]:
    """Take inputs apart: return their form, and what stands for a tensor in it by flat name.

    ``is_tensor`` says what stands for a tensor (a TensorSpec, an example). Raises InputError for anything that is neither
    that, a container, nor a constant.
    """
    reader = _Reader(is_tensor, what)
    arguments = {name: reader.read(value, name, repr(name)) for name, value in given.items()}
    return Form(arguments, positional), reader.found


class _Reader:
    def __init__(self, is_tensor: Callable[[Any], bool], what: str) -> None:
        self.is_tensor = is_tensor
        self.what = what
        self.found: dict[str, Any] = {}
        self.within: list[int] = []

    def read(self, value: Any, name: str, place: str) -> Any:
        if self.is_tensor(value):
            while name in self.found:  # {"a.b": …, "a": {"b": …}}
                name += "_"
            self.found[name] = value
            return Slot(name)
        steps = _steps(value)
        if steps is None:
            if value is None or isinstance(value, _PLAIN) or _is_plain_of_torch(value):
                return value
            raise InputError(
                f"{self.what} {place}: a value of type {type_name(value)} cannot be fed", hint=_hint(value)
            )
        if id(value) in self.within:
            raise InputError(f"{self.what} {place}: the {type(value).__name__} holds itself", hint=HINT)
        self.within.append(id(value))
        nodes = [self.read(child, f"{name}.{_shown_key(key)}", place + step) for key, step, child in steps]
        self.within.pop()
        return _rebuilt(value, nodes)


def _steps(value: Any) -> list[tuple[Any, str, Any]] | None:
    """Return the members of a container, each with its key and the step that leads to it in Python; None for a leaf."""
    if isinstance(value, Mapping):
        return [(key, f"[{key!r}]", child) for key, child in value.items()]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return [(key, f".{key}", child) for key, child in zip(value._fields, value)]
    if isinstance(value, (tuple, list)):
        return [(index, f"[{index}]", child) for index, child in enumerate(value)]
    return None


def _rebuilt(like: Any, nodes: Sequence[Any]) -> Any:
    """Return a container like another, with other members."""
    if isinstance(like, Mapping):
        made: Any = copy.copy(like) if isinstance(like, MutableMapping) else dict(like)
        for key, node in zip(list(like), nodes):
            made[key] = node
        return made
    if isinstance(like, tuple) and hasattr(like, "_fields"):
        return like._make(nodes)  # type: ignore[attr-defined]
    return list(nodes) if isinstance(like, list) else tuple(nodes)


def _shown_key(key: Any) -> str:
    return str(key) if str(key).isprintable() else repr(key)


def _filled(node: Any, tensors: Mapping[str, Any]) -> Any:
    if isinstance(node, Slot):
        return tensors[node.name]
    steps = _steps(node)
    return node if steps is None else _rebuilt(node, [_filled(child, tensors) for _, _, child in steps])


def _leaves(node: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    steps = _steps(node)
    if steps is None:
        yield name, node
    for key, _, child in steps or ():
        yield from _leaves(child, f"{name}.{_shown_key(key)}" if name else str(key))


#: What a node becomes that is left out.
_GONE = object()


def _pruned(node: Any, names: set[str]) -> Any:
    if isinstance(node, Slot):
        return node if node.name in names else _GONE
    steps = _steps(node)
    if steps is None:
        return node
    nodes = [_pruned(child, names) for _, _, child in steps]
    if not any(made is _GONE for made in nodes):
        return _rebuilt(node, nodes)
    if all(made is _GONE for made in nodes):
        return _GONE
    if isinstance(node, Mapping):
        return {key: made for (key, _, _), made in zip(steps, nodes) if made is not _GONE}
    return _rebuilt(node, [None if made is _GONE else made for made in nodes])


def code_of(node: Any, leaf: Callable[[str], str]) -> str:
    """Return a node as Python code; ``leaf`` writes a slot by its name."""
    if isinstance(node, Slot):
        return leaf(node.name)
    if isinstance(node, str):
        return quoted(node)
    steps = _steps(node)
    if steps is None:
        return _shown(node)
    parts = [(key, code_of(child, leaf)) for key, _, child in steps]
    if isinstance(node, Mapping):
        keys = [quoted(key) if isinstance(key, str) else repr(key) for key, _ in parts]
        return "{" + ", ".join(f"{key}: {text}" for key, (_, text) in zip(keys, parts)) + "}"
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        return f"{type(node).__name__}({', '.join(f'{key}={text}' for key, text in parts)})"
    inner = ", ".join(text for _, text in parts)
    if isinstance(node, list):
        return f"[{inner}]"
    return f"({inner},)" if len(parts) == 1 else f"({inner})"


def identifiers(names: Sequence[str]) -> dict[str, str]:
    """Return a Python name for every flat input: what a function calls it that takes them flat."""
    found: dict[str, str] = {}
    for name in names:
        word = re.sub(r"\W+", "_", name)
        word = (
            f"input_{word}" if not word.isidentifier() or keyword.iskeyword(word) or word in ("self", "out") else word
        )
        while word in found.values():
            word += "_"
        found[name] = word
    return found


def quoted(text: str) -> str:
    """Return a string as Python code, in the quotes that most of it is written in."""
    return f'"{text}"' if '"' not in text and "\\" not in text and text.isprintable() else repr(text)


def shortened(value: Any) -> str:
    """Return a constant as a note shows it: long ones are cut."""
    if isinstance(value, str):
        return quoted(value if len(value) <= 60 else value[:59] + "…")
    return reprlib.repr(value) if not isinstance(value, enum.Enum) else str(value)


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, enum.Enum) else repr(value)


def _is_plain_of_torch(value: Any) -> bool:
    return type(value).__module__ == "torch" and type(value).__name__ in _PLAIN_OF_TORCH


def type_name(value: Any) -> str:
    """Return the type of a value as a message names it."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _hint(value: Any) -> str:
    if type(value).__module__.partition(".")[0] in ("numpy", "jax", "tensorflow"):
        return "give torch.as_tensor(value): an example is a torch.Tensor"
    if isinstance(value, type):
        return f"give a value, not the class {value.__name__}: {HINT}"
    if callable(value):
        return f"a function that draws values is written as TensorSpec(…, fill=function); {HINT}"
    return HINT
