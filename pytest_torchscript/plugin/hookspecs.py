"""The hooks that a conftest.py or another plugin may implement to extend this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_torchscript.backends.base import Backend
    from pytest_torchscript.results import RunReport
    from pytest_torchscript.spec import InputSpec


@pytest.hookspec(firstresult=True)
def pytest_torchscript_inputs(config: Any, model_class: type, task: str) -> InputSpec | None:
    """Return the inputs of a transformers model, or None to have them inferred.

    ``config`` is the model's configuration, ``model_class`` the class that will be built and ``task`` the name of the task.
    For an architecture whose inputs cannot be told from its configuration and signature.
    """


@pytest.hookspec
def pytest_torchscript_backends() -> list[type[Backend]]:
    """Return backends of your own, as classes: ``--torchscript-backend`` then takes their names (docs/backends.md).

    Asked once, when the options are read: in the conftest.py of the root folder, or in a plugin.
    """
    return []


@pytest.hookspec
def pytest_torchscript_report(config: pytest.Config, report: RunReport) -> None:
    """Read or amend the finished record of a run, once, before it is written and summarised."""
