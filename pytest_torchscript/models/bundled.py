"""Published configurations of well-known models, kept as data, for when neither a cache nor the Hub can be reached.

Each file of ``configurations/`` maps a Hub id to its other names (``aliases``) and to what its config.json says about
the architecture (``config``). Left out are weights' dtypes, sampling settings and long label lists (``num_labels``
stands for them): a bundled configuration builds the model's architecture, it does not generate text.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def bundled_config(identifier: str) -> dict[str, Any] | None:
    """Return the configuration known under this id, as config.json would give it, or None; the caller owns the dict."""
    for name, entry in _entries():
        if identifier == name or identifier in entry["aliases"]:
            config: dict[str, Any] = entry["config"]
            return config
    return None


def bundled_names() -> tuple[str, ...]:
    """Return every id that `bundled_config` knows, short and full names alike, sorted."""
    return tuple(sorted(name for known, entry in _entries() for name in (known, *entry["aliases"])))


def _entries() -> Iterator[tuple[str, Mapping[str, Any]]]:
    # Parsed anew at every call: a caller may change what it gets, and it is asked once a model.
    folder = files("pytest_torchscript.models").joinpath("configurations")
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".json"):
            yield from json.loads(file.read_text(encoding="utf-8")).items()
