"""What a configuration and a forward signature say about a model: looked up by attribute, never by model name.

Nested configurations (text and vision towers, encoders and decoders) are searched too, the hinted ones first.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_torchscript.errors import InputError
from pytest_torchscript.spec import Axis

#: Sequences of models without position embeddings have no end of their own.
UNLIMITED_SEQUENCE = 512
#: Past this length one attention matrix costs more than it can tell.
LONGEST_SEQUENCE = 8192
LARGEST_BATCH = 16
DEFAULT_IMAGE_SIZE = 224

_POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "max_target_positions")
_SPECIAL_IDS = (
    "pad_token_id",
    "bos_token_id",
    "cls_token_id",
    "sep_token_id",
    "mask_token_id",
    "unk_token_id",
    "decoder_start_token_id",
    "eos_token_id",
)


@dataclass(frozen=True)
class Reading:
    """A model as far as its configuration, its class and the task tell it."""

    config: Any
    model_class: type
    task: str = "default"
    embeds: bool = False
    parameters: Mapping[str, inspect.Parameter] = field(default_factory=dict)

    @property
    def main_input(self) -> str:
        """The name the class gives its main input, or the first parameter of forward."""
        name = getattr(self.model_class, "main_input_name", None)
        return name if isinstance(name, str) and name in self.parameters else next(iter(self.parameters), "")

    def value(self, *names: str, within: tuple[str, ...] = (), default: Any = None) -> Any:
        """Return the first of some attributes that is set, in the hinted sub-configurations, the configuration, the rest."""
        for config in configurations(self.config, within):
            for name in names:
                found = getattr(config, name, None)
                if found is not None:
                    return found
        return default

    def number(self, *names: str, within: tuple[str, ...] = (), default: int | None = None) -> int | None:
        """Return the first of some attributes that is a positive whole number."""
        for config in configurations(self.config, within):
            for name in names:
                found = getattr(config, name, None)
                if isinstance(found, int) and not isinstance(found, bool) and found > 0:
                    return found
        return default

    def require(self, *names: str, within: tuple[str, ...] = (), needed_by: str) -> int:
        """Return a number that an input cannot do without, or raise the InputError that says so."""
        found = self.number(*names, within=within)
        if found is not None:
            return found
        raise undeclared(self, needed_by, f"{type(self.config).__name__} has none of: {', '.join(names)}")

    def takes(self, *names: str) -> bool:
        """Whether forward has all of these parameters."""
        return all(name in self.parameters for name in names)

    def is_head(self, *words: str) -> bool:
        """Whether the class name holds one of these words: ``ForMultipleChoice``."""
        return any(word in self.model_class.__name__ for word in words)


def configurations(config: Any, within: tuple[str, ...] = ()) -> Iterator[Any]:
    """Yield the hinted sub-configurations, the configuration itself, then its other sub-configurations."""
    nested = {
        name: value for name, value in vars(config).items() if hasattr(value, "to_dict") and name != "generation_config"
    }
    hinted = [name for hint in within for name in nested if hint in name]
    for name in hinted:
        yield from configurations(nested[name])
    yield config
    for name, value in nested.items():
        if name not in hinted:
            yield from configurations(value)


def read_signature(model_class: type) -> dict[str, inspect.Parameter]:
    """Return the named parameters of a model's forward."""
    forward = getattr(model_class, "forward", None)
    if forward is None:
        return {}
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = inspect.signature(forward).parameters.values()
    return {item.name: item for item in found if item.kind in named and item.name != "self"}


def undeclared(reading: Reading, name: str, why: str) -> InputError:
    """Return the error of an input that no rule can make: which one, what forward takes, how to declare it."""
    shown = ", ".join(
        item if parameter.default is inspect.Parameter.empty else f"{item}={parameter.default!r}"
        for item, parameter in reading.parameters.items()
    )
    spec = f'{{"{name}": TensorSpec("batch", …)}}'
    return InputError(
        f"{reading.model_class.__name__}: cannot infer the input {name!r}: {why}",
        evidence=(f"forward({shown})",),
        hint=f"declare it as {spec}: return (model, inputs) from a factory, give inputs= to the marker torchscript(…), "
        "or return an InputSpec from the hook pytest_torchscript_inputs",
    )


def batch_axis() -> Axis:
    """Return the axis of rows."""
    return Axis("batch", max=LARGEST_BATCH)


def text_length(reading: Reading, within: tuple[str, ...] = ()) -> int:
    """Return how many tokens the position embeddings serve.

    Where positions are counted from the padding id (RoBERTa and its kin), the first ``pad_token_id + 1`` rows are unused.
    """
    longest = reading.number(*_POSITIONS, within=within)
    if longest is None:
        return UNLIMITED_SEQUENCE
    if counts_from_padding(reading.model_class):
        longest -= (reading.number("pad_token_id", within=within) or 0) + 1
    return max(1, min(longest, LONGEST_SEQUENCE))


def counts_from_padding(model_class: type) -> bool:
    """Whether the model's code makes learned position ids out of padding ids."""
    name = "create_position_ids_from_input_ids"
    module = vars(sys.modules.get(model_class.__module__, object))
    holders = [item for item in module.values() if isinstance(item, type) and name in vars(item)]
    if name in module and not holders:
        return not any("Sinusoidal" in other for other in module)
    return any("Sinusoidal" not in item.__name__ for item in holders)


def special_ids(reading: Reading, vocabulary: int, within: tuple[str, ...] = ()) -> tuple[int, ...]:
    """Return the special identifiers inside the vocabulary, the end of text last."""
    found: list[int] = []
    for name in _SPECIAL_IDS:
        value = reading.value(name, within=within)
        found += value if isinstance(value, (list, tuple)) else [value]
    inside = [value for value in found if isinstance(value, int) and 0 <= value < vocabulary]
    end = inside[-1:] if reading.value("eos_token_id", within=within) is not None else []
    return tuple(dict.fromkeys([*(value for value in inside if value not in end), *end]))


def padding_id(reading: Reading, vocabulary: int, within: tuple[str, ...] = ()) -> int:
    """Return the padding id, or 0 where the configuration names none inside the vocabulary."""
    value = reading.value("pad_token_id", within=within)
    return value if isinstance(value, int) and 0 <= value < vocabulary else 0
