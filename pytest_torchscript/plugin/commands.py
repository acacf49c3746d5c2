"""The command that repeats a failure: what a message ends with, before its hint."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_torchscript.plugin.names import CONFTEST, PREFIX
from pytest_torchscript.plugin.options import OPTIONS, given

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_torchscript.settings import Settings

#: Named by the id, or of no effect on a result.
_LEFT_OUT = ("model", "report", "known-failures", "speed", "max-examples")


def again_suite(config: pytest.Config, reference: str, check: str, *, backend: str, settings: Settings) -> str:
    """Return the command that runs one test of a suite again, with every option that bears on its result."""
    words = ["pytest"]
    if reference != CONFTEST:
        words += ["--torchscript-model", shlex.quote(reference)]
    words += [*_options(config), *_drawing(config, settings)]
    if len(settings.backends) > 1:
        stem, _, axis = check.partition("[")
        check = f"{stem}[{axis.rstrip(']')}-{backend}]" if axis else f"{stem}[{backend}]"
    if reference == CONFTEST:
        check = check.partition("[")[0]
    return f'{" ".join(words)} "{PREFIX}::{reference}::test_{check}"'


def again_own(config: pytest.Config, nodeid: str, settings: Settings) -> str:
    """Return the command that runs a user's own test again."""
    words = ["pytest", *_options(config), *_drawing(config, settings)]
    return f'{" ".join(words)} "{_from_here(config, nodeid)}"'


def _from_here(config: pytest.Config, nodeid: str) -> str:
    """Return a node id as the current folder has to write it."""
    if config.invocation_params.dir == config.rootpath:
        return nodeid
    path, separator, test = nodeid.partition("::")
    return Path(os.path.relpath(config.rootpath / path, config.invocation_params.dir)).as_posix() + separator + test


def _options(config: pytest.Config) -> Iterator[str]:
    for option in OPTIONS:
        if option.name in _LEFT_OUT:
            continue
        for item in given(config, option):
            if item.on_command_line:
                yield option.flag
                if not option.switch:
                    yield shlex.quote(str(item.value))


def _drawing(config: pytest.Config, settings: Settings) -> Iterator[str]:
    """What decides which sizes and values are drawn; a profile's number of examples is written out."""
    if settings.max_examples is not None:
        yield f"--torchscript-max-examples {settings.max_examples}"
    if config.getoption("hypothesis_seed", default=None) is not None:
        yield f"--hypothesis-seed={config.getoption('hypothesis_seed')}"
