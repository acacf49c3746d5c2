"""What the backend `served` is made of, part by part."""

from __future__ import annotations

import pytest
import torch

from pytest_torchscript import OptionError
from pytest_torchscript.backends import Budget, Spent, Unavailable, Unsupported
from pytest_torchscript.backends.served import datatypes
from pytest_torchscript.backends.served.diagnosis import diagnose
from pytest_torchscript.backends.served.options import Endpoint, ServedOptions
from pytest_torchscript.backends.served.signature import Port, declared, key_of, match_outputs
from pytest_torchscript.backends.served.transport import WAITS, Guest, NoAnswer, Rejected, Reply


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://h:8501/v1/models/bert", ("http://h:8501", "v1", "bert", "", "")),
        ("https://h/v2/models/bert/versions/3/", ("https://h", "v2", "bert", "3", "")),
        ("http://h/serving/a/v1/models/bert/labels/canary", ("http://h/serving/a", "v1", "bert", "", "canary")),
        ("http://[::1]:80/v2/models/b%20c", ("http://[::1]:80", "v2", "b c", "", "")),
    ],
)
def test_urls(url, parts):
    found = Endpoint.of(url)
    assert (found.root, found.protocol, found.model, found.version, found.label) == parts


def test_a_url_is_needed():
    with pytest.raises(OptionError, match="no URL is given"):
        ServedOptions().endpoint  # noqa: B018


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


@pytest.mark.parametrize(
    ("dtype", "datatype", "can"),
    [
        (torch.float32, "FP32", True),
        (torch.float32, "FP64", True),
        (torch.float32, "FP16", False),
        (torch.float16, "BF16", False),
        (torch.float32, "INT64", False),
        (torch.int64, "INT32", True),
        (torch.int64, "FP32", True),
        (torch.bool, "INT64", True),
        (torch.int64, "BYTES", False),
        (torch.complex64, "FP32", False),
    ],
)
def test_which_datatypes_fit(dtype, datatype, can):
    assert datatypes.can_become(dtype, datatype) is can


@pytest.mark.parametrize(
    "datatype", [name for name in datatypes.TORCH if not name.startswith("UINT") or name == "UINT8"]
)
def test_bytes_there_and_back(datatype):
    tensor = torch.tensor([[0, 1, 1], [1, 0, 1]]).to(datatypes.TORCH[datatype])
    back = datatypes.from_bytes(datatypes.to_bytes(tensor), datatype, (2, 3))
    assert back.dtype == tensor.dtype
    assert torch.equal(back, tensor)
    with pytest.raises(ValueError, match=r"."):
        datatypes.from_bytes(datatypes.to_bytes(tensor), datatype, (2, 4))


def test_bytes_that_torch_has_no_dtype_for():
    data = (70000).to_bytes(4, "little") + (2**32 - 1).to_bytes(4, "little")
    assert datatypes.from_bytes(data, "UINT32", (2,)).tolist() == [70000, 2**32 - 1]


def test_values_that_do_not_fit():
    with pytest.raises(Unsupported, match=r"input 'x': -1 does not go into the server's UINT8"):
        datatypes.converted(torch.tensor([-1, 3]), "UINT8", "x")
    with pytest.raises(Unsupported, match=r"input 'x': 9007199254740993 is beyond 2\*\*53"):
        datatypes.check_text(torch.tensor([2**53 + 1]), "INT64", "x")
    datatypes.check_text(torch.tensor([2**53]), "INT64", "x")


def test_declared_ports():
    assert declared(["ids", "mask:BOOL", "serving:0", "a:b:fp32"], "inputs") == (
        Port("ids"),
        Port("mask", "BOOL"),
        Port("serving:0"),
        Port("a:b", "FP32"),
    )
    with pytest.raises(OptionError, match=r"served option inputs: 'x:FP99' has an unknown datatype"):
        declared(["x:FP99"], "inputs")


def test_names_of_outputs():
    assert key_of("['hidden_states'][0]") == "hidden_states_0"
    assert key_of(".past.layers[1].keys") == "past_layers_1_keys"


def test_two_dims_of_one_size_are_told_apart_by_the_values():
    states = [torch.full((2, 3), float(index)) for index in range(2)]
    for dim in (0, 1):
        paths = ["['states'][0]", "['states'][1]"]
        (reading,), _ = match_outputs(paths, states, {"states": torch.stack(states, dim)}, "h")
        assert reading.dim == dim
        assert all(map(torch.equal, reading.read(torch.stack(states, dim)), states))


@pytest.mark.parametrize("values", [[1.0, 2.0], [float("nan"), float("inf")], []], ids=str)
def test_a_diagnosis_of_any_values(values):
    tensor = torch.tensor(values)
    assert "another model or other weights?" in diagnose([tensor + 1], [tensor], "it")


def test_a_diagnosis_of_rows():
    rows = torch.arange(12.0).reshape(3, 4)
    assert "its rows are rows 2, 0, 1 of eager's" in diagnose([rows[[2, 0, 1]]], [rows], "it")
    assert "another model" in diagnose([rows], [rows], "it")
