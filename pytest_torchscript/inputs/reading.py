"""What a configuration and a forward signature say about a model: looked up by attribute, never by model name.

Nested configurations (text and vision towers, encoders and decoders) are searched too, the hinted ones first.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_torchscript.errors import InputError
from pytest_torchscript.spec import Axis

LARGEST_BATCH = 16

#: Where a hint is given, sub-configurations whose name holds it are asked before the configuration itself.
Hints = tuple[str, ...]


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

    @property
    def with_past(self) -> bool:
        """Whether caches of past keys and values cross the trace."""
        return self.task.endswith("-with-past")

    def value(self, *names: str, within: Hints = (), default: Any = None) -> Any:
        """Return the first of some attributes that is set: hinted sub-configurations, the configuration, the rest."""
        for config in configurations(self.config, within):
            for name in names:
                found = getattr(config, name, None)
                if found is not None:
                    return found
        return default

    def number(self, *names: str, within: Hints = ()) -> int | None:
        """Return the first of some attributes that is a positive whole number."""
        for config in configurations(self.config, within):
            for name in names:
                found = getattr(config, name, None)
                if isinstance(found, int) and not isinstance(found, bool) and found > 0:
                    return found
        return None

    def require(self, *names: str, within: Hints = (), needed_by: str) -> int:
        """Return a number that an input cannot do without, or raise the InputError that says so."""
        found = self.number(*names, within=within)
        if found is None:
            raise undeclared(self, needed_by, f"{type(self.config).__name__} gives none of: {', '.join(names)}")
        return found

    def takes(self, *names: str) -> bool:
        """Whether forward has all of these parameters."""
        return all(name in self.parameters for name in names)

    def head(self, *words: str) -> bool:
        """Whether the class name holds one of these words: ``ForMultipleChoice``."""
        return any(word in self.model_class.__name__ for word in words)


def configurations(config: Any, within: Hints = ()) -> Iterator[Any]:
    """Yield the hinted sub-configurations, the configuration itself, then its other sub-configurations."""
    nested = {name: value for name, value in vars(config).items() if hasattr(value, "to_dict")}
    nested.pop("generation_config", None)
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
    return InputError(
        f"{reading.model_class.__name__}: cannot infer the input {name!r}: {why}",
        evidence=(f"forward({shown})",),
        hint=f'declare it with its own dims, as in inputs = {{"{name}": TensorSpec("batch", "sequence", 16)}}: '
        "return (model, inputs) from a factory, write @pytest.mark.torchscript(inputs=inputs), or return an InputSpec "
        "from the hook pytest_torchscript_inputs",
    )


def batch_axis() -> Axis:
    """Return the axis of rows."""
    return Axis("batch", max=LARGEST_BATCH)
