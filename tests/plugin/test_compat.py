"""What of pytest is used although it is not public is there, and does what is wanted of it."""

from __future__ import annotations

import types

import pytest

from pytest_torchscript.plugin import compat

OWN = """
import pytest
from pytest_torchscript.plugin import compat

ENDED = []

@pytest.fixture(name="answer")
def make_answer():
    return 42

@pytest.fixture(scope="module")
def wide(request):
    compat.finish_with(request.config.stash[ITEM], request)
    yield len(ENDED)
    ENDED.append("wide")

ITEM = pytest.StashKey()

@pytest.fixture(autouse=True)
def _item(request):
    request.config.stash[ITEM] = request.node

def test_definitions(request):
    assert [definition.argname for definition in compat.fixture_definitions(request.node, "answer")] == ["answer"]
    assert compat.fixture_definitions(request.node, "question") == ()

def test_value(request):
    assert compat.fixture_value(request.node, "answer") == 42

@pytest.mark.parametrize("which", [0, 1])
def test_a_wide_fixture_ends_with_its_test(request, which):
    request.getfixturevalue("wide")
    assert len(ENDED) == which

def test_ids(request):
    node = compat.collector_id(request.session, "torchscript", "m:f(a=[1])")
    assert str(node) == "torchscript::m:f(a=[1])"
    compat.settle_id(request.node)
    assert request.node.nodeid.endswith("::test_ids")
"""


def test_fixtures_are_known_by_their_own_name() -> None:
    @pytest.fixture(name="torchscript_model")
    def under_another_name() -> None: ...

    module = types.ModuleType("conftest")
    assert not compat.defines_fixture(module, "torchscript_model")
    module.model = under_another_name  # type: ignore[attr-defined]
    assert compat.defines_fixture(module, "torchscript_model")
    assert not compat.defines_fixture(module, "under_another_name")


def test_inside_a_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(OWN)
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=5)
