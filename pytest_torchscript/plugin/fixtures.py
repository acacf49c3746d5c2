"""The fixtures for users' own tests, and the one that the suite runs on.

They have module scope, so that a ``@given`` test may use them, although each test may have a model of its own: every test
that uses them is parametrised, invisibly where it has one model, by what it is to be given. The models themselves are kept
in `Cases`, not in fixtures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_torchscript.errors import Error, OptionError
from pytest_torchscript.plugin import override
from pytest_torchscript.plugin.keys import CASES, CURRENT_ITEM
from pytest_torchscript.plugin.subjects import Request, conftest_subject, own_subject
from pytest_torchscript.plugin.verdicts import SuiteCase

if TYPE_CHECKING:
    import torch
    from torch import nn

    from pytest_torchscript.checks import Case
    from pytest_torchscript.plugin.helper import TorchScript


@pytest.fixture(name="_torchscript_suite")
def _suite_case(request: pytest.FixtureRequest) -> SuiteCase:
    """The model of a suite on one backend."""
    node, cases = request.node.parent, request.config.stash[CASES]
    if node.subject is not None:
        return SuiteCase(request.node, cases, node.name, request.param, lambda: node.subject)
    return SuiteCase(request.node, cases, node.name, request.param, lambda: conftest_subject(request))


@pytest.fixture(scope="module", name="_torchscript_case")
def _own_case(request: pytest.FixtureRequest) -> Case:
    """The model of a user's own test on one backend."""
    __tracebackhide__ = True
    config = request.config
    item = config.stash[CURRENT_ITEM]
    wanted: Request = getattr(request, "param", None) or Request()
    try:
        subject = own_subject(item, wanted)
        case = config.stash[CASES].case(subject, wanted.backend_for(config))
    except Error as error:
        pytest.fail(str(error), pytrace=False)
    return case


@pytest.fixture(scope="session")
def torchscript(request: pytest.FixtureRequest) -> TorchScript:
    """Check a model: ``torchscript.check(MyEncoder())`` puts every check to it and raises with all that failed."""
    from pytest_torchscript.plugin.helper import TorchScript

    return TorchScript(request.config)


@pytest.fixture(scope="module")
def torchscript_model(_torchscript_case: Case) -> nn.Module:
    """The eager model in eval mode. Override it in the rootdir's conftest.py to have your own model checked.

    An override returns a module, ``(module, inputs)`` or a reference.
    """
    module: nn.Module = _torchscript_case.loaded.module
    return module


@pytest.fixture(scope="module")
def torchscript_eager(_torchscript_case: Case) -> Any:
    """The eager model as everything is compared with: called with the inputs by name, it leaves them unchanged."""
    return _torchscript_case.eager


@pytest.fixture(scope="module")
def torchscript_traced(_torchscript_case: Case) -> Any:
    """The export at the main anchor: called with tensors in the order of the inputs."""
    return _torchscript_case.artifact


@pytest.fixture(scope="module")
def torchscript_inputs(_torchscript_case: Case) -> Mapping[str, torch.Tensor]:
    """The inputs of the main anchor, by name."""
    inputs: Mapping[str, torch.Tensor] = _torchscript_case.inputs
    return inputs
