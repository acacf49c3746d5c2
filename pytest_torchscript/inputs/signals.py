"""Rules of sounds, time series and other floats: lengths exact where the model is, else an axis."""

from __future__ import annotations

import torch

from pytest_torchscript.inputs.reading import Hints, Reading, batch_axis, undeclared
from pytest_torchscript.inputs.text import identifiers, text_dims
from pytest_torchscript.inputs.vision import channels, picture_axes
from pytest_torchscript.spec import Axis, Dim, TensorSpec

AUDIO: Hints = ("audio", "speech", "encoder")
#: One second at the rate that speech models are trained at, and the longest sound tried.
SECOND, LONGEST_SOUND = 16000, 32000
_MOST_FRAMES = 512


def input_values(reading: Reading) -> TensorSpec | None:
    """Sound: raw samples where convolutions read them, a spectrogram where patches are cut out of one."""
    if reading.value("frequency_stride") is not None:
        frames = reading.require("max_length", needed_by="input_values")
        return TensorSpec(batch_axis(), frames, reading.require("num_mel_bins", needed_by="input_values"))
    codec = getattr(reading.config, "codebook_size", None) is not None  # whatever reads the sound inside it
    if reading.value("conv_kernel", within=AUDIO) and not codec:
        return TensorSpec(batch_axis(), samples(reading))
    tracks = reading.number("audio_channels", within=AUDIO)
    if tracks or reading.number("codebook_size"):
        return TensorSpec(batch_axis(), tracks or 1, samples(reading))
    return TensorSpec(batch_axis(), samples(reading)) if reading.takes("attention_mask") else None


def samples(reading: Reading) -> Axis:
    """Return the axis of raw samples: from the fewest that make one frame."""
    return Axis("samples", min=receptive_field(reading), max=LONGEST_SOUND, typical=SECOND)


def receptive_field(reading: Reading) -> int:
    """Return how many samples the convolutions read for one frame: 400 with the usual seven layers."""
    kernels = reading.value("conv_kernel", within=AUDIO)
    strides = reading.value("conv_stride", within=AUDIO)
    if not isinstance(kernels, (list, tuple)) or not isinstance(strides, (list, tuple)):
        return SECOND // 20
    needed = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides)):
        needed = (needed - 1) * stride + kernel
    return min(needed, SECOND)


def input_features(reading: Reading) -> TensorSpec | None:
    """Spectrograms: of one exact length (Whisper), or as long as the sound.

    Where a sound stands for placeholder ids in the text (Qwen2-Audio), the text is fed alone.
    """
    if reading.takes("input_ids") and reading.value("audio_token_id", "audio_token_index") is not None:
        return None
    bins = reading.number("num_mel_bins", within=AUDIO)
    exact = reading.number("max_source_positions", within=AUDIO)
    per_channel = reading.number("input_feat_per_channel", within=AUDIO)
    if per_channel:
        wide = per_channel * (reading.number("input_channels", within=AUDIO) or 1)
        return TensorSpec(batch_axis(), Axis("frames", max=min(exact or _MOST_FRAMES, _MOST_FRAMES)), wide)
    if bins and exact:
        return TensorSpec(batch_axis(), bins, 2 * exact)
    wide = reading.number("feature_projection_input_dim", within=AUDIO) or bins or 0
    return TensorSpec(batch_axis(), Axis("frames", max=_MOST_FRAMES), wide) if wide else None


def fused_features(reading: Reading) -> TensorSpec:
    """A spectrogram as a picture of one channel; four where long sounds are fused of their parts."""
    bins = reading.require("num_mel_bins", within=AUDIO, needed_by="input_features")
    planes = 4 if reading.value("enable_fusion", within=AUDIO) else 1
    exact = reading.number("spec_size", within=AUDIO) or 256
    return TensorSpec(batch_axis(), planes, exact * (exact // bins), bins)


def is_longer(reading: Reading) -> TensorSpec:  # noqa: ARG001
    """Whether each sound was longer than what is fed of it."""
    return TensorSpec(batch_axis(), 1, dtype=torch.bool)


def features_mask(reading: Reading) -> TensorSpec | None:
    """1 where a frame of the spectrogram is real: frames are its last dim where its bins stand before them."""
    spec = input_features(reading)
    if spec is None:
        return None
    frames = next((dim for dim in spec.dims[1:] if isinstance(dim, Axis)), spec.dims[-1])
    return TensorSpec(batch_axis(), frames, dtype=torch.int64, low=1, role="mask")


def steps(reading: Reading, width: str | int) -> TensorSpec:
    """What an agent saw, did or was paid, step by step."""
    wide = width if isinstance(width, int) else reading.require(width, needed_by="states")
    return TensorSpec(batch_axis(), _steps(reading), wide)


def timesteps(reading: Reading) -> TensorSpec:
    """Which step of its episode each one is."""
    return TensorSpec(batch_axis(), _steps(reading), dtype=torch.int64, low=0, high=reading.number("max_ep_len") or 512)


def _steps(reading: Reading) -> Axis:
    return Axis("sequence", max=min(_MOST_FRAMES, (reading.number("n_positions") or 3 * _MOST_FRAMES) // 3))


def hidden_states(reading: Reading, axis: str, width: int | None = None) -> TensorSpec:
    """Return hidden states as a model without its own prenet takes them, of its own width if not of another's."""
    wide = width or reading.require("hidden_size", needed_by="input_values")
    return TensorSpec(batch_axis(), Axis(axis, max=_MOST_FRAMES), wide)


def decoder_frames(reading: Reading) -> TensorSpec:
    """What a speaking decoder has said so far, as a spectrogram."""
    bins = reading.require("num_mel_bins", needed_by="decoder_input_values")
    return TensorSpec(batch_axis(), Axis("decoder_sequence", max=_MOST_FRAMES), bins)


def plain_inputs(reading: Reading) -> TensorSpec | None:
    """What enters as ``inputs`` (Perceiver): ids or pictures by its head, without one floats of its own width."""
    if reading.head("MaskedLM", "SequenceClassification"):
        return identifiers(reading, text_dims(reading), (), "inputs")
    if reading.head("Image"):
        return TensorSpec(batch_axis(), channels(reading), *picture_axes(reading))
    if reading.model_class.__name__.endswith("Model"):
        return TensorSpec(batch_axis(), *text_dims(reading)[1:], reading.require("d_model", needed_by="inputs"))
    return None


def past_values(reading: Reading) -> TensorSpec:
    """The series so far: its context and as far back as the lags reach."""
    length = past_length(reading)
    width = reading.number("num_input_channels") or reading.number("input_size") or 1
    one = reading.value("lags_sequence") is not None or reading.takes("past_values_padding")
    series = one and width == 1
    return TensorSpec(batch_axis(), length, *(() if series else (width,)))


def past_length(reading: Reading) -> int:
    """Return ``context_length + max(lags_sequence)``: the series must reach back exactly so far."""
    lags = reading.value("lags_sequence") or (0,)
    return reading.require("context_length", "prediction_length", needed_by="past_values") + max(lags)


def past_values_padding(reading: Reading) -> TensorSpec:
    """1 where the series so far is only padding, which is at its beginning: here it is all real."""
    dims = past_values(reading).dims
    return TensorSpec(*dims, dtype=torch.int64, fill=lambda generator, shape: torch.zeros(shape, dtype=torch.int64))  # noqa: ARG005


def frequency(reading: Reading) -> TensorSpec:
    """How often a series was measured: one of a few kinds."""
    return TensorSpec(batch_axis(), 1, dtype=torch.int64, low=0, high=reading.require("freq_size", needed_by="freq"))


def past_observed_mask(reading: Reading) -> TensorSpec:
    """1 where the series was observed."""
    return TensorSpec(*past_values(reading).dims, low=0, high=2, dtype=torch.float32, role="mask")


def future_length(reading: Reading) -> int:
    """Return how many steps are predicted."""
    length = reading.number("prediction_length")
    if length is None:
        raise undeclared(reading, "future_values", "config.prediction_length is not set")
    return length


def past_time_features(reading: Reading) -> TensorSpec | None:
    """What the calendar says about each past step."""
    return _features(reading, past_length(reading), "num_time_features", "num_dynamic_real_features")


def future_time_features(reading: Reading) -> TensorSpec | None:
    """What the calendar says about each step to come."""
    return _features(reading, future_length(reading), "num_time_features", "num_dynamic_real_features")


def _features(reading: Reading, length: int, *names: str) -> TensorSpec | None:
    return TensorSpec(batch_axis(), length, sum(reading.number(name) or 0 for name in names))


def future_values(reading: Reading) -> TensorSpec | None:
    """The series to come, which the decoder reads."""
    if reading.value("lags_sequence") is None:
        return None
    width = reading.number("input_size") or 1
    return TensorSpec(batch_axis(), future_length(reading), *(() if width == 1 else (width,)))


def static_categorical_features(reading: Reading) -> TensorSpec | None:
    """Which series this is: one category of each kind."""
    count = reading.number("num_static_categorical_features")
    if not count:
        return None
    highs = torch.tensor(list(reading.value("cardinality")))

    def categories(generator: torch.Generator, shape: tuple[int, ...]) -> torch.Tensor:
        return (torch.rand(shape, generator=generator) * highs).long()

    return TensorSpec(batch_axis(), count, dtype=torch.int64, fill=categories)


def static_real_features(reading: Reading) -> TensorSpec | None:
    """Numbers that hold for the whole series."""
    count = reading.number("num_static_real_features")
    return TensorSpec(batch_axis(), count) if count else None


def mask_over(spec: TensorSpec | None, *, fewest: int = 1) -> TensorSpec | None:
    """Return the mask of a signal (batch, axis, …): none where its length is exact."""
    if spec is None or len(spec.dims) < 2 or not isinstance(spec.dims[1], Axis):
        return None
    dims: tuple[Dim, ...] = spec.dims[:2]
    return TensorSpec(*dims, dtype=torch.int64, low=fewest, role="mask", optional=True)
