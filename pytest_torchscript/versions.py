"""What differs between the stacks that are supported: the one place that asks for versions (docs/stacks.md).

A leaf that imports none of what it asks about. Where a feature can be looked for by name, it is, where it is used.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from typing import Any

from pytest_torchscript.errors import LibraryError


def numbers_of(version: str) -> tuple[int, ...]:
    """Return the numbers of a release: ``1.13.1.2.11`` gives (1, 13, 1, 2, 11), ``2.13.0+cpu`` (2, 13, 0)."""
    from packaging.version import InvalidVersion, Version  # pytest needs it, too

    try:
        return Version(version).release
    except InvalidVersion:
        return ()


def installed_version(package: str) -> str:
    """Return the version of a distribution from its metadata; empty where it is not installed."""
    try:
        return str(importlib.metadata.version(package))
    except importlib.metadata.PackageNotFoundError:
        return ""


def library_name(home: str, *names: str, used_for: str) -> Any:
    """Return what a library's module holds under the first of these names that it has: releases move and rename.

    ``library_name("transformers", "PreTrainedConfig", "PretrainedConfig", used_for="reading a configuration")``.
    Raises LibraryError where the installed release has none of them; what importing it raises by itself passes through.
    """
    package = home.partition(".")[0]
    try:
        module = importlib.import_module(home)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{home}.".startswith(f"{error.name}."):  # something that the library needs
            raise
        module = None
    for name in names:
        if hasattr(module, name):
            return getattr(module, name)
    version = installed_version(package)
    lacks = f"{package} {version} has no {home}.{' or '.join(names)}" if version else f"{package} is not installed"
    raise LibraryError(
        f"{lacks}, used for {used_for}",
        hint=f"install a release of {package} that was tried: docs/stacks.md lists them",
    )


def dtype_keyword() -> str:
    """Return how transformers' ``from_pretrained`` names the dtype: renamed in 4.56, the old name warns since."""
    return "dtype" if numbers_of(installed_version("transformers")) >= (4, 56) else "torch_dtype"


def knows_cache_objects_alone() -> bool:
    """Whether every model takes its cache as an object: transformers 5 dropped tuples of tensors."""
    return numbers_of(installed_version("transformers")) >= (5,)


def lines_may_be_off() -> bool:
    """Whether torch may take an instruction's index for an offset in bytes: torch 1.13 does, on Python 3.10 alone."""
    return sys.version_info[:2] == (3, 10)
