from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest
import torch

from pytest_torchscript.backends import Traits
from pytest_torchscript.backends.registry import backend_for
from pytest_torchscript.checks.generation import (
    DIFFERENT,
    EQUAL,
    TIE,
    check_generation,
    compare_generation,
)
from pytest_torchscript.lab.plan import make_plan
from pytest_torchscript.settings import Settings
from pytest_torchscript.spec import TensorSpec
from tests.generating import bart, gpt2, llama, marian, t5


@pytest.mark.parametrize("factory", [marian, t5, bart, gpt2, llama])
def test_greedy_and_beams_equal_eager(factory):
    found = compare_generation(factory(), backend_for("torchscript"), source_lengths=(3, 7, 12), target=10)
    assert len(found.texts) == 6
    assert found.agrees, "\n".join(map(str, found.texts))
    assert found.distinct >= 4


def test_several_texts_at_once():
    found = compare_generation(marian(), backend_for("torchscript"), source_lengths=(5, 9), texts=3, target=8)
    assert len(found.texts) == 12
    assert found.agrees, "\n".join(map(str, found.texts))


def test_emulated_says_so(neuron_machine):
    neuron_machine(device=False)
    found = compare_generation(marian(), backend_for("neuron", mode="emulate"), source_lengths=(4, 8, 11), target=8)
    assert found.agrees
    assert found.details["emulated"] is True


@pytest.mark.parametrize(("name", "folder"), [("neuron", "inf1"), ("neuronx", "inf2")])
def test_on_a_device_bf16_moves_ties_alone(neuron_machine, name, folder):
    neuron_machine(folder, behaviour="exact")
    found = compare_generation(marian(), backend_for(name), source_lengths=(4, 8), target=8)
    assert found.agrees
    assert found.details["placement"] == "on device"


class Broken:
    """A backend whose decoder answers for another step, as a baked index would."""

    traits = Traits(moves=False)
    name = "broken"

    def __init__(self):
        self.inner = backend_for("torchscript")

    def export(self, request):
        artifact = self.inner.export(request)
        if "index" not in request.names:
            return artifact

        class Frozen:
            details: ClassVar = {}

            def __call__(self, *tensors):
                return artifact(*tensors[:-1], torch.tensor(1))

        return Frozen()


def test_a_baked_step_is_seen_and_told():
    found = compare_generation(marian(), Broken(), source_lengths=(6,), target=10)
    assert not found.agrees
    wrong = next(text for text in found.texts if text.status == DIFFERENT)
    assert "source length 6: token" in str(wrong)
    assert "eager gives" in str(wrong)


def test_ties_are_no_differences():
    model = gpt2()
    with torch.no_grad():  # two tokens that no model can tell apart
        model.lm_head.weight[10] = model.lm_head.weight[11]

    class Swapped:
        traits = Traits(moves=False)
        name = "swapped"

        def export(self, request):
            artifact = backend_for("torchscript").export(request)

            class Nudged:
                details: ClassVar = {}

                def __call__(self, *tensors):
                    logits = artifact(*tensors)[0].clone()
                    logits[:, 10] -= 1e-5
                    logits[:, 11] += 1e-5
                    return (logits,)

            return Nudged()

    found = compare_generation(model, Swapped(), source_lengths=(3, 5, 7, 9, 11), beams=(1,), target=8)
    assert found.agrees
    assert {text.status for text in found.texts} <= {EQUAL, TIE}


def test_check_of_a_case():
    finding = check_generation(make_plan(marian(), Settings(task="seq2seq-lm")).load())
    assert finding.outcome == "passed", finding
    assert "equal to eager's generate" in finding.headline


def test_check_fails_and_names_the_first_token():
    lab = make_plan(marian(), Settings(task="seq2seq-lm")).load()
    lab = replace(lab, backend=Broken())
    finding = check_generation(lab)
    assert finding.outcome == "failed"
    assert "tokens differ" in finding.headline
    assert "source length" in finding.evidence[0]


def test_check_is_skipped_where_nothing_is_generated():
    module = torch.nn.Linear(3, 3).eval()
    finding = check_generation(make_plan(module, Settings(), inputs={"input": TensorSpec("batch", 3)}).load())
    assert finding.outcome == "skipped"
    assert "does not generate" in finding.headline


def test_check_is_skipped_where_sound_goes_in():
    case = make_plan("openai/whisper-tiny", Settings(weights="tiny", task="seq2seq-lm-with-past")).load()
    finding = check_generation(case)
    assert finding.outcome == "skipped"
    assert finding.headline == "generation is compared where a text goes in, and here input_features does"
