"""Generation with artifacts of fixed shapes, after the pattern published for MarianMT on Inf1.

Encoder and decoder are exported apart. The decoder always sees its full length, padded on the right, keeps no cache,
and is told the current step by an index: a one-hot mask over time picks the logits, where slicing would bake the step.
A causal model has one part: a window padded on the left, so that the current step is always the last position.
The search itself (greedy, beams, penalties, forced tokens) is the library's own `generate`, on both sides.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from pytest_torchscript.backends.base import Artifact, Backend, ExportRequest
from pytest_torchscript.errors import InputError
from pytest_torchscript.versions import library_name


@dataclass(frozen=True)
class Lengths:
    """The fixed sizes of a padded generator: texts at once, beams, and tokens of source and target.

    ``target`` counts the start token; a causal model's window holds prompt and continuation.
    """

    texts: int = 1
    beams: int = 1
    source: int = 16
    target: int = 16

    @property
    def rows(self) -> int:
        """How many rows the decoder sees at once."""
        return self.texts * self.beams


class PaddedEncoder(nn.Module):
    """``(input_ids [texts, source], attention_mask) -> hidden [texts, source, width]``."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder = model.get_encoder()
        self.train(model.training)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor]:
        """Return the last hidden state alone."""
        return (self.encoder(input_ids=input_ids, attention_mask=attention_mask, return_dict=True)[0],)


class PaddedDecoder(nn.Module):
    """``(decoder_input_ids [rows, target], hidden, attention_mask, index) -> logits [rows, vocabulary]`` at one step.

    ``index`` is a 0-d tensor. What stands right of it is padding, which causal attention does not see.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.train(model.training)

    def forward(
        self,
        decoder_input_ids: torch.Tensor,
        hidden: torch.Tensor,
        attention_mask: torch.Tensor,
        index: torch.Tensor,
    ) -> tuple[torch.Tensor]:
        """Return the logits of the step that `index` names."""
        encoded = _output_class("BaseModelOutput")
        logits = self.model(
            encoder_outputs=encoded(last_hidden_state=hidden),
            attention_mask=attention_mask,
            decoder_input_ids=decoder_input_ids,
            use_cache=False,
            return_dict=True,
        ).logits
        steps = torch.arange(decoder_input_ids.shape[1]).view(1, -1, 1)
        # where, not a product: a logit of -inf times zero would be NaN.
        return (torch.where(steps == index, logits, torch.zeros_like(logits)).sum(1),)


class PaddedWindow(nn.Module):
    """``(input_ids [rows, window], attention_mask) -> logits [rows, vocabulary]`` of the last position, padded left."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.positions = "position_ids" in inspect.signature(model.forward).parameters
        self.train(model.training)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor]:
        """Return the last logits; positions count from the first real token, as `generate` counts them."""
        more = {}
        if self.positions:
            more["position_ids"] = (attention_mask.cumsum(-1) - 1).clamp(min=0)
        output = self.model(
            input_ids=input_ids, attention_mask=attention_mask, use_cache=False, return_dict=True, **more
        )
        return (output.logits[:, -1, :],)


def _output_class(name: str) -> Any:
    return library_name("transformers.modeling_outputs", name, used_for="generation")


@dataclass
class PaddedGenerator:
    """A model whose forward passes are artifacts. `generate` takes inputs of up to ``lengths.source`` tokens."""

    model: Any
    backend: Backend
    lengths: Lengths
    _kept: dict[str, Artifact] = field(default_factory=dict)

    @property
    def is_encoder_decoder(self) -> bool:
        """Whether there are two artifacts."""
        return bool(self.model.config.is_encoder_decoder)

    @property
    def pad(self) -> int:
        """The token of padded positions; what it is does not matter to a model that heeds its mask."""
        pad = getattr(self.model.config, "pad_token_id", None)
        return pad if isinstance(pad, int) and pad >= 0 else 0

    def generate(self, input_ids: torch.Tensor, **options: Any) -> torch.Tensor:
        """Return token ids, searched by the library's own `generate` over the artifacts."""
        tokens = input_ids.shape[1]
        limit = self.lengths.source if self.is_encoder_decoder else self.lengths.target - 1
        if tokens > limit:
            axis = "sequence" if self.is_encoder_decoder else "window"
            raise InputError(
                f"axis {axis!r} is {tokens}, larger than the {limit} there is room for", hint="shorten the input"
            )
        stand_in = copy.copy(self.model)
        options.update(use_cache=False, num_beams=self.lengths.beams, do_sample=False)
        if self.is_encoder_decoder:
            return self._generate_in_two(stand_in, input_ids, options)
        stand_in.forward = self._window_step
        mask = torch.ones_like(input_ids)
        result: torch.Tensor = stand_in.generate(input_ids, attention_mask=mask, **options)
        return result

    def _generate_in_two(self, stand_in: Any, input_ids: torch.Tensor, options: dict[str, Any]) -> torch.Tensor:
        encoded = _output_class("BaseModelOutput")
        room = self.lengths.source - input_ids.shape[1]
        mask = functional.pad(torch.ones_like(input_ids), (0, room))
        ids = functional.pad(input_ids, (0, room), value=self.pad)
        hidden = self.encoder(ids, mask)[0]
        stand_in.forward = self._decoder_step(hidden, mask)
        options["encoder_outputs"] = encoded(last_hidden_state=hidden)
        result: torch.Tensor = stand_in.generate(ids, attention_mask=mask, **options)
        return result

    def _decoder_step(self, hidden: torch.Tensor, mask: torch.Tensor) -> Callable[..., Any]:
        """Return a forward pass for `generate`; releases differ in whether they hand the mask on, so it is kept here."""
        beams, target = self.lengths.beams, self.lengths.target
        hidden, mask = hidden.repeat_interleave(beams, 0), mask.repeat_interleave(beams, 0)

        def forward(  # `generate` reads the names of the parameters
            input_ids: Any = None,  # noqa: ARG001
            attention_mask: Any = None,  # noqa: ARG001
            decoder_input_ids: Any = None,
            encoder_outputs: Any = None,  # noqa: ARG001
            **_: Any,
        ) -> Any:
            answer = _output_class("Seq2SeqLMOutput")
            tokens = decoder_input_ids.shape[1]
            ids = functional.pad(decoder_input_ids, (0, target - tokens), value=self.pad)
            logits = self.decoder(ids, hidden, mask, torch.tensor(tokens - 1))[0]
            return answer(logits=logits.unsqueeze(1))

        return forward

    def _window_step(self, input_ids: Any = None, attention_mask: Any = None, **_: Any) -> Any:  # noqa: ARG002
        answer = _output_class("CausalLMOutput")
        room = self.lengths.target - input_ids.shape[1]
        ids = functional.pad(input_ids, (room, 0), value=self.pad)
        mask = functional.pad(torch.ones_like(input_ids), (room, 0))
        return answer(logits=self.window(ids, mask)[0].unsqueeze(1))

    @property
    def encoder(self) -> Artifact:
        """The artifact of the encoder, exported on first use."""
        return self._export("encoder", PaddedEncoder, self._source_request)

    @property
    def decoder(self) -> Artifact:
        """The artifact of the decoder's step."""
        return self._export("decoder", PaddedDecoder, self._decoder_request)

    @property
    def window(self) -> Artifact:
        """The artifact of a causal model's step."""
        return self._export("window", PaddedWindow, self._window_request)

    def _export(
        self, part: str, kind: Callable[[Any], nn.Module], request: Callable[[nn.Module], ExportRequest]
    ) -> Artifact:
        if part not in self._kept:
            self._kept[part] = self.backend.export(request(kind(self.model).eval()))
        return self._kept[part]

    def _source_request(self, module: nn.Module) -> ExportRequest:
        ids, mask = _example(self.lengths.texts, self.lengths.source, pad=self.pad)
        dims = {"input_ids": ("batch", "sequence"), "attention_mask": ("batch", "sequence")}
        return ExportRequest(module, (ids, mask), ("input_ids", "attention_mask"), dims)

    def _decoder_request(self, module: nn.Module) -> ExportRequest:
        lengths = self.lengths
        source, mask = _example(lengths.texts, lengths.source, pad=self.pad)
        with torch.no_grad():
            hidden = PaddedEncoder(self.model).eval()(source, mask)[0]
        ids, _ = _example(lengths.rows, lengths.target, pad=self.pad)
        example = (
            ids,
            hidden.repeat(lengths.beams, 1, 1),
            mask.repeat(lengths.beams, 1),
            torch.tensor(lengths.target // 2),
        )
        dims = {
            "decoder_input_ids": ("rows", "decoder_sequence"),
            "hidden": ("rows", "sequence", hidden.shape[2]),
            "attention_mask": ("rows", "sequence"),
            "index": (),
        }
        return ExportRequest(module, example, tuple(dims), dims)

    def _window_request(self, module: nn.Module) -> ExportRequest:
        ids, mask = _example(self.lengths.rows, self.lengths.target, pad=self.pad, left=True)
        dims = {"input_ids": ("rows", "window"), "attention_mask": ("rows", "window")}
        return ExportRequest(module, (ids, mask), ("input_ids", "attention_mask"), dims)


def _example(rows: int, length: int, *, pad: int, left: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and a mask whose last third is padding: a mask of ones alone would hide its branch from the trace."""
    mask = torch.ones(rows, length, dtype=torch.int64)
    hidden = max(length // 3, 1)
    mask[:, :hidden] = 0
    mask = mask if left else mask.flip(1)
    ids = torch.arange(rows * length).view(rows, length) % 7 + 3
    return torch.where(mask == 1, ids, torch.full_like(ids, pad)), mask
