"""What a model's own code says where its configuration is silent, read from byte code: nothing is run or parsed."""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Iterator, Sequence
from types import CodeType
from typing import Any

#: Base classes' modules, whose names say nothing about one model.
_COMMON = ("torch.", "transformers.modeling_", "transformers.generation", "transformers.utils", "builtins", "abc")


def reads_parameter(model_class: type, name: str) -> bool:
    """Whether forward uses a parameter's value: some take a mask only to look like others, or to warn of it (RWKV)."""
    code = _code(getattr(model_class, "forward", None))
    if code is None or "locals" in code.co_names or name in code.co_cellvars:
        return True
    steps = list(dis.get_instructions(code))
    return any(
        _loads(step, name) and not _compares_none(steps[index + 1 : index + 3]) for index, step in enumerate(steps)
    )


def _loads(step: dis.Instruction, name: str) -> bool:
    together = isinstance(step.argval, tuple) and name in step.argval
    return step.opname.startswith("LOAD_FAST") and (step.argval == name or together)


def _compares_none(following: Sequence[dis.Instruction]) -> bool:
    first, *rest = following
    if "_NONE" in first.opname:
        return True
    return first.opname == "LOAD_CONST" and first.argval is None and any(step.opname == "IS_OP" for step in rest)


def counts_from_padding(model_class: type) -> bool:
    """Whether learned position ids are made out of padding ids, as RoBERTa and its kin do."""
    maker = "create_position_ids_from_input_ids"
    names = module_names(model_class)
    holders = [item for item in names.values() if isinstance(item, type) and maker in vars(item)]
    if maker in names and not holders:
        return not any("Sinusoidal" in other for other in names)
    return any("Sinusoidal" not in item.__name__ for item in holders)


def pools_at_end(model_class: type) -> bool:
    """Whether a text tower answers from the position of its end-of-text id (CLIP)."""
    return any({"eos_token_id", "argmax"} <= used for used in _names_used(model_class))


def counts_ends(model_class: type) -> bool:
    """Whether a head wants equally many end-of-text ids in every row (BART's and T5's classifiers)."""
    code = _code(getattr(model_class, "forward", None))
    return code is not None and {"eos_token_id", "unique_consecutive"} <= set(code.co_names)


def module_names(model_class: type) -> dict[str, Any]:
    """Return the global names of the modules that a class and its own bases stand in."""
    found: dict[str, Any] = {}
    for base in model_class.__mro__:
        if not base.__module__.startswith(_COMMON) and base.__module__ in sys.modules:
            found = {**vars(sys.modules[base.__module__]), **found}
    return found


def _names_used(model_class: type) -> Iterator[set[str]]:
    homes = {base.__module__ for base in model_class.__mro__}
    for item in module_names(model_class).values():
        if isinstance(item, type) and item.__module__ in homes:
            code = _code(vars(item).get("forward"))
            if code is not None:
                yield set(code.co_names)


def _code(function: Any) -> CodeType | None:
    return getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
