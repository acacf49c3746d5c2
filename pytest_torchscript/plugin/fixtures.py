"""The fixtures for users' own tests, and the one that the suite runs on.

They have module scope, so that a ``@given`` test may use them, although each test may have a model of its own: every test
that uses them is parametrised, invisibly where it has one model, by what it is to be given. The models themselves are kept
in `Models`, not in fixtures. Imported by every run, so what they need is imported by the fixtures themselves.
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

    from pytest_torchscript.plugin.outcome import SuiteTest
    from pytest_torchscript.plugin.own_tests import OwnTest, TorchScript


@pytest.fixture
def torchscript_suite(request: pytest.FixtureRequest) -> SuiteTest:
    """The model of a suite on one backend: what the built-in tests are given."""
    from pytest_torchscript.plugin.models import models_of
    from pytest_torchscript.plugin.outcome import SuiteTest
    from pytest_torchscript.plugin.own_tests import conftest_source

    node, models = request.node.parent, models_of(request.config)
    if node.source is not None:
        return SuiteTest(request.node, models, node.name, request.param, lambda: node.source)
    return SuiteTest(request.node, models, node.name, request.param, lambda: conftest_source(request))


@pytest.fixture(scope="module")
def _torchscript_own(request: pytest.FixtureRequest) -> OwnTest:
    """The model of a user's own test."""
    from pytest_torchscript.plugin.own_tests import OwnTest, Request

    item = request.config.stash[CURRENT_ITEM]
    finish_with(item, request)  # of module scope for hypothesis alone: it must not keep a model beyond its test
    return OwnTest(item, getattr(request, "param", None) or Request())


@pytest.fixture(scope="session")
def torchscript(request: pytest.FixtureRequest) -> TorchScript:
    """Check a model: ``torchscript.check(MyEncoder())`` puts every check to it and raises with all that failed."""
    from pytest_torchscript.plugin.own_tests import TorchScript

    return TorchScript(request.config)


@pytest.fixture(scope="module")
def torchscript_model(_torchscript_own: OwnTest) -> nn.Module:
    """The eager model in eval mode. Override it in the rootdir's conftest.py to have your own model checked.

    An override returns a module, ``(module, inputs)`` or a reference.
    """
    module: nn.Module = _torchscript_own.part(lambda lab: lab.subject.loaded.module)
    return module


@pytest.fixture(scope="module")
def torchscript_eager(_torchscript_own: OwnTest) -> Any:
    """The eager model as exports are compared with it: called with the inputs, which it leaves unchanged."""
    from pytest_torchscript.plugin.own_tests import called_eager

    return _torchscript_own.part(called_eager)


@pytest.fixture(scope="module")
def torchscript_traced(_torchscript_own: OwnTest) -> Any:
    """The export at the main anchor: called with the inputs, in their order or by name."""
    from pytest_torchscript.plugin.own_tests import called_export

    return _torchscript_own.part(called_export)


@pytest.fixture(scope="module")
def torchscript_inputs(_torchscript_own: OwnTest) -> Mapping[str, torch.Tensor]:
    """The inputs of the main anchor, by name."""
    inputs: Mapping[str, torch.Tensor] = _torchscript_own.part(lambda lab: lab.subject.inputs)
    return inputs


@pytest.fixture(scope="module")
def torchscript_neuron(request: pytest.FixtureRequest, _torchscript_own: OwnTest) -> Any:
    """The model compiled for a Neuron device; the test is skipped, with the reason, where there is none."""
    from pytest_torchscript.plugin.neuron import compiles_only, require_device
    from pytest_torchscript.plugin.own_tests import called_export

    backend = require_device(_torchscript_own.item)
    export = _torchscript_own.part(called_export, backend=backend)
    compiled_only = compiles_only(request.config)
    if compiled_only:
        pytest.skip(compiled_only)
    return export
