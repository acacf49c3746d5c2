"""models/holes.py: what a configuration leaves at None is filled where its class cannot do without, and told."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import BertConfig, BertModel, PretrainedConfig, PreTrainedModel

from pytest_torchscript.models.holes import filled


class HoleyConfig(PretrainedConfig):  # type: ignore[misc]
    model_type = "holey"

    def __init__(self, **values: Any) -> None:
        super().__init__()
        for name, value in {"hidden_size": 16, "num_attention_heads": 2, "head_dim": None, **values}.items():
            setattr(self, name, value)


class Holey(PreTrainedModel):  # type: ignore[misc]
    """Cannot be built without the width of a head."""

    config_class = HoleyConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.scale = config.head_dim**-0.5
        self.mix = nn.Linear(config.hidden_size, config.head_dim)

    def _init_weights(self, module: nn.Module) -> None: ...


class Plain(Holey):
    """Is built whatever is missing."""

    def __init__(self, config: Any) -> None:
        PreTrainedModel.__init__(self, config)
        self.mix = nn.Linear(4, 4)


def test_a_class_that_cannot_be_built_is_given_what_it_needs() -> None:
    config, notes = filled(HoleyConfig(), Holey)
    assert config.head_dim == 8
    assert notes == ("the configuration leaves at None, or empty, what the model needs, and was filled: head_dim=8",)
    assert Holey(config).mix(torch.ones(1, 16)).shape == (1, 8)


def test_nothing_is_filled_where_the_class_is_built() -> None:
    config = HoleyConfig()
    assert filled(config, Plain) == (config, ())
    bert = BertConfig(hidden_size=16, num_attention_heads=2, num_hidden_layers=1)
    assert filled(bert, BertModel) == (bert, ())


def test_what_a_call_needs_is_filled_though_the_class_is_built() -> None:
    values = {"num_experts": 4, "num_experts_per_tok": None, "languages": ["en", "de"], "default_language": None}
    config, notes = filled(HoleyConfig(vocab_size=50, image_token_id=None, **values), Plain)
    assert (config.num_experts_per_tok, config.default_language, config.image_token_id) == (2, "en", 48)
    assert config.head_dim is None
    assert "num_experts_per_tok=2, default_language=en, image_token_id=48" in notes[0]


def test_what_nothing_known_helps_stays_as_it_was() -> None:
    class Broken(Holey):
        def __init__(self, config: Any) -> None:
            raise TypeError("whatever it is given")

    config = HoleyConfig()
    assert filled(config, Broken) == (config, ())


def test_a_vocabulary_that_is_put_in_has_ids_for_padding_and_masks() -> None:
    class Words(Holey):
        def __init__(self, config: Any) -> None:
            PreTrainedModel.__init__(self, config)
            self.embed = nn.Embedding(config.vocab_size, 4)

    config, notes = filled(HoleyConfig(vocab_size=None, mask_token_id=None, pad_token_id=None), Words)
    assert (config.vocab_size, config.pad_token_id, config.mask_token_id, config.head_dim) == (1024, 0, 1, None)
    assert notes[0].endswith(": vocab_size=1024")


def test_what_a_method_reads_and_the_configuration_lacks_is_put_in() -> None:
    class Reads(Plain):
        def positions(self) -> Any:
            return self.config.vision_start_token_id

    config, notes = filled(HoleyConfig(vocab_size=50), Reads)
    assert config.vision_start_token_id == 46
    assert notes[0].endswith(": vision_start_token_id=46")
    assert filled(HoleyConfig(vocab_size=50), Plain)[1] == ()


class LevelsConfig(PretrainedConfig):  # type: ignore[misc]
    """Computes one value of a list."""

    model_type = "levels"

    def __init__(self, projector_scale_factors: Any = (), **values: Any) -> None:
        self.projector_scale_factors, self.levels = projector_scale_factors, len(projector_scale_factors)
        super().__init__(**values)


def test_a_list_that_is_left_empty_is_filled_and_what_is_computed_of_it_is_computed_anew() -> None:
    config, notes = filled(LevelsConfig(), Plain)
    assert (config.projector_scale_factors, config.levels) == ([1.0], 1)
    assert notes[0].endswith(": projector_scale_factors=1.0")
    assert filled(LevelsConfig([2.0]), Plain)[1] == ()


def test_few_layers_show_whether_a_class_is_built_where_no_more_will_be() -> None:
    built: list[int] = []

    class Deep(Holey):
        def __init__(self, config: Any) -> None:
            built.append(config.num_hidden_layers)
            super().__init__(config)

    assert filled(HoleyConfig(num_hidden_layers=40, head_dim=8), Deep, shallow=True)[1] == ()
    assert built
    assert max(built) < 40
    assert filled(HoleyConfig(num_hidden_layers=40), Deep, shallow=True)[0].head_dim == 8
