"""One cause is one failing item: whatever is thrown, wherever, and whatever else of the model would be wrong with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from plugin_runs import Run, checks_of, read_report

import pytest_torchscript
from pytest_torchscript.backends.torchscript import TorchScriptArtifact

PACKAGE = str(Path(pytest_torchscript.__file__).parent)
MODELS = """
import warnings

import pytest
import torch
import torch
from torch import nn
from pytest_torchscript import Axis, TensorSpec

INPUTS = {"x": TensorSpec(Axis("batch", max=6), Axis("time", max=24), 4)}


class Weird(BaseException):
    pass


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("it cannot even say what it is")


def deep():
    return deep()


def complain():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.warn("mind the gap")


def throw(error):
    raise error


KINDS = {
    "value": lambda: throw(ValueError("expected 7 features,\\n  got 4")),
    "assertion": lambda: throw(AssertionError()),
    "key": lambda: throw(KeyError("weight")),
    "memory": lambda: throw(MemoryError()),
    "exit": lambda: throw(SystemExit(3)),
    "weird": lambda: throw(Weird("odd")),
    "mute": lambda: throw(Mute()),
    "recursion": deep,
    "stop": lambda: throw(StopIteration("no more")),
    "skip": lambda: pytest.skip("not today"),
    "fail": lambda: pytest.fail("not so"),
    "warning": complain,
    "long": lambda: throw(RuntimeError("\\n".join("word " * 200 for _ in range(500)))),
    "out_of_memory": lambda: throw(RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: "
                                                "can't allocate memory: you tried to allocate 40 bytes.")),
    "assert_on_device": lambda: throw(RuntimeError("CUDA error: device-side assert triggered\\nCompile with ...")),
}


class Same(nn.Module):
    def forward(self, x):
        return x * 2.0


class Throws(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, x):
        KINDS[self.kind]()


class ThrowsTraced(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, x):
        if torch.jit.is_tracing():
            KINDS[self.kind]()
        return x * 2.0


class Op(torch.autograd.Function):
    kind, eager = None, 0

    @staticmethod
    def forward(ctx, x):
        if not Op.eager:
            KINDS[Op.kind]()
        return x * 2.0


class ThrowsExported(nn.Module):
    def __init__(self, kind):
        super().__init__()
        Op.kind = kind

    def forward(self, x):
        Op.eager += 1
        try:
            return Op.apply(x)
        finally:
            Op.eager -= 1


class ThrowsWhenLong(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, x):
        if x.shape[1] > 20:
            KINDS[self.kind]()
        return x * 2.0


class Refuses(nn.Module):
    def forward(self, x):
        if x.shape[-1] != 7:
            raise ValueError(f"expected 7 features, got {x.shape[-1]}")
        return x * 2.0


class WrongWhenTraced(nn.Module):
    def forward(self, x):
        return x * 3.0 if torch.jit.is_tracing() else x * 2.0


class Near(nn.Module):
    def forward(self, x, near):
        count = int(near)
        return x[:, :count].mean(1)


class NearAndBatch(nn.Module):
    def forward(self, x, near):
        return x[:, :int(near)].sum((0, 1)) / float(x.shape[0])


class Level(nn.Module):
    def forward(self, x):
        return x / float(x.abs().max())


class Rows(nn.Module):
    def forward(self, x):
        return torch.stack([row * 2.0 for row in x[:int(x.shape[0])]]).reshape(int(x.shape[0]), -1)


NEAR = {"x": TensorSpec(Axis("batch", max=6), 12, 4), "near": TensorSpec(dtype=torch.int64, low=1, high=13)}


def _factory(make):
    return lambda kind: lambda: (make(kind).eval(), INPUTS)


def sound():
    return Same().eval(), INPUTS


def refuses():
    return Refuses().eval(), INPUTS


def wrong():
    return WrongWhenTraced().eval(), INPUTS


def near():
    return Near().eval(), NEAR


def near_and_batch():
    return NearAndBatch().eval(), NEAR


def level():
    return Level().eval(), INPUTS


def rows():
    return Rows().eval(), INPUTS


for _kind in KINDS:
    def factory(kind=_kind):
        KINDS[kind]()
    globals()[f"factory_{_kind}"] = factory
    globals()[f"forward_{_kind}"] = _factory(Throws)(_kind)
    globals()[f"trace_{_kind}"] = _factory(ThrowsTraced)(_kind)
    globals()[f"call_{_kind}"] = _factory(ThrowsExported)(_kind)
    globals()[f"long_{_kind}"] = _factory(ThrowsWhenLong)(_kind)
"""
KINDS = tuple(re.findall(r'^    "(\w+)": ', MODELS, re.MULTILINE))


@pytest.fixture
def check(run: Run, toys: pytest.Pytester) -> Run:
    """Run the suite of one of the models above, its report beside it."""
    toys.makepyfile(causes=MODELS)

    def run_suite(name: str, *args: Any) -> pytest.RunResult:
        return run("--torchscript-model", f"causes:{name}", "--torchscript-report", "out.json", *args)

    return run_suite


def failing(result: pytest.RunResult) -> list[str]:
    """Return the items that failed or broke down, as the short summary names them; and see that it is fit to read."""
    text = result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in text
    assert PACKAGE not in text, text
    assert len(result.outlines) <= 40, text
    return [line.split()[1].rpartition("::")[2] for line in result.outlines if re.match(r"(FAILED|ERROR) ", line)]


def message_of(folder: Path, check: str, model: str) -> str:
    """Return what a check of a model said."""
    exports = next(entry for entry in read_report(folder)["models"] if entry["model"] == model)["exports"]
    return next(found["message"] for export in exports for found in export["checks"] if found["name"] == check)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stage", ["factory", "forward"])
def test_a_model_that_cannot_be_built_or_fed_is_one_item(
    check: Run, toys: pytest.Pytester, stage: str, kind: str
) -> None:
    result = check(f"{stage}_{kind}")
    assert failing(result) == ["test_model"]
    result.assert_outcomes(failed=1)
    assert checks_of(read_report(toys.path), f"causes:{stage}_{kind}") == {"model": "error"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_tracer_meets_is_one_item(check: Run, toys: pytest.Pytester, kind: str) -> None:
    assert failing(check(f"trace_{kind}")) == ["test_trace"]
    outcomes = checks_of(read_report(toys.path), f"causes:trace_{kind}")
    broke_down = kind in ("memory", "out_of_memory", "assert_on_device")
    assert outcomes["trace"] == ("error" if broke_down else "failed")
    assert outcomes["axis[time]"] == "skipped"


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_export_meets_is_one_item(check: Run, toys: pytest.Pytester, kind: str) -> None:
    result = check(f"call_{kind}")
    assert failing(result)[0] == "test_outputs"
    outcomes = checks_of(read_report(toys.path), f"causes:call_{kind}")
    assert {name for name, outcome in outcomes.items() if outcome in ("failed", "error")} <= {"outputs", "save_load"}
    broke_down = kind in ("memory", "out_of_memory", "assert_on_device")
    assert outcomes["outputs"] == ("error" if broke_down else "failed")


@pytest.mark.parametrize("kind", ["memory", "out_of_memory", "assert_on_device"])
def test_what_a_machine_lacks_is_no_verdict(check: Run, toys: pytest.Pytester, kind: str) -> None:
    failing(check(f"long_{kind}"))
    (export,) = read_report(toys.path)["models"][0]["exports"]
    (time,) = [axis for axis in export["axes"] if axis["axis"] == "time"]
    assert time["verdict"] == "untested"
    broken = [check["name"] for check in export["checks"] if check["outcome"] in ("failed", "error")]
    if kind == "assert_on_device":  # nothing is asked of a device that gave up: who met it first tells
        assert len(broken) == 1
        assert "the device gave up, with x of (" in time["reason"]
    else:
        assert broken == ["axis[time]"]
        assert "out of memory, with x of (2, 21, 4)" in time["reason"]


def test_a_model_that_refuses_all_that_is_drawn(check: Run, toys: pytest.Pytester) -> None:
    assert failing(check("refuses")) == ["test_model"]
    said = message_of(toys.path, "model", "causes:refuses")
    assert "ValueError: expected 7 features, got 4" in said
    assert "causes.py" in said  # the line that refuses
    assert "fed: x, shape (2, 11, 4), from TensorSpec('batch', 'time', 4)" in said
    assert said.splitlines()[-1].strip() == (
        "hint: change the TensorSpec of 'x', or give a size it takes: --torchscript-anchor NAME=SIZE"
    )


def test_other_models_are_not_touched_by_one_that_refuses(check: Run) -> None:
    result = check("refuses", "--torchscript-model", "causes:sound")
    assert failing(result) == ["test_model"]
    assert result.parseoutcomes()["passed"] > 8


def test_an_export_that_is_wrong_for_its_own_example_is_told_by_outputs_alone(
    check: Run, toys: pytest.Pytester
) -> None:
    assert failing(check("wrong")) == ["test_outputs"]
    report = read_report(toys.path)
    outcomes = checks_of(report, "causes:wrong")
    see = ["axis[batch]", "axis[time]", "joint", "values", "hidden_states", "attentions", "padding"]
    assert {outcomes[name] for name in see} == {"skipped"}
    assert message_of(toys.path, "axis[time]", "causes:wrong") == "see test_outputs"
    assert {outcomes[name] for name in ("trace", "save_load", "freeze")} == {"passed"}
    (export,) = report["models"][0]["exports"]
    assert {(axis["verdict"], axis["reason"]) for axis in export["axes"]} == {("untested", "see test_outputs")}
    assert export["values"]["verdict"] == "untested"


def test_values_that_fail_are_told_by_values_alone(check: Run, toys: pytest.Pytester) -> None:
    assert failing(check("near")) == ["test_values"]
    (export,) = read_report(toys.path)["models"][0]["exports"]
    assert [axis["verdict"] for axis in export["axes"]] == ["dynamic"]
    assert export["values"]["verdict"] == "diverges"
    said = message_of(toys.path, "values", "causes:near")
    assert "fresh, seed 1" in said
    assert "count = int(near)" in export["values"]["causes"][0]["source"]
    assert "Python's if" not in said


def test_an_axis_of_its_own_fault_beside_values_is_still_found(check: Run, toys: pytest.Pytester) -> None:
    assert failing(check("near_and_batch")) == ["test_axis[batch]", "test_values"]
    (export,) = read_report(toys.path)["models"][0]["exports"]
    (batch,) = export["axes"]
    assert batch["verdict"] == "diverges"
    assert batch["counterexample"]["batch"] != export["anchors"][0]["batch"]


def test_a_frozen_statistic_is_no_fault_of_an_axis(check: Run, toys: pytest.Pytester) -> None:
    assert failing(check("level")) == ["test_values"]
    (export,) = read_report(toys.path)["models"][0]["exports"]
    assert {axis["verdict"] for axis in export["axes"]} == {"dynamic"}


def test_padding_is_advised_only_where_it_helps(check: Run, toys: pytest.Pytester) -> None:
    check("near_and_batch")
    assert "feed it that size alone" in message_of(toys.path, "axis[batch]", "causes:near_and_batch")
    check("rows")
    assert "--torchscript-axis batch=2 and pad" in message_of(toys.path, "axis[batch]", "causes:rows")


@pytest.mark.parametrize("name", ["wrong", "trace_value"])
def test_a_selection_never_passes_in_silence(check: Run, toys: pytest.Pytester, name: str) -> None:
    assert failing(check(name, "-k", "axis or values or joint")) == ["test_axis[batch]"]
    outcomes = checks_of(read_report(toys.path), f"causes:{name}")
    assert outcomes == {"axis[batch]": "failed", "axis[time]": "skipped", "joint": "skipped", "values": "skipped"}
    assert message_of(toys.path, "values", f"causes:{name}").endswith("see test_axis[batch]")
    axes = read_report(toys.path)["models"][0]["exports"][0]["axes"]
    assert [axis["verdict"] for axis in axes] == ["untested"] * 2
    assert all(axis["reason"].endswith("see test_axis[batch]") for axis in axes)


def test_the_first_of_a_selection_says_what_the_missing_check_would(check: Run, toys: pytest.Pytester) -> None:
    check("wrong")
    whole = message_of(toys.path, "outputs", "causes:wrong").splitlines()
    check("wrong", "-k", "values")
    part = message_of(toys.path, "values", "causes:wrong").splitlines()
    assert [line for line in part if "again:" not in line] == [line for line in whole if "again:" not in line]


KNOWN = """
[[known]]
model = "causes:wrong"
check = "outputs"
reason = "the tracer is asked"

[[known]]
model = "causes:wrong"
axis = "time"
verdict = "diverges"
reason = "follows from it"
"""


@pytest.mark.parametrize("selection", [(), ("-k", "axis or values")])
def test_known_failures_of_what_is_skipped_count(check: Run, toys: pytest.Pytester, selection: tuple[str, ...]) -> None:
    (toys.path / "known.toml").write_text(KNOWN, encoding="utf-8")
    result = check("wrong", "--torchscript-known-failures", "known.toml", *selection)
    assert failing(result) == []
    assert "matches no test" not in result.stdout.str()
    assert checks_of(read_report(toys.path), "causes:wrong")["axis[time]"] == "skipped"
    if not selection:
        result.assert_outcomes(
            passed=result.parseoutcomes()["passed"], xfailed=1, skipped=result.parseoutcomes()["skipped"]
        )


def test_a_report_hook_that_raises_is_one_line(check: Run, toys: pytest.Pytester) -> None:
    toys.makeconftest("def pytest_torchscript_report(config, report):\n    raise KeyError('nothing there')\n")
    result = check("sound")
    assert failing(result) == []
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*pytest_torchscript_report: KeyError: 'nothing there'*"])


def _thrower(error: BaseException) -> Any:
    def throw(*_args: Any, **_named: Any) -> None:
        raise error

    return throw


THROWN = (ValueError("two\nlines"), SystemExit(3), MemoryError(), RuntimeError("CUDA error: illegal memory access"))


@pytest.mark.parametrize("error", THROWN, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(("owner", "name", "told"), [("artifact", "save", "save_load"), ("jit", "freeze", "freeze")])
def test_what_saving_and_freezing_meet_is_one_item(
    check: Run,
    toys: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    owner: str,
    name: str,
    told: str,
    error: BaseException,
) -> None:
    monkeypatch.setattr(TorchScriptArtifact if owner == "artifact" else torch.jit, name, _thrower(error))
    assert failing(check("sound")) == [f"test_{told}"]
    machine = isinstance(error, MemoryError) or "CUDA" in str(error)
    assert checks_of(read_report(toys.path), "causes:sound")[told] == ("error" if machine else "failed")


def test_a_fault_of_ours_is_told_as_one(check: Run, toys: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_torchscript.checks.joint.within", None)
    assert failing(check("sound", "-k", "joint")) == ["test_joint"]
    said = message_of(toys.path, "joint", "causes:sound")
    assert "TypeError: 'NoneType' object is not callable" in said
    assert "please report it" in said


BACKENDS = """
from pytest_torchscript.backends import Backend, Readiness, Unavailable

class Absent(Backend):
    name = "absent"

    def readiness(self):
        return Readiness("fail", "the device is not plugged in", "plug it in")

class Gone(Backend):
    name = "gone"

    def export(self, request):
        def ask(*tensors):
            raise Unavailable("the server does not answer", hint="start it")
        return ask

def pytest_torchscript_backends():
    return [Absent, Gone]
"""


def test_the_only_backend_that_is_not_there_is_one_item(check: Run, toys: pytest.Pytester) -> None:
    toys.makeconftest(BACKENDS)
    assert failing(check("sound", "--torchscript-backend", "absent")) == ["test_model"]
    assert "the device is not plugged in" in message_of(toys.path, "model", "causes:sound")
    result = check("sound", "--torchscript-backend", "torchscript", "--torchscript-backend", "absent", "-k", "not save")
    assert failing(result) == ["test_trace[absent]"]


def test_a_server_that_does_not_answer_is_no_verdict(check: Run, toys: pytest.Pytester) -> None:
    toys.makeconftest(BACKENDS)
    assert failing(check("sound", "--torchscript-backend", "gone")) == ["test_outputs"]
    (export,) = read_report(toys.path)["models"][0]["exports"]
    assert {axis["verdict"] for axis in export["axes"]} == {"untested"}
    assert message_of(toys.path, "outputs", "causes:sound").splitlines()[-1].strip() == "hint: start it"


def test_an_overridden_model_that_refuses_is_one_item(run: Run, toys: pytest.Pytester) -> None:
    toys.makepyfile(causes=MODELS)
    toys.makeconftest(
        "import pytest, causes\n\n@pytest.fixture\ndef torchscript_model():\n    return causes.refuses()\n"
    )
    assert len(failing(run("--torchscript-report", "out.json"))) == 1
    outcomes = checks_of(read_report(toys.path), "conftest")
    assert outcomes.pop("model") == "error"
    assert set(outcomes.values()) == {"skipped"}
