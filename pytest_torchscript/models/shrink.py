"""Shrink a configuration until its model takes seconds, and prove that it still makes that model.

The rules of shrink_rules.py propose; building and one forward pass decide. Where the proposal as a whole fails, the one
change that is to blame is looked for; else changes are taken up one at a time for as long as the model builds.
"""

from __future__ import annotations

import copy
import functools
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple, Optional

from torch import nn

from pytest_torchscript.common.silence import quiet
from pytest_torchscript.models.construct import SEED, NoMetaError, build
from pytest_torchscript.models.probe import probe_error
from pytest_torchscript.models.shrink_rules import NARROWER, WAYS, Change, derived_names, is_depth, propose
from pytest_torchscript.versions import library_name

#: A tiny model has no more parameters than this.
_TINY = 5_000_000
#: A model of more parameters than this is neither tiny nor quick to try.
_QUICK = 30_000_000
#: Up to here one forward pass is still worth the knowledge whether a class can be fed.
_FEASIBLE = 300_000_000
_IMPOSSIBLE = sys.maxsize
#: So long changes are run, less one each, and again so long one by one; after that they only must leave a model that builds.
_SECONDS = 12.0

#: Says why a model that was built does not run, or None where it does, or where we cannot feed it.
Fault = Callable[[nn.Module], Optional[str]]


class Shrunk(NamedTuple):
    """A configuration, and the module that was built from it to see whether it runs; None where none was."""

    config: Any
    module: nn.Module | None = None

    @property
    def parameters(self) -> int:
        """How many numbers the weights of the module are."""
        return 0 if self.module is None else sum(parameter.numel() for parameter in self.module.parameters())


def shrink_config(config: Any, model_class: type[Any], fault: Fault | None = None) -> Any:
    """Return the tiny configuration of the same architecture: see `shrink`."""
    return shrink(config, model_class, fault).config


def shrink(config: Any, model_class: type[Any], fault: Fault | None = None) -> Shrunk:
    """Return the tiny configuration of the same architecture, for a class that is built from it, and its module.

    ``fault`` tells why a built model does not run, where it does not; by default the probe does, which knows the main input.
    Neither calls the module itself. Raises ModelError where not even the configuration as it was can be built.
    """
    asked = fault or functools.partial(probe_error, seed=SEED)
    tried: list[list[Change]] = []
    for way in ({"pictures": True}, {}, *WAYS):
        with quiet():
            changes = propose(config, **way)
        found = _tried(config, changes, model_class, asked) if changes not in tried else None
        tried.append(changes)
        if found is not None:
            return _narrowed(config, way, found, model_class, asked)
    changes = tried[1]
    run = asked if _can_be_run(config, changes, model_class, asked) else None
    candidates = [changes, *([other for other in changes if other is not change] for change in changes)]
    until = time.thread_time() + _SECONDS
    for candidate in sorted(candidates, key=lambda each: _parameters(config, each, model_class)):
        found = _tried(config, candidate, model_class, run) if time.thread_time() < until else None
        if found is not None:
            return found
    last = _one_by_one(
        config, changes, model_class, run if time.thread_time() < until else None, until=until + _SECONDS
    )
    if _parameters(last, (), model_class) <= _QUICK:
        return Shrunk(last)
    # Nothing small runs: the smallest that builds shows at least what eager says of it.
    small = (_tried(config, each, model_class, None) for each in candidates)
    return next((each for each in small if each is not None), Shrunk(last))


def _narrowed(config: Any, way: Mapping[str, Any], found: Shrunk, model_class: type[Any], fault: Fault) -> Shrunk:
    """Return what was found, or the same with narrower layers where its model is larger than a tiny one may be."""
    for more in NARROWER:
        if found.parameters <= _TINY:
            break
        found = _tried(config, propose(config, **way, **more), model_class, fault) or found
    return found


def _can_be_run(config: Any, changes: Sequence[Change], model_class: type[Any], fault: Fault) -> bool:
    """Whether the probe can feed this class at all, seen on a model that only has fewer layers."""
    fewer = [change for change in changes if is_depth(change)]
    if _parameters(config, fewer, model_class) > _FEASIBLE:
        return True  # too big to try: then believe it
    return _tried(config, fewer, model_class, fault, limit=_FEASIBLE) is not None


def _one_by_one(
    config: Any, changes: Sequence[Change], model_class: type[Any], run: Fault | None, *, until: float
) -> Any:
    """Take up every change that leaves a model which can be built; too big a one is not run on the way there."""
    taken: list[Change] = []
    if _parameters(config, taken, model_class) == _IMPOSSIBLE:
        build(model_class, config, meta=True)  # says what is wrong with the configuration itself
    for change in changes:
        smaller = _parameters(config, [*taken, change], model_class)
        if smaller < _IMPOSSIBLE and (
            smaller > _QUICK
            or time.thread_time() > until
            or _tried(config, [*taken, change], model_class, run) is not None
        ):
            taken.append(change)
    return apply(config, taken)


def _parameters(config: Any, changes: Sequence[Change], model_class: type[Any]) -> int:
    """Return the size of the model that a change makes, counted without allocating it."""
    try:
        with quiet():
            return _parameters_of(apply(config, changes), model_class)
    except Exception:  # a configuration may refuse its values in any way
        return _IMPOSSIBLE


def _parameters_of(config: Any, model_class: type[Any]) -> int:
    try:
        module = build(model_class, config, meta=True)
    except NoMetaError:
        return 0  # not known: a try will tell
    except Exception:  # a constructor may refuse its values in any way
        return _IMPOSSIBLE
    return sum(parameter.numel() for parameter in module.parameters())


def _tried(
    config: Any, changes: Sequence[Change], model_class: type[Any], fault: Fault | None, *, limit: int = _QUICK
) -> Shrunk | None:
    """Return the changed configuration where its model is small, builds and (with ``fault``) runs, else None."""
    try:
        with quiet():
            changed = apply(config, changes)
        if _parameters_of(changed, model_class) > limit:
            return None
        module = build(model_class, changed)
    except Exception:  # a configuration may refuse its values in any way, and not every fault shows without values
        return None
    return None if fault is not None and fault(module) else Shrunk(changed, module)


def apply(config: Any, changes: Sequence[Change], path: tuple[str, ...] = ()) -> Any:
    """Return a configuration with changes made in it and in those inside it; what is derived is derived anew."""
    base = library_name("transformers", "PreTrainedConfig", "PretrainedConfig", used_for="configurations")
    values = config.to_dict()
    for name in (*derived_names(config), "out_features", "stage_names"):
        values.pop(name, None)
    for name, value in vars(config).items():
        if isinstance(value, base):
            values[name] = apply(value, changes, (*path, name)).to_dict()
    for change in changes:
        if change.path == path:
            values[change.name] = change.value
            if change.name == "num_hidden_layers":  # what single layers have of their own is derived from their types
                values.pop("per_layer_config", None)
    made = type(config).from_dict(copy.deepcopy(values))
    for name in ("_name_or_path", "_attn_implementation_internal", "_commit_hash"):
        if name in vars(config):
            setattr(made, name, getattr(config, name))
    return made
