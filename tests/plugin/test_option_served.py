"""The backend `served` from the command line: malformed options end the run, what the server lacks is one failing item."""

from __future__ import annotations

import pytest
from plugin_runs import Run, assert_usage_error, read_report

from pytest_torchscript.backends.served import transport
from tests.model_server import serving

IN, OUT = {"x": ("FP32", (-1, -1, 4))}, {"output": ("FP32", (-1, 4))}


def mean(x):
    return x.mean(1)


CHOSEN = ("--torchscript-model", "zoo:good", "--torchscript-backend", "served", "--torchscript-report", "out.json")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(transport, "WAITS", (0.0, 0.0, 0.0))


def option(name, value):
    return "--torchscript-option", f"served.{name}={value}"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("url", "127.0.0.1:8501/v1/models/bert"), "has no scheme"),
        (("url", "ftp://127.0.0.1/v1/models/bert"), "the scheme 'ftp' is none of http, https, grpc, grpcs"),
        (("url", "http:///v1/models/bert"), "names no host"),
        (("url", "http://h:x/v1/models/bert"), "served option url='http://h:x/v1/models/bert': "),
        (("url", "http://127.0.0.1:8501"), "names no model: its path is '/'"),
        (("url", "http://127.0.0.1:8501/v1/models/bert:predict"), "names no model"),
        (("url", "http://127.0.0.1:8501/v2/models/bert?key=9"), "goes on behind the name of the model"),
        (("requests", "none"), "served option requests='none' is not a whole number"),
        (("requests", "0"), "served option requests=0 is too few"),
        (("parallel", "0"), "served option parallel=0 is too few"),
        (("arithmetic", "bf61"), "served option arithmetic 'bf61' does not exist"),
        (("form", "cells"), "served option form 'cells' does not exist"),
        (("header_env", "NOT_THERE"), "served option header_env='NOT_THERE': the environment has no such variable"),
        (("header_env", "MALFORMED"), "served option header_env='MALFORMED': line 2 of the variable is no header"),
        (("header_env", "EMPTY"), "served option header_env='EMPTY': the variable is empty"),
        (("address", "x"), "served option 'address' does not exist"),
    ],
)
def test_malformed_options(run: Run, monkeypatch, given, said) -> None:
    monkeypatch.setenv("MALFORMED", "Name: value\nhush")
    monkeypatch.setenv("EMPTY", "\n")
    monkeypatch.delenv("NOT_THERE", raising=False)
    result = run(*CHOSEN, *option(*given))
    assert_usage_error(result, said)
    assert "hush" not in result.stderr.str()


def test_a_password_in_the_url_is_not_repeated(run: Run) -> None:
    result = run(*CHOSEN, *option("url", "http://me:hush@127.0.0.1/v1/models/bert"))
    assert_usage_error(result, "carries a user or a password", "served.header_env")
    assert "hush" not in result.stderr.str()


def one_error(result: pytest.RunResult, folder, *said: str) -> None:
    """The run has one item, which fails in few lines, with one hint; the report is whole."""
    text = result.stdout.str()
    result.assert_outcomes(failed=1)
    assert result.ret == 1
    assert "Traceback" not in text
    assert "test_model" in text
    (check,) = read_report(folder)["models"][0]["exports"][0]["checks"]
    assert (check["name"], check["outcome"]) == ("model", "error")
    for words in said:
        assert words in check["message"]
    assert check["message"].count("hint:") == 1


def test_no_url(run: Run, pytester) -> None:
    one_error(run(*CHOSEN), pytester.path, "served: no URL is given", "--torchscript-option served.url=")


def test_nobody_is_there(run: Run, pytester) -> None:
    with serving(mean, IN, OUT) as server:
        pass
    one_error(run(*CHOSEN, *option("url", server.v2)), pytester.path, f"{server.v2}: asked 4 times, the server says ")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_model_that_nobody_knows(run: Run, pytester, version) -> None:
    with serving(mean, IN, OUT) as server:
        url = getattr(server, version) + "x"
        one_error(run(*CHOSEN, *option("url", url)), pytester.path, f"{url}: no such model", "is not found")


def test_a_model_that_is_loading(run: Run, pytester) -> None:
    with serving(mean, IN, OUT, state="LOADING") as server:
        one_error(run(*CHOSEN, *option("url", server.v1)), pytester.path, "version 1 is LOADING")


def test_a_sound_server(run: Run, pytester) -> None:
    with serving(mean, IN, OUT) as server:
        result = run(*CHOSEN, *option("url", server.v2), *option("requests", "60"))
    assert result.ret == 0
    assert server.asked <= 60
    (export,) = read_report(pytester.path)["models"][0]["exports"]
    assert {axis["verdict"] for axis in export["axes"]} == {"dynamic"}
    assert export["backend"] == "served"
    assert export["device"]["served_by"] == "Open Inference Protocol"


def test_a_server_that_dies_leaves_a_complete_report(run: Run, pytester) -> None:
    with serving(mean, IN, OUT, dies=12) as server:
        result = run(*CHOSEN, *option("url", server.v2))
    assert result.ret == 1
    (export,) = read_report(pytester.path)["models"][0]["exports"]
    outcomes = [check["outcome"] for check in export["checks"]]
    assert outcomes.count("error") == 2
    assert "failed" not in outcomes
    assert "untested" in {axis["verdict"] for axis in export["axes"]}
    assert not {axis["verdict"] for axis in export["axes"]} & {"fixed", "diverges"}


def test_beside_a_trace(run: Run, pytester) -> None:
    with serving(mean, IN, OUT, limit=8) as server:
        run(*CHOSEN, "--torchscript-backend", "torchscript", *option("url", server.v2), "-k", "axis")
    ladder = {row["axis"]: row for row in read_report(pytester.path)["models"][0]["ladder"]}
    assert (ladder["batch"]["served"], ladder["batch"]["torchscript"]) == ("fixed", "dynamic")


def test_a_secret_stands_in_no_report(run: Run, pytester, monkeypatch) -> None:
    monkeypatch.setenv("SERVED_KEY", "Authorization: Bearer hush")
    with serving(mean, IN, OUT, header=("Authorization", "Bearer other")) as server:
        result = run(
            *CHOSEN, *option("url", server.v2), *option("header_env", "SERVED_KEY"), "--torchscript-report", "a.html"
        )
    assert "hush" not in result.stdout.str() + result.stderr.str()
    for path in ("out.json", "a.html"):
        assert "hush" not in (pytester.path / path).read_text(encoding="utf-8")


def test_an_own_test_is_told_in_one_message(run: Run, pytester) -> None:
    with serving(mean, IN, OUT) as server:
        pass
    chosen = f'model="zoo:good", backend="served", option={{"served.url": "{server.v2}"}}'
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.torchscript({chosen})
        def test_own(torchscript_traced):
            pass
        """
    )
    result = run("-q")
    result.assert_outcomes(errors=1)
    assert f"{server.v2}: asked 4 times, the server says" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()
    assert "MachineFailure" not in result.stdout.str()
