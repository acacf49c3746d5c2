"""lab/twin.py: a tiny twin is asked what the model takes, and whether a shrunk one still runs on what is inferred for it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel, PretrainedConfig, PreTrainedModel

from pytest_torchscript.lab.plan import make_plan, resolve_inputs
from pytest_torchscript.lab.twin import Twin, fault_of
from pytest_torchscript.models.blueprint import TINY, Blueprint
from pytest_torchscript.settings import Settings
from tests.small_models import CONFIG

SMALL: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


class GaugeConfig(PretrainedConfig):  # type: ignore[misc]
    model_type = "gauge"


class Gauge(PreTrainedModel):  # type: ignore[misc]
    """Takes an input of a name that no rule knows."""

    config_class = GaugeConfig
    main_input_name = "readings"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.mix = nn.Linear(6, 4)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None: ...

    def forward(self, readings: torch.Tensor) -> torch.Tensor:
        return self.mix(readings).sum(-1)


class Silent(Gauge):
    """Refuses whatever it is given."""

    def forward(self, readings: torch.Tensor) -> torch.Tensor:
        raise ValueError("never")


def bert(**values: Any) -> BertModel:
    return BertModel(BertConfig(vocab_size=40, **{**SMALL, **values})).eval()


def test_no_fault_where_the_inferred_inputs_run() -> None:
    assert fault_of("default")(bert()) is None


def test_a_shape_that_does_not_fit_is_a_fault() -> None:
    broken = bert()
    broken.encoder.layer[0].output.dense = nn.Linear(7, 16)
    assert "RuntimeError: mat1 and mat2 shapes" in str(fault_of("default")(broken))


@pytest.mark.parametrize("task", ["default", "causal-lm-with-past"])
def test_what_it_asks_for_otherwise_is_our_ignorance(task: str) -> None:
    assert fault_of(task)(Silent(GaugeConfig())) is None


def test_an_input_of_no_rule_is_found_by_asking() -> None:
    blueprint = Blueprint("gauge", config=GaugeConfig(), model_class=Gauge, weights=TINY)
    spec = resolve_inputs(blueprint, Settings(), None)
    assert [getattr(dim, "name", dim) for dim in spec["readings"].dims] == ["batch", 6]
    assert spec.notes[0].startswith("the inputs were found by asking eager")


def test_what_cannot_be_found_is_told_as_the_rules_tell_it() -> None:
    blueprint = Blueprint("silent", config=GaugeConfig(), model_class=Silent, weights=TINY)
    with pytest.raises(Exception, match="Silent: cannot infer the input 'readings': no rule makes it"):
        resolve_inputs(blueprint, Settings(), None)


def test_rules_that_eager_refuses_give_way_to_what_it_takes() -> None:
    class Unusual(Gauge):
        """Its pixels are rows of numbers."""

        main_input_name = "pixel_values"

        def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
            return self.mix(pixel_values).sum(-1)

    blueprint = Blueprint("unusual", config=GaugeConfig(), model_class=Unusual, weights=TINY)
    assert Twin(blueprint).module.config.model_type == "gauge"
    assert resolve_inputs(blueprint, Settings(), None)["pixel_values"].dims[-1] == 6


def test_a_rule_that_is_wrong_does_not_keep_the_layers_from_being_asked() -> None:
    class Wave(Gauge):
        """Its hidden states are a wave of one channel, longer than a rule would have them."""

        main_input_name = "hidden_states"

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.mix = nn.Conv1d(1, 4, 100)

        def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
            return self.mix(hidden_states)

    config = GaugeConfig()
    config.hidden_size = 70
    spec = Twin(Blueprint("wave", config=config, model_class=Wave, weights=TINY)).asked(Settings())
    assert spec is not None
    assert [getattr(dim, "name", dim) for dim in spec["hidden_states"].dims] == ["batch", 1, "time"]


def test_what_transformers_says_is_missing_in_a_configuration_is_a_fault() -> None:
    class Windowed(Gauge):
        main_input_name = "input_ids"

        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            raise ValueError("Could not find a `sliding_window` argument in the config, or it is not set")

    config = GaugeConfig()
    config.vocab_size = 40
    assert "`sliding_window`" in str(fault_of("default")(Windowed(config)))


def twin(weights: str = "random", **values: Any) -> Twin:
    from transformers import BertConfig, BertModel

    return Twin(Blueprint("bert", config=BertConfig(**{**CONFIG, **values}), model_class=BertModel, weights=weights))


def test_it_is_smaller_unless_the_model_is_tiny_already_and_built_once() -> None:
    made = twin(hidden_size=768, num_attention_heads=12, intermediate_size=3072)
    assert sum(each.numel() for each in made.module.parameters()) < 1e6
    assert made.module is made.module
    assert type(made.module).__name__ == "BertModel"
    assert twin("tiny").module.config.hidden_size == CONFIG["hidden_size"]


def test_the_module_that_shrinking_built_is_taken_and_no_plan_keeps_it() -> None:
    made = bert()
    blueprint = Blueprint("bert", config=made.config, model_class=BertModel, weights=TINY, twin=made)
    assert Twin(blueprint).module is made
    assert make_plan("bert-base-uncased", Settings(weights=TINY)).blueprint.twin is None


def test_it_says_how_many_rows_of_features_there_are_and_raises_what_the_model_raises() -> None:
    made, ids = twin("tiny"), torch.ones(2, 5, dtype=torch.int64)
    assert made.rows("forward", {"input_ids": ids}) == 2  # what is pooled is one row a text
    with pytest.raises(AttributeError):
        made.rows("get_picture_features", {"input_ids": ids})


class TextOrPictures(Gauge):
    """Takes texts, and pictures in no layout."""

    main_input_name = "input_ids"

    def forward(self, input_ids: torch.Tensor, pixel_values: torch.Tensor | None = None) -> torch.Tensor:
        if pixel_values is not None:
            raise ValueError("no pictures")
        return self.mix(torch.nn.functional.one_hot(input_ids % 6, 6).float())


def test_a_text_goes_alone_where_the_two_together_are_refused() -> None:
    config = GaugeConfig(vocab_size=40, image_token_id=5)
    config.vocab_size, config.image_token_id = 40, 5
    spec = Twin(Blueprint("gauge", config=config, model_class=TextOrPictures, weights=TINY)).alone()
    assert spec is not None
    assert list(spec) == ["input_ids"]
    assert spec.notes == ("the text is fed without pictures: the model refuses the two together",)
    assert Twin(Blueprint("gauge", config=GaugeConfig(), model_class=Gauge, weights=TINY)).alone() is None
