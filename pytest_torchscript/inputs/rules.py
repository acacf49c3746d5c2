"""What each parameter of a forward holds: the one place that knows names.

A rule turns a Reading into the TensorSpec of one parameter, or into None where the model is not fed it. Parameters
that stand in no table are not fed; a required one among them is an error that says how to declare it. A model of your
own is described in a conftest.py, where None leaves the others to the rules::

    from pytest_torchscript import Axis, InputSpec, TensorSpec

    def pytest_torchscript_inputs(config, model_class, task):
        if config.model_type == "gauge":
            return InputSpec({"readings": TensorSpec("batch", Axis("time", min=4, max=96), config.num_gauges)})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Optional

import torch

from pytest_torchscript.inputs import signals, text, vision
from pytest_torchscript.inputs.reading import Reading
from pytest_torchscript.spec import TensorSpec

Rule = Callable[[Reading], Optional[TensorSpec]]


def attention_mask(reading: Reading) -> TensorSpec | None:
    """1 where a token, a frame or a sample is real; with a cache it covers the past too."""
    if text.feeds_text(reading):
        dims = text.text_dims(reading)
        if reading.with_past and not reading.takes("decoder_input_ids"):
            dims = (dims[0], "past_sequence + sequence")
        return TensorSpec(*dims, dtype=torch.int64, low=0, high=2, role="mask", optional=True)
    if reading.with_past:  # what an encoder keeps of a sound is shorter than the sound: no mask fits both
        return None
    main = rule_for(reading, reading.main_input)
    fewest = signals.receptive_field(reading) if reading.value("conv_kernel") else 1
    return signals.mask_over(main(reading) if main else None, fewest=fewest)


#: Parameter -> rule, for every model.
RULES: Mapping[str, Rule] = {
    "input_ids": text.input_ids,
    "lang_ids": text.language_ids,
    "inputs_embeds": text.inputs_embeds,
    "attention_mask": attention_mask,
    "token_type_ids": text.token_type_ids,
    "bbox": text.bbox,
    "xpath_tags_seq": text.xpath_tags,
    "xpath_subs_seq": text.xpath_subscripts,
    "decoder_input_ids": text.decoder_input_ids,
    "pixel_values": vision.pixel_values,
    "prompt_pixel_values": vision.pixel_values,
    "prompt_masks": vision.pixel_values,
    "image_attention_mask": vision.image_attention_mask,
    "pixel_mask": vision.pixel_mask,
    "pixel_values_videos": vision.pixel_values_videos,
    "visual_feats": vision.visual_feats,
    "visual_pos": vision.visual_pos,
    "input_values": signals.input_values,
    "input_features": signals.input_features,
    "decoder_input_values": signals.decoder_frames,
    "inputs": signals.plain_inputs,
    "past_values": signals.past_values,
    "past_values_padding": signals.past_values_padding,
    "freq": signals.frequency,
    "past_observed_mask": signals.past_observed_mask,
    "past_time_features": signals.past_time_features,
    "static_categorical_features": signals.static_categorical_features,
    "static_real_features": signals.static_real_features,
    "future_values": signals.future_values,
    "future_time_features": signals.future_time_features,
    "states": lambda reading: signals.steps(reading, "state_dim"),
    "actions": lambda reading: signals.steps(reading, "act_dim"),
    "rewards": lambda reading: signals.steps(reading, 1),
    "returns_to_go": lambda reading: signals.steps(reading, 1),
    "timesteps": signals.timesteps,
    "input_features_mask": signals.features_mask,
}

_LONGFORMER_QUESTION: Mapping[str, Rule] = {"global_attention_mask": text.global_attention_mask}

_TRACKS: Mapping[str, Rule] = {"input_ids": text.tracks}

_PAIR: Mapping[str, Rule] = {"pixel_values": vision.pair_of_pictures}

#: Class -> parameter -> rule, where the same name holds something else than anywhere else.
SPECIAL: Mapping[str, Mapping[str, Rule]] = {
    # Without it both heads look for three separators in every row.
    "LongformerForQuestionAnswering": _LONGFORMER_QUESTION,
    "LongformerForMultipleChoice": _LONGFORMER_QUESTION,
    # Two pictures, whose points are matched.
    "EfficientLoFTRModel": _PAIR,
    "LightGlueForKeypointMatching": _PAIR,
    "SuperGlueForKeypointMatching": _PAIR,
    # A token of every codebook at each step; the first one is the text's.
    "KyutaiSpeechToTextModel": {"input_ids": text.codes},
    # The codebooks of one sound are rows of their own.
    "MusicgenModel": _TRACKS,
    "MusicgenMelodyModel": _TRACKS,
    # A spectrogram is a picture of one channel.
    "ClapModel": {"input_features": signals.fused_features, "is_longer": signals.is_longer},
    "ClapAudioModel": {"input_features": signals.fused_features, "is_longer": signals.is_longer},
    # Neither prenet is part of the bare model: both sides take hidden states.
    "SpeechT5Model": {
        "input_values": lambda reading: signals.hidden_states(reading, "sequence"),
        "decoder_input_values": lambda reading: signals.hidden_states(reading, "decoder_sequence"),
    },
}


def rule_for(reading: Reading, parameter: str) -> Rule | None:
    """Return the rule of a parameter: the class's own, else the general one."""
    own = SPECIAL.get(reading.model_class.__name__, {}).get(parameter, RULES.get(parameter))
    if own is None and parameter.endswith(("_embeds", "hidden_states")):
        return lambda reading: embeddings(reading, parameter)
    return own


def embeddings(reading: Reading, parameter: str) -> TensorSpec | None:
    """What a part of a model is handed by another, where it cannot do without."""
    required = [name for name, item in reading.parameters.items() if item.default is item.empty]
    if not any(name.endswith(("_embeds", "hidden_states")) for name in required) or not reading.number("hidden_size"):
        return None
    wide = reading.number("encoder_hidden_size") if parameter.startswith("encoder") else None
    return signals.hidden_states(reading, "encoder_sequence" if wide else "sequence", wide)
