"""The backend `aot_inductor`; what compiles is skipped where torch does not package or no C++ compiler is there."""

from __future__ import annotations

import stat

import pytest
from torch import nn

from pytest_torchscript.backends.aot_inductor import backend as home
from pytest_torchscript.backends.registry import backend_for
from pytest_torchscript.checks import check
from pytest_torchscript.errors import BackendError, OptionError
from tests import toys

READINESS = backend_for("aot_inductor").readiness()
pytestmark = pytest.mark.process
needs_compiler = pytest.mark.skipif(READINESS.action == "skip", reason=READINESS.reason)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("packages"))


def mean(cache, *, checks=None):
    return check(toys.FrozenMean().eval(), inputs=toys.SIGNAL, backends=("aot_inductor",), cache=cache, checks=checks)


@needs_compiler
def test_a_frozen_size_diverges_and_the_switch_would_have_refused_it(cache, capfd):
    found = mean(cache)
    assert capfd.readouterr() == ("", "")
    assert found.axis("time").verdict == "diverges"
    assert found.axis("time").causes[0].file == toys.__file__
    assert found.axis("batch").verdict == "dynamic"
    outcomes = {item.name: item.outcome for item in found.checks}
    assert {name for name, outcome in outcomes.items() if outcome == "failed"} == {"axis[time]"}
    assert outcomes["save_load"] == outcomes["runtime_checks"] == "passed"
    refused, needless = (note for note in found.notes if "AOTI_RUNTIME_CHECK_INPUTS=1" in note)
    assert refused.startswith("AOTI_RUNTIME_CHECK_INPUTS=1 would have refused 3 of 3 wrong sizes: ")
    assert needless == "AOTI_RUNTIME_CHECK_INPUTS=1 would have refused batch=1, where the package is right"
    record = found.exports[0].device
    assert record["specialised"] == {"time": 11}
    assert {"batch": 2, "time": 1} in record["runtime_checks"]["caught"]
    assert record["runtime_checks"]["missed"] == []


@needs_compiler
def test_a_package_that_was_kept_is_not_compiled_again(cache, monkeypatch):
    mean(cache, checks="outputs")

    def compiled(*_given):
        raise AssertionError("compiled again")

    monkeypatch.setattr(home, "compiled", compiled)
    found = mean(cache, checks="trace")
    assert found.passed, found.failures
    assert found.exports[0].device["cached"].startswith(cache)


@needs_compiler
def test_a_damaged_package_is_compiled_again(cache, monkeypatch):
    mean(cache, checks="outputs")
    for kept in home.Path(cache).glob("*.pt"):
        kept.write_bytes(b"damaged")
    asked = []

    def compiled(_program, path):
        asked.append(path)
        raise BackendError("compiled again")

    monkeypatch.setattr(home, "compiled", compiled)
    mean(cache, checks="trace")
    assert asked


@needs_compiler
def test_a_compiler_that_fails_costs_this_backend_alone(tmp_path):
    from torch._inductor import config

    broken = tmp_path / "broken-compiler"
    broken.write_text(
        "#!/bin/sh\n[ \"$1\" = --version ] && echo 'broken 1' && exit\necho 'error: no licence' >&2\nexit 1\n"
    )
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    with config.patch({"cpp.cxx": (None, str(broken))}):
        found = check(
            toys.Needle().eval(),
            inputs=toys.SIGNAL,
            backends=("aot_inductor", "torchscript"),
            checks=("trace", "outputs"),
        )
    first, second = ({item.name: item for item in export.checks} for export in found.exports)
    assert first["trace"].outcome == "failed"
    assert "the C++ compiler failed" in first["trace"].message
    assert "error: no licence" in first["trace"].message
    assert "CXX" in first["trace"].message
    assert first["outputs"].outcome == "skipped"
    assert {item.outcome for item in second.values()} == {"passed"}


def test_without_a_compiler_it_is_skipped_with_the_reason(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(home.torch, "__version__", "2.13.0")
    found = check(toys.Sound().eval(), inputs=toys.SIGNAL, backends=("aot_inductor",), checks=("trace", "outputs"))
    assert {item.outcome for item in found.checks} == {"skipped"}
    assert "AOTInductor needs a C++ compiler, and no-such-compiler is not there" in found.checks[0].message
    assert "CXX" in found.checks[0].message


def test_an_old_torch_is_skipped_with_the_reason(monkeypatch):
    monkeypatch.setattr(home.torch, "__version__", "2.5.1")
    readiness = backend_for("aot_inductor").readiness()
    assert (readiness.action, readiness.reason) == ("skip", "torch 2.5.1 has no packages of AOTInductor")


def test_a_timeout_is_a_number_of_seconds():
    assert backend_for("aot_inductor", timeout="30").options.timeout == 30
    with pytest.raises(OptionError, match="timeout=0 is not a number of seconds above 0"):
        backend_for("aot_inductor", timeout=0)


class Switched:
    """Stands for a package with the switch on that refuses everything."""

    def __call__(self, *_tensors):
        raise RuntimeError("input_handles[0]: unmatched dtype")


@needs_compiler
def test_a_switch_that_refuses_the_example_fails(cache, monkeypatch):
    monkeypatch.setattr(home.AotInductorArtifact, "switched", Switched())
    (found,) = mean(cache, checks="runtime_checks").checks
    assert found.outcome == "failed"
    assert "refuses the very inputs it was made with" in found.message
    assert "unmatched dtype" in found.message


class Ordinary(nn.Module):
    def forward(self, x):
        return x + 1


def test_other_backends_are_not_asked():
    found = check(Ordinary().eval(), inputs=toys.SIGNAL, backends=("torchscript",))
    assert "runtime_checks" not in {item.name for item in found.checks}
