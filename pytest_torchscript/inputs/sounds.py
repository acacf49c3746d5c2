"""Layouts that a sound may have where the rules' own is refused: the model is asked which one it takes.

Configurations tell how many bins a spectrogram has, but seldom whether they stand before the frames or behind them, whether a
wave has a dim for its one channel, and of what the number of samples must be a multiple.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from pytest_torchscript.inputs.reading import Reading, batch_axis
from pytest_torchscript.inputs.signals import AUDIO, LONGEST_SOUND, SECOND
from pytest_torchscript.spec import Axis, Dim, TensorSpec

#: Parameters that hold a wave, a spectrogram, and which of its frames are real.
WAVES = ("input_values", "audio_values", "waveform")
SPECTROGRAMS = ("input_features", "audio_mel", "input_values")
_MASKS = ("input_features_mask", "audio_mel_mask", "padding_mask", "attention_mask")
_BINS = ("num_mel_bins", "input_feat_size", "feature_size", "n_mels", "mel_bins", "input_dim")
_USUAL_BINS = (80, 128)
#: So many frames may be laid side by side, if the configuration does not say.
_STACKED = (2, 4)
_FRAMES_A_TOKEN = (8, 4, 2, 1)
#: A second of frames is what models are made for; the longest tried is a few of them.
_SECOND, _LONGEST = 100, 512


def layouts(reading: Reading) -> Iterator[dict[str, TensorSpec]]:
    """Yield the sound that a model takes in the layouts that sounds have, the usual ones first."""
    if reading.takes("input_values", "input_features"):
        yield from _both(reading)
        return
    for name in SPECTROGRAMS:
        if reading.takes(name):
            for frames, dims in _spectrograms(reading):
                yield from _with_masks(reading, name, dims, frames)
    for name in WAVES:
        if reading.takes(name):
            for samples, dims in _waves(reading):
                yield from _with_masks(reading, name, dims, samples)


def _both(reading: Reading) -> Iterator[dict[str, TensorSpec]]:
    """Yield a wave and its spectrogram, which has a frame for every so many samples."""
    wide = reading.number("feature_projection_input_dim", *_BINS, within=AUDIO)
    frames = Axis("frames", min=2, max=_LONGEST // 4, typical=_SECOND // 2)
    for step in _hops(reading) if wide else ():
        for spectrogram in ((frames, wide), (wide, frames)):
            yield {
                "input_values": TensorSpec(batch_axis(), 1, f"{step}*{frames.name}"),
                "input_features": TensorSpec(batch_axis(), *spectrogram),
            }


def _spectrograms(reading: Reading) -> Iterator[tuple[Axis, tuple[Dim, ...]]]:
    for bins in _bins(reading):
        yield from _of_bins(reading, bins)


def _bins(reading: Reading) -> Iterator[int]:
    """Yield how many bins a frame may have: what the configuration says, else what its first convolution has, and the usual."""
    stated = reading.number(*_BINS, within=AUDIO)
    if stated is not None:
        yield stated
    if stated is not None or reading.takes("input_ids") or not reading.takes("input_features"):
        return
    channels = reading.value("subsampling_conv_channels", within=AUDIO)
    yield from dict.fromkeys([*(channels[:1] if isinstance(channels, (list, tuple)) else ()), *_USUAL_BINS])


def _of_bins(reading: Reading, bins: int) -> Iterator[tuple[Axis, tuple[Dim, ...]]]:
    if reading.takes("input_ids"):  # a frame, or a few, for every token
        for count in _FRAMES_A_TOKEN:
            yield Axis("frames"), (batch_axis(), bins, f"{count}*sequence")
    window = reading.number("n_window", within=AUDIO)
    stacked = reading.number("num_stacked_frames", within=AUDIO)
    for step in dict.fromkeys((1, 2 * (window or 1))):
        frames = Axis("frames", multiple_of=step, max=_LONGEST, typical=_SECOND)
        yield frames, (batch_axis(), frames, bins)
        yield frames, (batch_axis(), bins, frames)
        for count in (stacked,) if stacked else _STACKED:
            yield frames, (batch_axis(), frames, count * bins)
        yield frames, (batch_axis(), 1, frames, bins)


def _waves(reading: Reading) -> Iterator[tuple[Axis, tuple[Dim, ...]]]:
    for step in dict.fromkeys((1, *_hops(reading))):
        samples = Axis("samples", multiple_of=step, max=LONGEST_SOUND, typical=SECOND // step * step)
        yield samples, (batch_axis(), samples)
        yield samples, (batch_axis(), 1, samples)
        yield samples, (batch_axis(), samples, 1)


def _hops(reading: Reading) -> Iterator[int]:
    """Yield how many samples become one frame, as far as the configuration tells."""
    for name in ("samples_per_token", "hop_length"):
        found = reading.number(name, within=AUDIO)
        if found and found <= SECOND:
            yield found
    for name in ("patch_sizes", "downsampling_ratios", "upsampling_ratios", "strides"):
        sizes = reading.value(name, within=AUDIO)
        whole = isinstance(sizes, (list, tuple)) and all(isinstance(size, int) for size in sizes)
        if whole and 1 < math.prod(sizes) <= SECOND:
            yield math.prod(sizes)


def _with_masks(reading: Reading, name: str, dims: tuple[Dim, ...], length: Axis) -> Iterator[dict[str, TensorSpec]]:
    """Yield a sound with the masks that forward must be given, then with all that it takes."""
    parameters = reading.parameters
    text = reading.takes("input_ids")  # then `attention_mask` is that of the text
    masks = [mask for mask in _MASKS if mask in parameters and not (text and mask == "attention_mask")]
    required = [mask for mask in masks if parameters[mask].default is parameters[mask].empty]
    for chosen in [masks, required] if masks != required else [required]:
        beside = {mask: TensorSpec(dims[0], length, dtype=torch.bool, low=1, role="mask") for mask in chosen[:1]}
        yield {name: TensorSpec(*dims), **beside}
