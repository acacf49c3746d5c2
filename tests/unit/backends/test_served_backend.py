"""The backend `served`: a stand-in for a server, sound or told to misbehave, and what the suite says of it."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from pytest_torchscript import Axis, TensorSpec
from pytest_torchscript.backends.served import transport
from tests import toys
from tests.asking import ask
from tests.model_server import serving
from tests.served_models import (
    IN,
    OUT,
    PROTOCOLS,
    TEXT_IN,
    TEXT_OUT,
    Masked,
    Twice,
    Two,
    flat,
    outcomes,
    put,
    said,
    verdicts,
)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(transport, "WAITS", (0.0, 0.0, 0.0))


def traced(module, *example):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(module, example or torch.randn(2, 11, 4), check_trace=False)


@pytest.mark.parametrize("version", PROTOCOLS)
def test_a_sound_server_passes(version):
    with serving(toys.Sound(), IN, OUT) as server:
        result = put(server, toys.Sound(), version=version)
    assert result.passed
    assert verdicts(result) == {"batch": "dynamic", "time": "dynamic"}
    assert outcomes(result)["values"] == "passed"
    assert said(result, "trace").startswith("asked at batch=2 time=11")
    for check, reason in {"save_load": "nothing is saved", "freeze": "nothing is traced or frozen"}.items():
        assert outcomes(result)[check] == "skipped"
        assert reason in said(result, check)
    assert server.asked <= 60


@pytest.mark.parametrize("version", PROTOCOLS)
def test_a_baked_mean_diverges_with_its_line(version):
    with serving(traced(toys.FrozenMean()), IN, {"mean": ("FP32", (-1, 4))}) as server:
        result = put(server, toys.FrozenMean(), "axis", version=version)
    assert verdicts(result) == {"batch": "dynamic", "time": "diverges"}
    (axis,) = (axis for export in result.exports for axis in export.axes if axis.axis == "time")
    assert axis.counterexample == {"batch": 1, "time": 1}
    assert axis.causes[0].file.endswith("toys.py")
    assert "x.sum(1) / float(x.shape[1])" in axis.causes[0].source


@pytest.mark.parametrize("code", [400, 413, 422, 500, 403])
@pytest.mark.parametrize("version", PROTOCOLS)
def test_a_batch_limit_is_fixed_with_the_servers_sentence(version, code):
    axes = {"batch": Axis("batch", max=20)}
    with serving(toys.Sound(), IN, OUT, limit=8, code=code) as server:
        result = put(server, toys.Sound(), "axis", version=version, axes=axes)
    assert verdicts(result) == {"batch": "fixed", "time": "dynamic"}
    message = said(result, "axis[batch]")
    assert "batch=9" in message.splitlines()[0]
    assert f"Refused: the server answers {code}: inference request batch-size must be <= 8 for 'toy'" in message
    assert message.splitlines()[-1].strip().startswith("hint: no line of the model explains it")


def test_truncation_diverges_one_beyond():
    axes = {"time": Axis("time", max=200), "batch": Axis("batch", max=4)}
    with serving(toys.Sound(), IN, OUT, truncate=128) as server:
        result = put(server, toys.Sound(), "axis", axes=axes)
    assert verdicts(result) == {"batch": "dynamic", "time": "diverges"}
    assert "wrong at batch=1 time=129" in said(result, "axis[time]")
    assert "shape (1, 128, 4), eager gives (1, 129, 4)" in said(result, "axis[time]")


@pytest.mark.parametrize(
    ("told", "hint"),
    [
        ({"swap": True}, "answers the rows in another order: its rows are rows 1, 0 of eager's"),
        ({"rounded": torch.float16}, "the answer is as near as float16 can be"),
        ({"rounded": torch.bfloat16}, "the answer is as near as bfloat16 can be"),
    ],
    ids=["rows swapped", "float16", "bfloat16"],
)
@pytest.mark.parametrize("version", PROTOCOLS)
def test_what_is_wrong_at_the_anchor_is_told_once(version, told, hint):
    with serving(toys.Sound(), IN, OUT, **told) as server:
        result = put(server, toys.Sound(), version=version)
    assert [name for name, outcome in outcomes(result).items() if outcome == "failed"] == ["outputs"]
    assert (
        said(result, "outputs")
        .splitlines()[0]
        .endswith("outputs differ at the anchor itself, batch=2 time=11, call 1 of 3")
    )
    assert hint in said(result, "outputs")
    assert said(result, "axis[time]") == "see test_outputs"


def test_other_weights_are_asked_for():
    torch.manual_seed(5)
    other = toys.Sound()
    nn.init.normal_(other.linear.weight)
    with serving(other, IN, OUT) as server:
        result = put(server, toys.Sound())
    assert [name for name, outcome in outcomes(result).items() if outcome == "failed"] == ["outputs"]
    assert "hint: another model or other weights?" in said(result, "outputs")
    assert "no line of this model explains it" in said(result, "outputs")


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_busy_now_and_then_is_tried_again(code):
    with serving(toys.Sound(), IN, OUT, busy=5, busy_code=code) as server:
        result = put(server, toys.Sound(), "outputs", "axis", "joint")
    assert result.passed
    assert server.asked > 30


@pytest.mark.parametrize("version", PROTOCOLS)
def test_a_server_that_dies_in_the_middle_is_an_error_and_no_verdict(version):
    with serving(toys.Sound(), IN, OUT, dies=12) as server:
        result = put(server, toys.Sound(), version=version)
    assert "error" in outcomes(result).values()
    assert "failed" not in outcomes(result).values()
    assert set(verdicts(result).values()) <= {"untested", "dynamic"}
    assert verdicts(result)["time"] == "untested"
    (first, *_) = (item for item in result.checks if item.outcome == "error")
    assert f"{getattr(server, version)}: asked 4 times, the server says " in first.message
    assert "hint: is the server up" in first.message
    assert len([item for item in result.checks if item.outcome == "error"]) == 2
    assert all(item.outcome in ("passed", "skipped", "error") for item in result.checks)


def test_a_slow_server_is_unavailable():
    with serving(toys.Sound(), IN, OUT, slow=0.5) as server:
        result = put(server, toys.Sound(), "trace", served={"timeout": 0.05})
    assert outcomes(result) == {"trace": "error"}
    assert "no answer within 0.05 seconds" in said(result, "trace")


def test_an_html_page_is_told_without_its_tags():
    with serving(toys.Sound(), IN, OUT, page=502) as server:
        result = put(server, toys.Sound(), "trace")
    assert outcomes(result) == {"trace": "error"}
    assert "the server says 502: x 502 Bad Gateway some proxy" in said(result, "trace")


@pytest.mark.parametrize("version", PROTOCOLS)
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html><b>please log in</b></html>", "the answer is no JSON: please log in"),
        (b"", "the answer is no JSON: it is empty"),
        (b"{}", "the answer has no outputs"),
        (b'{"outputs": [{"name": "output", "shape": [2, 11], "datatype": "FP32", "data": [1, 2]}]}', "cannot be read"),
        (b'{"outputs": [{"name": "output", "shape": [1], "datatype": "FP99", "data": [1]}]}', "cannot be read"),
        (b'{"outputs": [{"name": "output", "datatype": "FP32", "data": [1]}]}', "cannot be read: there is no 'shape'"),
    ],
    ids=["HTML", "nothing", "no outputs", "another count", "no datatype", "no shape"],
)
def test_an_answer_that_is_none(version, body, words):
    if version == "v1" and "cannot be read" in words:
        pytest.skip("the other protocol's words")
    with serving(toys.Sound(), IN, OUT, body=body or b" ") as server:
        result = put(server, toys.Sound(), "trace", version=version)
    assert outcomes(result) == {"trace": "error"}
    assert words in said(result, "trace")
    assert "hint: " in said(result, "trace")


def test_ragged_rows_cannot_be_read():
    with serving(toys.Sound(), IN, OUT, body=b'{"outputs": [[1, 2], [3]]}') as server:
        result = put(server, toys.Sound(), "trace", version="v1")
    assert "output 'output' of the answer cannot be read" in said(result, "trace")


def test_an_output_that_is_gone_is_no_verdict():
    with serving(flat(Two(), "left", "right"), IN, {"left": OUT["output"], "right": OUT["output"]}, lacks=9) as server:
        result = put(server, Two(), "axis")
    assert "failed" not in outcomes(result).values()
    assert "the answer lacks 'left', which it had before: it holds right" in said(result, "axis[batch]")


class States(nn.Module):
    """Returns hidden states, as transformers' models do."""

    def forward(self, x: torch.Tensor) -> dict[str, object]:
        states = (x, x * 2, x.cumsum(1))
        return {"logits": x.mean(1), "hidden_states": states}


@pytest.mark.parametrize("version", PROTOCOLS)
def test_outputs_go_by_name_whatever_their_order(version):
    ports = {"right": OUT["output"], "left": OUT["output"]}
    with serving(flat(Two(), "right", "left"), IN, ports) as server:
        result = put(server, Two(), version=version)
    assert result.passed
    assert "by their order" not in said(result, "trace")


def test_outputs_of_other_names_go_by_order_with_a_word():
    ports = {"a": OUT["output"], "b": OUT["output"]}
    with serving(flat(Two(), "left", "right"), IN, ports) as server:
        assert "by their order: a as ['left'], b as ['right']" in said(put(server, Two(), "trace"), "trace")


def test_more_outputs_than_eager_has_are_not_compared():
    ports = {"left": OUT["output"], "right": OUT["output"], "extra": OUT["output"]}
    with serving(lambda x: [x * 2, x.cumsum(1), x], IN, ports) as server:
        assert "that eager has not are not compared: extra" in said(put(server, Two(), "trace"), "trace")


def test_a_missing_output_is_told():
    with serving(lambda x: x * 2, IN, {"left": OUT["output"]}) as server:
        result = put(server, Two(), "trace")
    assert outcomes(result) == {"trace": "failed"}
    assert "the answer lacks ['right']: it holds left" in said(result, "trace")
    assert "hint: serve the output" in said(result, "trace")


@pytest.mark.parametrize("version", PROTOCOLS)
@pytest.mark.parametrize("how", ["stacked", "second", "joined"])
def test_hidden_states_that_a_server_groups_are_compared(version, how):
    def grouped(x):
        answer = States()(x)
        states = answer["hidden_states"]
        group = (
            torch.stack(states)
            if how == "stacked"
            else torch.stack(states, 1)
            if how == "second"
            else torch.cat(states, 2)
        )
        return [answer["logits"], group]

    ports = {"logits": ("FP32", (-1, 4)), "hidden_states": ("FP32", (-1, -1, -1, 4)[: 3 if how == "joined" else 4])}
    with serving(grouped, IN, ports) as server:
        result = put(server, States(), version=version)
    assert result.passed
    assert verdicts(result) == {"batch": "dynamic", "time": "dynamic"}
    assert "hidden_states holds 3 tensors of eager" in said(result, "trace")


def test_a_group_that_does_not_come_apart_is_told():
    ports = {"logits": ("FP32", (-1, 4)), "hidden_states": ("FP32", (-1, -1, 4))}
    with serving(lambda x: [x.mean(1), x], IN, ports) as server:
        result = put(server, States(), "trace")
    assert "output 'hidden_states' has the shape [2, 11, 4], and eager's 3 tensors" in said(result, "trace")


def test_a_group_is_wrong_where_one_of_its_tensors_is():
    def grouped(x):
        return [x.mean(1), torch.stack([x, x * 2, x.cumsum(1) if x.shape[1] < 20 else x])]

    ports = {"logits": ("FP32", (-1, 4)), "hidden_states": ("FP32", (-1, -1, -1, 4))}
    with serving(grouped, IN, ports) as server:
        result = put(server, States(), "axis")
    assert verdicts(result) == {"batch": "dynamic", "time": "diverges"}
    assert "wrong at batch=1 time=20" in said(result, "axis[time]")


@pytest.mark.parametrize("version", PROTOCOLS)
def test_inputs_go_by_name_whatever_their_order(version):
    def other_way_round(attention_mask, input_ids):
        return Masked()(input_ids, attention_mask)

    with serving(other_way_round, dict(reversed(list(TEXT_IN.items()))), TEXT_OUT) as server:
        result = put(server, Masked(), version=version, inputs=toys.TEXT)
    assert result.passed
    assert outcomes(result)["sensitivity"] == outcomes(result)["values"] == "passed"
    assert all(axis == "dynamic" for axis in verdicts(result).values())


def test_an_ignored_mask_fails():
    with serving(lambda input_ids, attention_mask: input_ids.cumsum(1), TEXT_IN, TEXT_OUT) as server:
        result = put(server, Masked(), inputs=toys.TEXT)
    assert not result.passed
    assert outcomes(result)["outputs"] == "failed" or outcomes(result)["values"] == "failed"


def test_inputs_of_other_names_go_by_order_with_a_word():
    ports = {"INPUT__0": TEXT_IN["input_ids"], "INPUT__1": TEXT_IN["input_ids"]}
    with serving(Masked(), ports, TEXT_OUT) as server:
        result = put(server, Masked(), inputs=toys.TEXT)
    assert result.passed
    assert "by their order: input_ids as INPUT__0, attention_mask as INPUT__1" in said(result, "trace")


@pytest.mark.parametrize("version", PROTOCOLS)
def test_a_server_without_metadata_is_fed_by_eagers_names(version):
    with serving(Masked(), TEXT_IN, TEXT_OUT, metadata=False) as server:
        result = put(server, Masked(), version=version, inputs=toys.TEXT)
    assert result.passed
    assert "the server does not say what it takes: inputs go by eager's names" in said(result, "trace")


@pytest.mark.parametrize("version", PROTOCOLS)
def test_options_declare_what_metadata_does_not(version):
    ports = {"ids:0": ("INT32", (-1, -1)), "mask:0": ("BOOL", (-1, -1))}
    served = {"inputs": "ids:0:INT32 mask:0:BOOL", "outputs": "answer:INT64"}
    with serving(Masked(), ports, {"answer": TEXT_OUT["output"]}, metadata=False) as server:
        result = put(server, Masked(), version=version, inputs=toys.TEXT, served=served)
    assert result.passed


@pytest.mark.parametrize(
    ("ports", "words"),
    [
        ({**TEXT_IN, "token_type_ids": ("INT64", (-1, -1))}, "the server has also token_type_ids INT64 [-1, -1]"),
        ({"input_ids": TEXT_IN["input_ids"]}, "eager has also attention_mask"),
        ({**TEXT_IN, "input_ids": ("FP16", (-1,))}, "has 1 dims on the server, [-1], and 2 in eager"),
        ({**TEXT_IN, "input_ids": ("BYTES", (-1, -1))}, "input 'input_ids' is BYTES on the server and INT64 in eager"),
    ],
    ids=["one more", "one less", "rank", "datatype"],
)
def test_inputs_that_cannot_match(ports, words):
    with serving(Masked(), ports, TEXT_OUT) as server:
        result = put(server, Masked(), inputs=toys.TEXT)
    assert [name for name, outcome in outcomes(result).items() if outcome in ("failed", "error")] == ["trace"]
    assert words in said(result, "trace")
    assert said(result, "trace").splitlines()[-1].strip().startswith("hint: ")
    assert not server.bodies


def test_a_float_does_not_go_into_whole_numbers():
    with serving(toys.Sound(), {"x": ("INT64", (-1, -1, 4))}, OUT) as server:
        result = put(server, toys.Sound(), "trace")
    assert "input 'x' is INT64 on the server and FP32 in eager, which cannot match" in said(result, "trace")


class Numbers(nn.Module):
    """Gives back what it gets, NaN and infinity as well."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scales = torch.tensor([1.0, float("inf"), float("-inf"), float("nan")]).to(x.dtype)
        return torch.cat([x, (x * 0 + 1) * scales, x * 1e-41], 1)


@pytest.mark.parametrize("version", PROTOCOLS)
def test_float32_nan_and_infinity_arrive_as_they_are(version):
    with serving(Numbers(), IN, OUT) as server:
        result = put(server, Numbers(), version=version, served={"arithmetic": "same"})
    assert result.passed
    assert outcomes(result)["values"] == "passed"


@pytest.mark.parametrize("version", PROTOCOLS)
def test_halves_are_skipped_where_only_text_goes(version):
    inputs = {"x": TensorSpec("batch", "time", 4, dtype=torch.float16)}
    ports = {"x": ("FP16", (-1, -1, 4))}
    with serving(Twice(), ports, {"output": ("FP16", (-1, -1, 4))}) as server:
        result = put(server, Twice(), inputs=inputs, version=version)
    assert outcomes(result)["trace"] == "skipped"
    assert "input 'x' is FP16: JSON has no such numbers" in said(result, "trace")
    assert set(verdicts(result).values()) == {"untested"}


def test_whole_numbers_that_do_not_fit_are_skipped():
    inputs = {"x": TensorSpec("batch", dtype=torch.int64, low=2**40, high=2**41)}
    with serving(Twice(), {"x": ("INT32", (-1,))}, {"output": ("INT64", (-1,))}) as server:
        result = put(server, Twice(), "trace", inputs=inputs)
    assert "does not go into the server's INT32" in said(result, "trace")


def test_requests_are_bounded_and_what_was_found_is_told():
    with serving(traced(toys.FrozenMean()), IN, {"mean": ("FP32", (-1, 4))}) as server:
        result = put(server, toys.FrozenMean(), served={"requests": 14})
    assert server.asked <= 14
    assert verdicts(result) == {"batch": "untested", "time": "diverges"}
    assert "request budget" in said(result, "axis[batch]")
    assert "diverges" in said(result, "axis[time]")


@pytest.mark.parametrize(("requests", "verdict"), [(7, "untested"), (34, "dynamic")])
def test_a_verdict_needs_its_sizes(requests, verdict):
    with serving(toys.Sound(), IN, OUT) as server:
        result = put(server, toys.Sound(), served={"requests": requests})
    assert server.asked <= requests
    assert set(verdicts(result).values()) == {verdict}
    assert "failed" not in outcomes(result).values()
    assert "hint: allow more with --torchscript-option served.requests=N" in "".join(
        item.message for item in result.checks if item.outcome == "skipped"
    )
    if verdict == "untested":
        assert said(result, "axis[batch]").startswith("axis 'batch' is untested: request budget")
    assert outcomes(result)["outputs"] == "passed"


def test_secrets_are_sent_and_never_shown(monkeypatch):
    monkeypatch.setenv("SERVED_KEY", "Authorization: Bearer open-sesame\nX-Team: nine")
    header = ("Authorization", "Bearer open-sesame")
    with serving(toys.Sound(), IN, OUT, header=header) as server:
        assert put(server, toys.Sound(), "outputs", served={"header_env": "SERVED_KEY"}).passed
        assert server.seen_headers[-1]["X-Team"] == "nine"
    with serving(toys.Sound(), IN, OUT, header=("Authorization", "another")) as server:
        result = put(server, toys.Sound(), served={"header_env": "SERVED_KEY"})
    assert "401: no such key: ***" in said(result, "trace")
    assert "hint: send what it wants: served.header_env" in said(result, "trace")
    assert "open-sesame" not in repr(result)


def test_a_redirect_to_another_host_is_not_followed():
    with serving(toys.Sound(), IN, OUT) as other, serving(toys.Sound(), IN, OUT, redirect=other.root) as server:
        result = put(server, toys.Sound(), "trace")
    assert outcomes(result) == {"trace": "error"}
    assert "redirects to http://127.0.0.1, another host, which is not followed" in said(result, "trace")
    assert other.asked == 0


def test_nobody_is_there():
    with serving(toys.Sound(), IN, OUT) as server:
        pass
    result = put(server, toys.Sound())
    assert outcomes(result)["trace"] == "error"
    assert "asked 4 times, the server says" in said(result, "trace")
    assert set(verdicts(result).values()) == {"untested"}


@pytest.mark.parametrize("version", PROTOCOLS)
def test_a_model_that_is_loading(version):
    with serving(toys.Sound(), IN, OUT, state="LOADING") as server:
        result = put(server, toys.Sound(), "trace", version=version)
    assert outcomes(result) == {"trace": "error"}
    assert f"{getattr(server, version)} is not ready" in said(result, "trace")
    assert ("version 1 is LOADING" if version == "v1" else "400: it is loading") in said(result, "trace")


@pytest.mark.parametrize("version", PROTOCOLS)
def test_a_model_that_nobody_knows(version):
    with serving(toys.Sound(), IN, OUT) as server:
        url = f"{getattr(server, version)}s"
        result = ask(toys.Sound(), "trace", backend="served", options={"served": {"url": url}})
    assert outcomes(result) == {"trace": "error"}
    assert f"{url}: no such model or version is ready there: the server answers 404" in said(result, "trace")
    assert "is not found" in said(result, "trace")


def test_a_signature_that_is_not_there():
    with serving(toys.Sound(), IN, OUT) as server:
        result = put(server, toys.Sound(), "trace", version="v1", served={"signature": "embeds"})
    assert "has no signature 'embeds'" in said(result, "trace")
    assert "hint: give one of its own with served.signature: serving_default" in said(result, "trace")


@pytest.mark.parametrize("arithmetic", ["same", "reordered", "bf16"])
def test_the_arithmetic_is_an_option(arithmetic):
    with serving(toys.Sound(), IN, OUT) as server:
        assert put(server, toys.Sound(), "outputs", "axis", served={"arithmetic": arithmetic}).passed
