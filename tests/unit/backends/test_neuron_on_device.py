from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from neuron_labs import FOLDERS, Encoder, case_of

from pytest_torchscript.backends.neuron.checks import check_neuron
from pytest_torchscript.backends.registry import backend_for
from pytest_torchscript.checks.answers import unmet
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import obstacle
from pytest_torchscript.checks.registry import check_named
from pytest_torchscript.checks.run import labelled


def test_a_healthy_artifact_passes(neuron_machine, name):
    root = neuron_machine(FOLDERS[name])
    finding = check_neuron(case_of(name))
    assert finding.outcome == "passed", finding
    assert f"on {root}/dev/neuron0: within bf16 over 10 inputs" in finding.headline
    assert finding.device["three_way"]["verdict"] == "passes"
    assert finding.device["compiler_args"]
    assert finding.device["coarse"] == "bf16 on the CPU"


def test_exact_arithmetic_passes(neuron_machine, name):
    neuron_machine(FOLDERS[name], behaviour="exact")
    assert check_neuron(case_of(name)).outcome == "passed"


def test_one_that_is_off_fails_as_a_mismatch(neuron_machine, name):
    neuron_machine(FOLDERS[name], behaviour="off=0.3")
    finding = check_neuron(case_of(name))
    assert finding.outcome == "failed"
    assert "the device does not answer as eager" in finding.headline
    text = "\n".join(finding.evidence)
    assert "['hidden']: max |device - float32| = 0.3" in text
    assert "does not look like precision" in text
    assert finding.device["three_way"]["verdict"] == "fails"


def test_ladder_is_printed_where_it_looks_like_precision(neuron_machine, name, monkeypatch):
    neuron_machine(FOLDERS[name])
    lab = case_of(name)
    artifact = lab.export.artifact

    class Noisy:
        details = artifact.details

        def __call__(self, *tensors):
            return tuple(leaf + 0.01 * torch.randn(leaf.shape) for leaf in artifact(*tensors))

    lab.export.made = Noisy()
    finding = check_neuron(lab)
    assert finding.outcome == "failed"
    text = "\n".join(finding.evidence)
    assert "it looks like precision" in text
    if name == "neuron":
        assert "  --fast-math fp32-cast-matmult\n  --fast-math fp32-cast-matmult no-fast-relayout\n" in text
    else:
        assert "the most precise arguments are in use" in text


@pytest.mark.parametrize("behaviour", ["cpu_trace", "none", "all_back"])
def test_nothing_on_the_device_fails(neuron_machine, behaviour):
    neuron_machine("inf1", behaviour=behaviour)
    finding = check_neuron(case_of("neuron"))
    assert finding.outcome == "failed"
    assert "nothing on the device" in finding.headline


@pytest.mark.parametrize("behaviour", ["fallback", "low"])
def test_part_on_the_cpu_warns(neuron_machine, behaviour):
    neuron_machine("inf1", behaviour=behaviour)
    finding = check_neuron(case_of("neuron"))
    assert finding.outcome == "passed"
    assert "warning: the graph is partly on CPU" in finding.headline
    assert any("partly on CPU" in note for note in finding.notes)
    assert finding.device["placement"] == "partly on CPU"


def test_tolerance_of_the_user_replaces_the_rule(neuron_machine, name):
    neuron_machine(FOLDERS[name])
    loose = check_neuron(case_of(name, rtol=0.0, atol=0.1))
    assert loose.outcome == "passed"
    assert "10 inputs within rtol=0 atol=0.1 as given" in loose.headline
    strict = check_neuron(case_of(name, rtol=0.0, atol=1e-7))
    assert strict.outcome == "failed"
    assert "within rtol=0 atol=1e-07 as given" in strict.headline


def test_time_out_is_named(neuron_machine):
    neuron_machine("inf1", behaviour="timeout")
    finding = check_neuron(case_of("neuron", neuron_options={"timeout": "30"}))
    assert finding.outcome == "failed"
    assert "timed out: not done after 30 s" in finding.headline


def test_without_a_device_auto_skips_and_require_fails(neuron_machine, name):
    neuron_machine(FOLDERS[name], device=False)
    skipped = check_neuron(case_of(name, "auto"))
    assert skipped.outcome == "skipped"
    assert "no device" in skipped.headline
    assert "hint:" in skipped.headline
    failed = check_neuron(case_of(name, "require"))
    assert failed.outcome == "failed"
    assert "no device" in failed.headline
    assert failed.hint


def test_compile_says_that_nothing_was_compared(neuron_machine, name):
    neuron_machine(FOLDERS[name], device=False)
    finding = check_neuron(case_of(name, "compile"))
    assert finding.outcome == "passed"
    assert "nothing was run or compared" in finding.headline
    assert finding.device["compared"] is False


def test_emulate_says_emulated(neuron_machine, name):
    neuron_machine(device=False)
    finding = check_neuron(case_of(name, "emulate"))
    assert finding.outcome == "passed"
    assert "emulated" in finding.headline
    assert "emulated" in finding.notes[0]
    assert finding.device["emulated"] is True


def test_off_skips(neuron_machine, name):
    neuron_machine(FOLDERS[name])
    assert check_neuron(case_of(name, "off")).outcome == "skipped"


def test_runtime_that_dies_in_python_is_named(neuron_machine, name, monkeypatch):
    neuron_machine(FOLDERS[name])
    lab = case_of(name)
    assert lab.export.artifact
    monkeypatch.setenv("NEURON_STANDIN_DEVICE", "0")
    finding = check_neuron(lab)
    assert finding.outcome == "failed"
    assert "the Neuron runtime could not start" in finding.headline


def obstacle_of(lab, name, axis=None):
    return obstacle(lab, check_named(name).needs, axis)


def test_other_checks_say_why_they_mean_nothing(neuron_machine, name):
    neuron_machine(FOLDERS[name])
    for check in ("trace", "outputs", "values", "padding"):
        assert obstacle_of(case_of(name, "auto"), check) is None
    for check, said in (("save_load", "test_neuron"), ("freeze", "frozen already"), ("attentions", "compilation")):
        assert said in obstacle_of(case_of(name, "auto"), check).headline
    assert "no measure for a device" in check_named("speed")(case_of(name, "auto")).headline
    assert "nothing was run" in obstacle_of(case_of(name, "compile"), "outputs").headline
    assert obstacle_of(case_of(name, "emulate"), "outputs") is None
    for mode in ("auto", "compile", "emulate"):
        found = obstacle_of(case_of(name, mode), "axis", "time")
        assert "fixed shapes" in found.headline
        assert (found.axis.axis, found.axis.verdict) == ("time", "untested")
    lab = replace(case_of(name), backend=backend_for("torchscript"))
    assert obstacle_of(lab, "axis", "time") is None


def test_without_a_device_other_checks_skip_and_trace_fails_once(neuron_machine, name):
    neuron_machine(device=False)
    assert check_named("trace")(case_of(name, "auto")).outcome == "skipped"
    assert check_named("trace")(case_of(name, "require")).outcome == "failed"
    told = unmet(case_of(name, "require"), "outputs", check_named("outputs").needs)
    assert (told.outcome, told.headline) == ("skipped", "no device, see test_trace")


def test_every_emulated_answer_is_called_so(neuron_machine, name):
    neuron_machine(device=False)
    lab = case_of(name, "emulate")
    for finding in (Finding.passed(), Finding.passed("three calls agree"), Finding.failed("wrong", [], "look")):
        said = labelled(lab, finding)
        assert "emulated" in said.headline
        assert finding.headline in said.headline
        assert said.device["emulated"] is True
        assert any("emulated" in note for note in said.notes)
    assert labelled(replace(lab, backend=backend_for("torchscript")), Finding.passed("fine")).headline == "fine"


def test_an_artifact_that_saving_changes_fails(neuron_machine, name, monkeypatch):
    neuron_machine(FOLDERS[name])
    lab = case_of(name)
    monkeypatch.setattr(lab.backend, "load", lambda path, request: lambda *tensors: (torch.zeros(1),))
    assert "saved and loaded it answers otherwise" in check_neuron(lab).headline

    def refuse(path, request):
        raise RuntimeError("No such operator neuron::forward_v2_0")

    monkeypatch.setattr(lab.backend, "load", refuse)
    assert "does not survive saving and loading" in check_neuron(lab).headline


def test_bf16_that_torch_cannot_do_is_rounded_instead(neuron_machine):
    class NoBf16(Encoder):
        def forward(self, signal):
            if signal.dtype is torch.bfloat16:
                raise RuntimeError("not implemented for 'BFloat16'")
            return super().forward(signal)

    neuron_machine("inf1")
    finding = check_neuron(case_of("neuron", module=NoBf16().eval()))
    assert finding.outcome == "passed"
    assert "rounded to bf16" in finding.device["coarse"]


def test_missing_compiler_skips_in_auto_alone(neuron_machine, tmp_path, monkeypatch):
    neuron_machine()
    (tmp_path / "copied/torch_neuron").mkdir(parents=True)
    (tmp_path / "copied/torch_neuron/__init__.py").write_text(
        "__version__ = '1.13.1.2.11.13.0'\n"
        "def trace(func, example_inputs, **keywords):\n"
        "    raise RuntimeError('No operations were successfully partitioned and compiled to neuron')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "copied"))
    finding = check_neuron(case_of("neuron", "auto"))
    assert finding.outcome == "skipped"
    assert "compiler neuron-cc is not installed" in finding.headline
    assert check_neuron(case_of("neuron", "require")).outcome == "failed"
