"""Shrink a configuration until its model takes seconds, and prove that it still makes that model.

The rules of shrink_rules.py propose; building and one forward pass decide. Where the proposal as a whole fails, the one
change that is to blame is looked for; else changes are taken up one at a time for as long as the model builds.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import Any, Optional

from pytest_torchscript.errors import ModelError
from pytest_torchscript.models.construct import SEED, build
from pytest_torchscript.models.probe import probe_error
from pytest_torchscript.models.shrink_rules import Change, propose
from pytest_torchscript.models.surroundings import quiet


def shrink_config(config: Any, model_class: type[Any]) -> Any:
    """Return the tiny configuration of the same architecture, for a class that is built from it.

    Raises ModelError where not even the configuration as it was can be built.
    """
    changes = propose(config)
    best = _tried(config, changes, model_class)
    if best is not None:
        return best
    for left_out in changes:
        found = _tried(config, [change for change in changes if change is not left_out], model_class)
        if found is not None:
            return found
    return _one_by_one(config, changes, model_class)


def _one_by_one(config: Any, changes: Sequence[Change], model_class: type[Any]) -> Any:
    taken: list[Change] = []
    best = None
    for change in changes:
        found = _tried(config, [*taken, change], model_class)
        if found is not None:
            taken.append(change)
            best = found
    if best is None:
        build(model_class, config, meta=True)  # says what is wrong with the configuration itself
        return config
    return best


def _tried(config: Any, changes: Sequence[Change], model_class: type[Any]) -> Optional[Any]:
    """Return the changed configuration where its model builds and runs, else None."""
    try:
        with quiet():
            changed = apply(config, changes)
        module = build(model_class, changed)
    except Exception:  # a constructor may refuse its values in any way
        return None
    return None if probe_error(module, seed=SEED) else changed


def apply(config: Any, changes: Sequence[Change], path: tuple[str, ...] = ()) -> Any:
    """Return a configuration with changes made in it and in those inside it; what is derived is derived anew."""
    from transformers import PretrainedConfig

    values = config.to_dict()
    for name in derived_names(config):
        values.pop(name, None)
    for name, value in vars(config).items():
        if isinstance(value, PretrainedConfig):
            values[name] = apply(value, changes, (*path, name)).to_dict()
    for change in changes:
        if change.path == path:
            values[change.name] = change.value
    made = type(config).from_dict(copy.deepcopy(values))
    for name in ("_name_or_path", "_attn_implementation_internal", "_commit_hash"):
        if name in vars(config):
            setattr(made, name, getattr(config, name))
    return made


def derived_names(config: Any) -> set[str]:
    """Return the attributes that a configuration's class computes from others: they would contradict changed ones."""
    from transformers import PretrainedConfig

    try:
        fresh = vars(type(config)())
        generic = set(vars(PretrainedConfig()))
    except Exception:  # a class that cannot be made without arguments derives nothing that we know of
        return set()
    given = set(inspect.signature(type(config).__init__).parameters)
    return {
        name
        for name, value in fresh.items()
        if name not in given and name not in generic and not isinstance(value, PretrainedConfig) and not name.startswith("_")
    }
