"""The fixtures for users' own tests, and the one that the suite runs on.

They have module scope, so that a ``@given`` test may use them, although each test may have a model of its own: every test
that uses them is parametrised, invisibly where it has one model, by what it is to be given. The models themselves are kept
in `Cases`, not in fixtures. Imported by every run, so what they need is imported by the fixtures themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_torchscript.plugin.compat import finish_with
from pytest_torchscript.plugin.names import CURRENT_ITEM

if TYPE_CHECKING:
    import torch
    from torch import nn

    from pytest_torchscript.plugin.outcome import SuiteCase
    from pytest_torchscript.plugin.own_tests import OwnCase, TorchScript


@pytest.fixture
def torchscript_suite(request: pytest.FixtureRequest) -> SuiteCase:
    """The model of a suite on one backend: what the built-in tests are given."""
    from pytest_torchscript.plugin.models import cases_of
    from pytest_torchscript.plugin.outcome import SuiteCase
    from pytest_torchscript.plugin.own_tests import conftest_subject

    node, cases = request.node.parent, cases_of(request.config)
    if node.subject is not None:
        return SuiteCase(request.node, cases, node.name, request.param, lambda: node.subject)
    return SuiteCase(request.node, cases, node.name, request.param, lambda: conftest_subject(request))


@pytest.fixture(scope="module")
def _torchscript_case(request: pytest.FixtureRequest) -> OwnCase:
    """The model of a user's own test."""
    from pytest_torchscript.plugin.own_tests import OwnCase, Request

    item = request.config.stash[CURRENT_ITEM]
    finish_with(item, request)  # of module scope for hypothesis alone: it must not keep a model beyond its test
    return OwnCase(item, getattr(request, "param", None) or Request())


@pytest.fixture(scope="session")
def torchscript(request: pytest.FixtureRequest) -> TorchScript:
    """Check a model: ``torchscript.check(MyEncoder())`` puts every check to it and raises with all that failed."""
    from pytest_torchscript.plugin.own_tests import TorchScript

    return TorchScript(request.config)


@pytest.fixture(scope="module")
def torchscript_model(_torchscript_case: OwnCase) -> nn.Module:
    """The eager model in eval mode. Override it in the rootdir's conftest.py to have your own model checked.

    An override returns a module, ``(module, inputs)`` or a reference.
    """
    module: nn.Module = _torchscript_case.part(lambda case: case.subject.loaded.module)
    return module


@pytest.fixture(scope="module")
def torchscript_eager(_torchscript_case: OwnCase) -> Any:
    """The eager model as exports are compared with it: called with the inputs, which it leaves unchanged."""
    from pytest_torchscript.plugin.own_tests import called_eager

    return _torchscript_case.part(called_eager)


@pytest.fixture(scope="module")
def torchscript_traced(_torchscript_case: OwnCase) -> Any:
    """The export at the main anchor: called with the inputs, in their order or by name."""
    from pytest_torchscript.plugin.own_tests import called_export

    return _torchscript_case.part(called_export)


@pytest.fixture(scope="module")
def torchscript_inputs(_torchscript_case: OwnCase) -> Mapping[str, torch.Tensor]:
    """The inputs of the main anchor, by name."""
    inputs: Mapping[str, torch.Tensor] = _torchscript_case.part(lambda case: case.subject.inputs)
    return inputs


@pytest.fixture(scope="module")
def torchscript_neuron(request: pytest.FixtureRequest, _torchscript_case: OwnCase) -> Any:
    """The model compiled for a Neuron device; the test is skipped, with the reason, where there is none."""
    from pytest_torchscript.plugin.neuron import compiles_only, require_device
    from pytest_torchscript.plugin.own_tests import called_export

    backend = require_device(_torchscript_case.item)
    export = _torchscript_case.part(called_export, backend=backend)
    compiled_only = compiles_only(request.config)
    if compiled_only:
        pytest.skip(compiled_only)
    return export
