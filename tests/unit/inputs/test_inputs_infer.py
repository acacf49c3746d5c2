import pytest
import torch
import transformers
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from pytest_torchscript.errors import InputError
from pytest_torchscript.inputs.declare import read_inputs
from pytest_torchscript.inputs.infer import call_defaults, completes, infer_inputs
from pytest_torchscript.inputs.values import make_inputs
from pytest_torchscript.spec import Axis, TensorSpec
from tests.feeding import SMALL, dims, infer, run, span


def test_bert():
    spec = run("BertModel", {**SMALL, "max_position_embeddings": 64})
    assert dims(spec) == {name: ["batch", "sequence"] for name in ("input_ids", "attention_mask", "token_type_ids")}
    assert spec.optional == ("attention_mask", "token_type_ids")
    assert (span(spec, "batch"), span(spec, "sequence")) == ((1, 16), (1, 64))
    assert (spec["input_ids"].low, spec["input_ids"].high, spec["input_ids"].role) == (0, 90, "ids")
    assert [tensor.role for tensor in spec.values()] == ["ids", "mask", "types"]


def test_masks_that_stand_last_are_found_by_name():
    assert list(infer("GPT2Model")) == ["input_ids", "attention_mask"]
    assert list(infer("MambaModel")) == ["input_ids", "attention_mask"]


def test_declaring_embeddings_replaces_the_ids():
    spec = infer("BertModel", SMALL, declared={"inputs_embeds": TensorSpec("batch", "sequence", 32)})
    assert list(spec) == ["attention_mask", "token_type_ids", "inputs_embeds"]
    assert span(spec, "sequence") == (1, 512)


def test_the_cache_is_off_unless_the_task_is_about_it():
    bert, vit = transformers.BertModel, transformers.ViTModel
    assert call_defaults(transformers.BertConfig(), bert) == {"use_cache": False}
    assert call_defaults(transformers.BertConfig(), bert, "causal-lm-with-past") == {"use_cache": True}
    assert call_defaults(transformers.ViTConfig(), vit) == {}


def test_a_forward_without_names_is_refused():
    class Nameless(PreTrainedModel):
        def forward(self, *args, **kwargs):
            return args

    with pytest.raises(InputError, match="Nameless: forward names no inputs"):
        infer_inputs(PretrainedConfig(), Nameless)


class ToyConfig(PretrainedConfig):
    model_type = "toy"

    def __init__(self, vocab_size=30, max_position_embeddings=12, width=8, **kwargs):
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.max_position_embeddings = max_position_embeddings
        self.width = width


class ToyEncoder(PreTrainedModel):
    config_class = ToyConfig
    base_model_prefix = "toy"

    def __init__(self, config):
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, config.width)
        self.positions = nn.Embedding(config.max_position_embeddings, config.width)
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None, output_hidden_states=None):
        states = self.words(input_ids) + self.positions(torch.arange(input_ids.shape[1]))
        return (states * attention_mask[..., None],)


class ToyGauge(ToyEncoder):
    main_input_name = "readings"

    def forward(self, readings, input_ids=None, attention_mask=None):
        return (super().forward(input_ids, attention_mask)[0] * readings[:, :1, None],)


class ToySilent(ToyEncoder):
    main_input_name = "waves"

    def forward(self, waves=None, gain=None):
        return (waves * 2,)


def test_a_model_never_seen_before_is_fed_by_the_rules():
    spec = infer_inputs(ToyConfig(), ToyEncoder)
    assert dims(spec) == {"input_ids": ["batch", "sequence"], "attention_mask": ["batch", "sequence"]}
    assert span(spec, "sequence") == (1, 12)
    ToyEncoder(ToyConfig())(**make_inputs(spec, {"batch": 2, "sequence": 12}, 0))


def test_an_input_that_cannot_be_guessed_is_named_with_a_way_to_declare_it():
    with pytest.raises(InputError) as caught:
        infer_inputs(ToyConfig(), ToyGauge)
    message, signature, hint = str(caught.value).splitlines()
    assert message == "ToyGauge: cannot infer the input 'readings': no rule makes it"
    assert signature == "    forward(readings, input_ids=None, attention_mask=None)"
    assert hint.startswith("    hint: declare it with its own dims, as in inputs = {")
    assert '{"readings": TensorSpec("batch", "sequence", 16)}' in hint
    assert all(way in hint for way in ("factory", "@pytest.mark.torchscript(inputs", "pytest_torchscript_inputs"))


def test_doing_what_the_error_says_works():
    spec = infer_inputs(
        ToyConfig(), ToyGauge, declared={"readings": TensorSpec("batch", "sequence", low=0.0, high=1.0)}
    )
    assert dims(spec) == {
        "readings": ["batch", "sequence"],
        "input_ids": ["batch", "sequence"],
        "attention_mask": ["batch", "sequence"],
    }
    assert span(spec, "sequence") == (1, 12)
    ToyGauge(ToyConfig())(**make_inputs(spec, {"batch": 2, "sequence": 5}, 0))


def test_an_example_tensor_fills_the_gap_too():
    spec = infer_inputs(ToyConfig(), ToyGauge, declared={"readings": torch.rand(2, 5)})
    assert dims(spec)["readings"] == ["batch", 5]
    assert 0 < spec["readings"].high <= 1


def test_examples_have_the_dims_of_the_rules_and_are_kept():
    ids, mask = torch.randint(0, 30, (2, 9)), torch.ones(2, 9, dtype=torch.int64)
    spec = infer_inputs(ToyConfig(), ToyEncoder, declared={"input_ids": ids, "attention_mask": mask}, complete=True)
    assert dims(spec) == {"input_ids": ["batch", "sequence"], "attention_mask": ["batch", "sequence"]}
    assert spec.sizes_of(spec.examples) == {"batch": 2, "sequence": 9}
    assert spec.examples["input_ids"] is not ids  # detached
    assert spec.found.startswith('{\n    "input_ids": TensorSpec(Axis("batch", max=16), Axis("sequence", max=12)')
    joined = infer_inputs(ToyConfig(), ToyEncoder, declared={"attention_mask": mask})
    assert list(joined) == ["input_ids", "attention_mask"]
    assert list(joined.examples) == ["attention_mask"]


def test_two_sizes_of_one_axis_are_refused():
    examples = {
        "input_ids": torch.zeros(2, 9, dtype=torch.int64),
        "attention_mask": torch.ones(2, 8, dtype=torch.int64),
    }
    with pytest.raises(
        InputError, match="axis 'sequence' has two sizes in the examples: 9 in 'input_ids', 8 in 'atten"
    ):
        infer_inputs(ToyConfig(), ToyEncoder, declared=examples, complete=True)


def test_an_example_without_a_rule_has_a_batch_where_it_is_as_large():
    examples = {"input_ids": torch.zeros(2, 9, dtype=torch.int64), "gain": torch.rand(1, 4), "share": torch.rand(2, 3)}
    spec = infer_inputs(ToyConfig(), ToyEncoder, declared=examples, complete=True)
    assert dims(spec)["gain"] == [1, 4]
    assert dims(spec)["share"] == ["batch", 3]


def test_constants_stand_beside_inferred_inputs():
    spec = infer_inputs(ToyConfig(), ToyEncoder, declared=read_inputs({"output_hidden_states": True}, joined=True))
    assert list(spec) == ["input_ids", "attention_mask"]
    assert spec.form.constants == (("output_hidden_states", True),)


def test_what_is_declared_is_all_where_the_rules_would_have_done():
    readings = {"readings": TensorSpec("batch", "sequence")}
    assert not completes(ToyConfig(), ToyGauge, "default", readings)
    assert completes(ToyConfig(), ToyEncoder, "default", {"input_ids": TensorSpec("batch", "sequence")})
    assert not completes(ToyConfig(), ToyEncoder, "default", {"attention_mask": TensorSpec("batch", "sequence")})


def test_a_main_input_with_a_default_is_missed_too():
    with pytest.raises(InputError, match="cannot infer the input 'waves'"):
        infer_inputs(ToyConfig(), ToySilent)


def test_a_declared_axis_replaces_the_inferred_one():
    spec = infer_inputs(
        ToyConfig(), ToyEncoder, declared={"attention_mask": TensorSpec("batch", Axis("sequence", min=2, max=6))}
    )
    assert span(spec, "sequence") == (2, 6)


def test_a_vocabulary_that_is_not_stated_is_asked_for():
    config = ToyConfig()
    config.vocab_size = None
    with pytest.raises(InputError, match="'input_ids': ToyConfig gives none of: vocab_size"):
        infer_inputs(config, ToyEncoder)
