"""How a server is asked: tried again where nobody is there, within a budget, and quoted without secrets."""

from __future__ import annotations

import pytest

from pytest_torchscript.backends import Budget, Spent, Unavailable
from pytest_torchscript.backends.served.transport import WAITS, Guest, NoAnswer, Rejected, Reply


def guest(replies, limit=100):
    """A guest of a server that says these one after another, and the pauses it made."""
    said, pauses = iter(replies), []

    def exchange(path, body=None, headers=None):
        reply = next(said)
        if isinstance(reply, Exception):
            raise reply
        return reply

    return Guest(exchange, Budget(limit), "http://h/v2/models/m", secrets=["hush"], sleep=pauses.append), pauses


def test_what_finds_nobody_is_tried_again_with_longer_pauses():
    made, pauses = guest([NoAnswer("refused"), Reply(503, b""), Reply(429, b""), Reply(200, b"{}")])
    assert made.ask("/x").status == 200
    assert tuple(pauses) == WAITS == (0.1, 0.5, 2.0)
    assert made.budget.spent == 4


@pytest.mark.parametrize("last", [NoAnswer("Connection refused"), Reply(504, b'{"error": "too late"}')])
def test_and_not_for_ever(last):
    made, pauses = guest([last] * 9)
    with pytest.raises(Unavailable, match=r"asked 4 times, the server says (Connection refused|504: too late)"):
        made.ask("/x")
    assert len(pauses) == 3


@pytest.mark.parametrize("status", [400, 404, 500])
def test_what_says_no_is_not_tried_again(status):
    made, pauses = guest([Reply(status, b'{"detail": "no   such\\nthing"}')])
    with pytest.raises(Rejected, match=f"{status}: no such thing"):
        made.ask("/x")
    assert not pauses


def test_the_budget_ends_between_two_tries():
    made, _ = guest([Reply(503, b"")] * 9, limit=2)
    with pytest.raises(Spent, match="request budget: all 2 requests were made"):
        made.ask("/x")


def test_a_share_ends_before_the_budget():
    budget = Budget(10, share=1)
    budget.take()
    with pytest.raises(Spent, match="the share of this check is used up, 1 of 10 requests were made"):
        budget.take()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": {"code": 3}}', "{'code': 3}"),
        (b'{"message": "hush now"}', "*** now"),
        (b"<html><style>p {}</style><p>no &amp; no</p></html>", "no & no"),
        (b"", "Not Found"),
        (b"\xff" + b"x" * 400, "x" * 100),
    ],
)
def test_the_words_of_a_server(body, words):
    assert words in guest([])[0].words(Reply(404, body))
    assert len(guest([])[0].words(Reply(404, body))) <= 300
