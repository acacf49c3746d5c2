"""The hooks that others may implement."""

from __future__ import annotations

import json

import pytest
from plugin_runs import Run, names


def test_inputs_hook_is_not_asked_for_a_factory(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_torchscript_inputs(config, model_class, task):\n    raise AssertionError\n")
    run("torchscript::zoo:good::test_trace").assert_outcomes(passed=1)


def test_inputs_hook(run_apart: Run, pytester: pytest.Pytester) -> None:
    """What it returns takes the place of what would be inferred, for a model with a configuration.

    In a process of its own: transformers imports parts of torch that cannot be imported twice.
    """
    folder = pytester.mkdir("tiny")
    sizes = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "vocab_size": 60,
    }
    folder.joinpath("config.json").write_text(
        json.dumps({"model_type": "bert", "architectures": ["BertModel"], **sizes})
    )
    pytester.makeconftest(
        """
        import torch
        from pytest_torchscript import Axis, InputSpec, TensorSpec

        def pytest_torchscript_inputs(config, model_class, task):
            assert (config.hidden_size, model_class.__name__, task) == (16, "BertModel", "default")
            ids = TensorSpec("batch", Axis("tokens", max=20), dtype=torch.int64, low=0, high=60)
            return InputSpec({"input_ids": ids})
        """
    )
    result = run_apart("--torchscript-model", "./tiny", "--torchscript-weights", "random", "-k", "axis", "--co", "-q")
    assert names(result) == ["torchscript::./tiny::test_axis[batch]", "torchscript::./tiny::test_axis[tokens]"]


def test_report_hook_that_raises(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_torchscript_report(report):\n    raise ValueError('no cheese')\n")
    result = run("torchscript::zoo:good::test_trace", "--torchscript-report", "out.json")
    result.stdout.fnmatch_lines(["report: *out.json", "pytest_torchscript_report: ValueError: no cheese"])
    assert result.ret == 1
    assert "INTERNALERROR" not in result.stdout.str()


def test_unknown_hook_is_refused(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_torchscript_report(config, rapport):\n    pass\n")
    assert run().ret != 0


OWN_BACKEND = """
from pytest_torchscript.backends import Backend, Traits

class Plain:
    details = {}

    def __init__(self, module):
        self.module = module

    def __call__(self, *tensors):
        return self.module(*tensors)

class Eagerly(Backend):
    name = "eagerly"

    def export(self, request):
        return Plain(request.module)

def pytest_torchscript_backends():
    return [Eagerly]
"""


def test_backends_hook(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(OWN_BACKEND)
    chosen = ("--torchscript-model", "zoo:good", "--torchscript-backend", "eagerly")
    run(*chosen, "-k", "outputs or axis").assert_outcomes(passed=3)
    result = run("--torchscript-backend", "eagrely")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*hint: did you mean 'eagerly'? choose from: eagerly, *"])


def test_what_is_no_trace_is_not_called_one(run: Run, pytester: pytest.Pytester) -> None:
    frozen = "import torch\n" + OWN_BACKEND.replace(
        "Plain(request.module)", "Plain(torch.jit.trace(request.module, request.example, check_trace=False))"
    )
    pytester.makeconftest(frozen)
    result = run(
        "torchscript::zoo:bad::test_axis[time]", "torchscript::zoo:bad::test_trace", "--torchscript-backend=eagerly"
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["torchscript::zoo:bad: axis 'time' diverges: exported at time=*, wrong at *"])


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("[Plain]", "* is no class of backends"),
        ("[type('Nameless', (Backend,), {})]", "Nameless has the name ''"),
        ("[type('Taken', (Backend,), {'name': 'torchscript'})]", "there is another backend 'torchscript' than Taken"),
        ("[1 / 0]", "ZeroDivisionError: division by zero"),
    ],
)
def test_backends_hook_malformed(run: Run, pytester: pytest.Pytester, returned: str, said: str) -> None:
    pytester.makeconftest(OWN_BACKEND.replace("[Eagerly]", returned))
    result = run("--torchscript-model", "zoo:good")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*hook pytest_torchscript_backends: {said}", "*hint: *"])


OWN_CHECK = """
    @classmethod
    def checks(cls):
        from pytest_torchscript.checks.finding import Finding
        from pytest_torchscript.checks.registry import check

        @check("colour", order=500)
        def check_colour(lab):
            '''It is of the right colour.'''
            return Finding.failed("it is blue", [], "paint it")

        return (check_colour,)

    def export("""


def test_a_backend_brings_a_check(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(OWN_BACKEND.replace("\n    def export(", OWN_CHECK))
    chosen = ("--torchscript-model", "zoo:good", "--torchscript-backend", "eagerly")
    assert "torchscript::zoo:good::test_colour" in names(run(*chosen, "--co", "-q"))
    assert not [name for name in names(run(*chosen[:2], "--co", "-q")) if "colour" in name]
    result = run(*chosen, "-k", "trace or colour")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["torchscript::zoo:good: it is blue", "*hint: paint it"])
