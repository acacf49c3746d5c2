"""inputs/sounds.py: the layouts that a sound may have, and that a model is asked which it takes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from pytest_torchscript.inputs.reading import Reading, read_signature
from pytest_torchscript.inputs.sounds import layouts
from pytest_torchscript.lab.twin import Twin
from pytest_torchscript.models.blueprint import TINY, Blueprint
from pytest_torchscript.spec import dim_name


class SoundConfig(PretrainedConfig):  # type: ignore[misc]
    model_type = "sound_of_a_test"


class Sound(PreTrainedModel):  # type: ignore[misc]
    config_class = SoundConfig
    main_input_name = "input_features"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.mix = nn.Conv1d(8, 4, 3)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None: ...


class BinsFirst(Sound):
    def forward(self, input_features: torch.Tensor, input_features_mask: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.mix(input_features) * input_features_mask[:, None, 2:]
        return made


class Stacked(Sound):
    def forward(self, input_features: torch.Tensor) -> torch.Tensor:
        if input_features.shape[-1] != 24:
            raise RuntimeError("three frames lie side by side")
        return input_features.sum(-1)


class Usual(Sound):
    def forward(self, input_features: torch.Tensor) -> torch.Tensor:
        if input_features.shape[-1] != 128:
            raise RuntimeError("128 bins, which no configuration states")
        return input_features.sum(-1)


class Wave(Sound):
    main_input_name = "input_values"

    def forward(self, input_values: torch.Tensor, padding_mask: Any = None) -> torch.Tensor:
        if input_values.shape[1] != 1 or input_values.shape[-1] % 320:
            raise RuntimeError("one channel, of whole frames")
        return input_values.mean(-1)


class Deaf(Sound):
    def forward(self, input_features: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("never")


def laid_out(model_class: type[Any], **values: Any) -> Any:
    config = SoundConfig(**values)
    spec = Twin(Blueprint("sound", config=config, model_class=model_class, weights=TINY)).laid_out()
    return spec and {name: [dim_name(dim) for dim in tensor.dims] for name, tensor in spec.items()}


@pytest.mark.parametrize(
    ("model_class", "values", "expected"),
    [
        (
            BinsFirst,
            {"num_mel_bins": 8},
            {"input_features": ["batch", 8, "frames"], "input_features_mask": ["batch", "frames"]},
        ),
        (Stacked, {"num_mel_bins": 8, "num_stacked_frames": 3}, {"input_features": ["batch", "frames", 24]}),
        (
            Wave,
            {"downsampling_ratios": [4, 8, 10]},
            {"input_values": ["batch", 1, "samples"], "padding_mask": ["batch", "samples"]},
        ),
        (Deaf, {"num_mel_bins": 8}, None),
        (BinsFirst, {}, None),
        (Stacked, {"subsampling_conv_channels": [24, 8]}, {"input_features": ["batch", "frames", 24]}),
        (Usual, {}, {"input_features": ["batch", "frames", 128]}),
    ],
    ids=["bins_first", "stacked", "wave", "deaf", "no_bins", "bins_of_a_convolution", "usual_bins"],
)
def test_the_model_is_asked_which_layout_it_takes(
    model_class: type[Any], values: dict[str, Any], expected: Any
) -> None:
    assert laid_out(model_class, **values) == expected


def test_a_number_of_samples_is_a_multiple_of_what_becomes_one_frame() -> None:
    reading = Reading(SoundConfig(downsampling_ratios=[4, 8, 10]), Wave, parameters=read_signature(Wave))
    steps = {
        spec["input_values"].dims[-1].multiple_of for spec in layouts(reading) if spec["input_values"].dims[1] == 1
    }
    assert steps == {1, 320}


def test_the_mask_of_a_text_is_none_of_a_sound() -> None:
    class Both(Sound):
        def forward(self, input_ids: Any, input_features: Any, attention_mask: Any = None) -> Any: ...

    reading = Reading(SoundConfig(num_mel_bins=8), Both, parameters=read_signature(Both))
    assert all(list(spec) == ["input_features"] for spec in layouts(reading))


def test_a_wave_and_its_spectrogram_are_of_one_length() -> None:
    class Codec(Sound):
        def forward(self, input_values: Any, input_features: Any) -> Any: ...

    reading = Reading(
        SoundConfig(downsampling_ratios=[4, 8, 10], num_mel_bins=8), Codec, parameters=read_signature(Codec)
    )
    first = next(layouts(reading))
    sizes = {"batch": 2, "frames": 5}
    assert {name: spec.shape(sizes) for name, spec in first.items()} == {
        "input_values": (2, 1, 1600),
        "input_features": (2, 5, 8),
    }


def test_frames_may_be_counted_by_the_tokens_beside_them() -> None:
    class Spoken(Sound):
        def forward(self, input_ids: Any, input_features: Any) -> Any: ...

    reading = Reading(SoundConfig(num_mel_bins=8), Spoken, parameters=read_signature(Spoken))
    assert [dim_name(dim) for dim in next(layouts(reading))["input_features"].dims] == ["batch", 8, "8*sequence"]
