"""Inputs in every form, through the command line, a marker, a fixture and check(); and what the summary says of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugin_runs import Run, read_report

ZOO = """
from typing import NamedTuple

import numpy
import torch
from torch import nn
from pytest_torchscript import Axis, TensorSpec


class Fields(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, batch, double=False):
        hidden = self.layer(batch["features"]) * batch["weights"]
        return {"hidden": hidden * 2 if double else hidden}


SPECS = {"batch": {"features": TensorSpec(Axis("batch", max=6), 4), "weights": TensorSpec("batch", 1)}}
EXAMPLES = {"batch": {"features": torch.randn(3, 4), "weights": torch.rand(3, 1)}}


def specs():
    return Fields().eval(), SPECS


def examples():
    return Fields().eval(), {**EXAMPLES, "double": True}


def by_place():
    return Fields().eval(), (EXAMPLES["batch"],)


def alone():
    return nn.Linear(4, 2).eval(), torch.randn(5, 4)


def function():
    return (lambda x: x * 2), {"x": TensorSpec(Axis("batch", max=6), 4)}


def arrays():
    return Fields().eval(), {"batch": {"features": numpy.ones((3, 4)), "weights": torch.rand(3, 1)}}


def sets():
    return Fields().eval(), {"batch": {"features": {1, 2}}}


def refused():
    return Fields().eval(), {"batch": {"features": torch.randn(3, 5), "weights": torch.rand(3, 1)}}


def mixed():
    return Fields().eval(), {"batch": {"features": TensorSpec("batch", 4), "weights": torch.rand(3, 1)}}


def number():
    return Fields().eval(), 3


def no_tensor():
    return Fields().eval(), {"double": True}


def misnamed():
    return Fields().eval(), EXAMPLES["batch"]


def unknown_bound():
    return (lambda x, i: x[i]), {"x": TensorSpec("nodes", 4), "i": TensorSpec("edges", dtype=torch.int64, high="node")}


class Silent(nn.Module):
    def forward(self, x):
        self.last = x


def silent():
    return Silent().eval(), torch.randn(3, 4)


def lazy():
    return (lambda x: (row for row in x)), torch.randn(3, 4)


def empty_bound():
    index = TensorSpec(3, dtype=torch.int64, low=12, high="nodes")
    return (lambda x, i: x[i]), {"x": TensorSpec(Axis("nodes", max=9), 4), "i": index}
"""


@pytest.fixture(autouse=True)
def zoo(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(forms_zoo=ZOO)


@pytest.mark.parametrize("name", ["specs", "examples", "by_place", "alone", "function"])
def test_a_factory_may_return_any_form(run: Run, name: str) -> None:
    result = run("--torchscript-model", f"forms_zoo:{name}", "-k", "trace or outputs or axis or values")
    assert result.ret == 0, result.stdout.str()
    assert result.parseoutcomes()["passed"] >= 4


def test_the_summary_says_what_is_constant_flat_found_and_how_torch_takes_it(
    run: Run, pytester: pytest.Pytester
) -> None:
    result = run("--torchscript-model", "forms_zoo:examples", "-k", "trace", "-q", "--torchscript-report", "out.json")
    result.stdout.fnmatch_lines(
        [
            "forms_zoo:examples: Fields, 20 parameters, *",
            "  note: double=True is a constant of the export: it answers for no other value",
            "  note: nested inputs are flat in the export, and put together again inside: batch.features, batch.weights",
            "  note: torch.jit.trace refuses the model as it is called here: RuntimeError: *",
            "      class Flat(torch.nn.Module):",
            "          def forward(self, batch_features, batch_weights): out = self.model(*",
            "      flat = Flat().eval(); flat.model = model; traced = torch.jit.trace(flat, (batch_features, batch_weights))",
            "  Inputs found, as code to paste where axes are to be named or narrowed:",
            "  {",
            '      "batch": {"features": TensorSpec(Axis("batch", max=64, typical=3), 4), "weights": TensorSpec("batch", 1, *',
            '      "double": True,',
            "  }",
            "  torchscript: 1 passed*, traced at batch=3",
        ]
    )
    model = read_report(pytester.path)["models"][0]
    assert model["inputs_found"].startswith('{\n    "batch": {"features": TensorSpec(')
    assert len(model["notes"]) == 3 + sum("weights" in note and "own" in note for note in model["notes"])


def test_found_inputs_can_be_pasted(run: Run, pytester: pytest.Pytester) -> None:
    run("--torchscript-model", "forms_zoo:examples", "-k", "trace", "--torchscript-report", "out.json")
    found = read_report(pytester.path)["models"][0]["inputs_found"]
    pytester.makepyfile(
        pasted=f"from forms_zoo import *\nINPUTS = {found}\n\ndef model():\n    return Fields().eval(), INPUTS\n"
    )
    result = run("--torchscript-model", "pasted:model", "-k", "trace or outputs or axis")
    assert result.ret == 0, result.stdout.str()


def test_fixtures_and_markers(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        import pytest, torch
        from forms_zoo import EXAMPLES, SPECS, Fields

        @pytest.mark.torchscript(model=Fields, inputs=EXAMPLES)
        def test_nested(torchscript_traced, torchscript_eager, torchscript_inputs):
            assert list(torchscript_inputs) == ["batch.features", "batch.weights"]
            assert torch.equal(torchscript_inputs["batch.features"], EXAMPLES["batch"]["features"])
            expected = torchscript_eager(torchscript_inputs)["hidden"]
            assert torch.equal(torchscript_traced(*torchscript_inputs.values())[0], expected)
            assert torch.equal(torchscript_traced(**torchscript_inputs)[0], expected)

        @pytest.mark.torchscript(model=Fields, inputs=(SPECS["batch"], True))
        def test_by_place(torchscript_traced, torchscript_eager, torchscript_inputs):
            assert torch.equal(torchscript_traced(torchscript_inputs)[0], torchscript_eager(torchscript_inputs)["hidden"])

        @pytest.mark.torchscript(model=torch.nn.ReLU, inputs=torch.randn(3, 4))
        def test_one(torchscript_inputs):
            assert list(torchscript_inputs.values())[0].shape == (3, 4)

        @pytest.mark.torchscript(model=lambda x, scale: x * scale, inputs={"x": torch.randn(3, 4), "scale": 2.0})
        def test_function(torchscript_traced, torchscript_inputs):
            x = torchscript_inputs["x"]
            assert torch.equal(torchscript_traced(x)[0], x * 2)

        @pytest.mark.torchscript(inputs=EXAMPLES)
        def test_check(torchscript):
            assert torchscript.check(Fields()).inputs_found
            assert torchscript.check(Fields(), inputs=(EXAMPLES["batch"],)).passed
            assert torchscript.check(lambda x: x + 1, inputs=torch.randn(2, 3)).passed
        """
    )
    result = run("--torchscript-report", "out.json")
    result.assert_outcomes(passed=5)
    models = {model["model"]: model for model in read_report(pytester.path)["models"]}
    assert "inputs_found" in models["test_own.py::test_nested"]
    assert models["test_own.py::test_function"]["notes"][:1] == [
        "scale=2.0 is a constant of the export: it answers for no other value"
    ]


def test_an_overridden_fixture(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import pytest\nfrom forms_zoo import examples\n\n@pytest.fixture\ndef torchscript_model():\n    return examples()\n"
    )
    assert run("-k", "trace or outputs").parseoutcomes()["passed"] == 2


@pytest.mark.parametrize(
    ("name", "said", "hint"),
    [
        (
            "arrays",
            "the inputs that the factory returned: input 'batch'['features']: a value of type numpy.ndarray cannot be fed",
            "give torch.as_tensor(value): an example is a torch.Tensor",
        ),
        (
            "sets",
            "the inputs that the factory returned: input 'batch'['features']: a value of type set cannot be fed",
            "an input is a TensorSpec, an example tensor, a tuple, list, dict or named tuple of these, *",
        ),
        (
            "refused",
            "the inputs that the factory returned: eager refuses the example tensors themselves: batch.features (3, 5), *",
            "call the model with them first: they must be the arguments of one call",
        ),
        (
            "mixed",
            "the inputs that the factory returned: TensorSpecs (batch.features) and example tensors (batch.weights) are *",
            "declare all of them one way: *",
        ),
        (
            "number",
            "the inputs that the factory returned: inputs: a value of type int holds no inputs by name or by place",
            "write inputs={'x': TensorSpec('batch', 'time', 16)}, a tuple of examples, or one example",
        ),
        (
            "no_tensor",
            "the inputs that the factory returned: inputs: no tensor is among them: double=True",
            "write inputs=*",
        ),
        (
            "misnamed",
            "the inputs that the factory returned: eager refuses the example tensors themselves: features (3, 4), *",
            "the model takes batch, double, and the inputs are named features, weights: *",
        ),
        (
            "unknown_bound",
            "the inputs that the factory returned: TensorSpec: a bound names the axis 'node', which no input carries",
            "did you mean 'nodes'? the axes are: nodes, edges",
        ),
    ],
)
def test_what_cannot_be_taken_is_one_failure_with_its_place(run: Run, name: str, said: str, hint: str) -> None:
    result = run("--torchscript-model", f"forms_zoo:{name}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"torchscript::forms_zoo:{name}: {said}", f"    hint: {hint}"])
    assert "Traceback" not in result.stdout.str()
    assert str(Path("pytest_torchscript", "")) not in result.stdout.str()


def test_a_bound_that_leaves_nothing(run: Run) -> None:
    result = run("--torchscript-model", "forms_zoo:empty_bound")
    text = result.stdout.str()
    result.assert_outcomes(failed=1)
    assert "TensorSpec: low=12 is not below high='nodes' at nodes=" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("name", "said"), [("silent", "Silent returns no tensor: NoneType"), ("lazy", "no tensor: generator")]
)
def test_a_model_that_returns_no_tensor_is_no_pass(run: Run, name: str, said: str) -> None:
    result = run("--torchscript-model", f"forms_zoo:{name}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [f"torchscript::forms_zoo:{name}: *{said}, where nothing can be compared", "    hint: return *"]
    )


def test_where_inputs_stand_is_told(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest
        from forms_zoo import Fields

        @pytest.fixture
        def torchscript_model():
            return Fields().eval(), {"batch": {1}}
        """
    )
    pytester.makepyfile(
        test_own="""
        import pytest
        from forms_zoo import Fields

        @pytest.mark.torchscript(model=Fields, inputs={"batch": {1}})
        def test_marker(torchscript_traced):
            pass

        @pytest.mark.torchscript(inputs={"batch": {1}})
        def test_check(torchscript):
            torchscript.check(Fields())

        def test_keyword(torchscript):
            torchscript.check(Fields(), inputs={"batch": {1}})

        def test_fixture(torchscript_traced):
            pass
        """
    )
    result = run("test_own.py")
    result.assert_outcomes(errors=2, failed=2)
    said = "input 'batch': a value of type set cannot be fed"
    result.stdout.fnmatch_lines_random(
        [
            f"*test_own.py::test_marker: the inputs of @pytest.mark.torchscript: {said}",
            f"*test_own.py::test_check: the inputs of @pytest.mark.torchscript: {said}",
            f"*test_own.py::test_keyword: the inputs given to check(): {said}",
            f"*test_own.py::test_fixture: the inputs that came with the model: {said}",
        ]
    )
