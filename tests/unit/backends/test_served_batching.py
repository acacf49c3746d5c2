"""The check batching: requests sent at once are answered as if each were alone."""

from __future__ import annotations

import pytest

from tests import toys
from tests.model_server import serving
from tests.served_models import (
    IN,
    OUT,
    PROTOCOLS,
    outcomes,
    put,
    said,
)


@pytest.mark.parametrize("version", PROTOCOLS)
def test_requests_at_once_are_answered_as_if_alone(version):
    with serving(toys.Sound(), IN, OUT, joins="well") as server:
        result = put(server, toys.Sound(), "batching", version=version, served={"parallel": 4})
    assert result.passed
    assert said(result, "batching") == "24 requests, 4 at once, each answered as if alone"
    assert server.most_under_way == 4


@pytest.mark.parametrize("version", PROTOCOLS)
def test_rows_that_go_to_another_request(version):
    with serving(toys.Sound(), IN, OUT, joins="mixed") as server:
        result = put(server, toys.Sound(), "outputs", "axis", "batching", version=version, served={"parallel": 4})
    assert [name for name, outcome in outcomes(result).items() if outcome == "failed"] == ["batching"]
    assert "batching: of 4 requests at once, 4 are not answered as if alone" in said(result, "batching")
    assert "request 1, batch=2 time=11, is right when it is sent alone; at once:" in said(result, "batching")
    assert "hint: look at what joins requests" in said(result, "batching")


def test_a_batch_that_grows_too_large_when_joined():
    class Few(toys.Sound):
        def forward(self, x):
            if len(x) > 6:
                raise ValueError("more than 6 rows")
            return super().forward(x)

    with serving(Few(), IN, OUT, joins="well") as server:
        result = put(server, toys.Sound(), "batching", served={"parallel": 5})
    assert outcomes(result) == {"batching": "failed"}
    assert "Refused: the server answers 400: ValueError: more than 6 rows" in said(result, "batching")


def test_nothing_is_sent_at_once_unless_it_is_asked_for():
    with serving(toys.Sound(), IN, OUT, joins="mixed") as server:
        result = put(server, toys.Sound())
    assert result.passed
    assert "batching" not in outcomes(result)
    assert server.most_under_way == 1
