"""The check `generation`: greedy and beam tokens of fixed-shape artifacts equal eager's `generate`, up to ties."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pytest_torchscript.backends.base import Backend
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import ANSWERS, READY, STEADY, WEIGHTS
from pytest_torchscript.checks.registry import check
from pytest_torchscript.common.copying import copy_module
from pytest_torchscript.compare.policy import Policy
from pytest_torchscript.errors import Error, first_line
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.padded_generation import Lengths, PaddedGenerator
from pytest_torchscript.lab.running import running

EQUAL, TIE, DIFFERENT = "equal", "tie", "different"
TASKS = ("seq2seq-lm", "seq2seq-lm-with-past", "causal-lm", "causal-lm-with-past")


@dataclass(frozen=True)
class Generated:
    """One text generated twice. ``step`` is the first token that differs, ``gap`` how far eager holds the two apart."""

    beams: int
    source_length: int
    expected: tuple[int, ...]
    actual: tuple[int, ...]
    status: str = EQUAL
    step: int = 0
    gap: float = 0.0
    allowed: float = 0.0

    def __str__(self) -> str:
        who = "greedy" if self.beams == 1 else f"{self.beams} beams"
        what = f"{who}, source length {self.source_length}"
        if self.status == EQUAL:
            return f"{what}: {len(self.expected)} tokens equal"
        said, wanted = _at(self.actual, self.step), _at(self.expected, self.step)
        return (
            f"{what}: token {self.step} is {said}, eager gives {wanted}; eager's scores are {self.gap:.3g} apart, "
            f"a tie is {self.allowed:.1g}"
        )


@dataclass(frozen=True)
class GenerationResult:
    """Every text generated, and what the artifacts are (details of the backend)."""

    texts: tuple[Generated, ...]
    details: dict[str, Any]

    @property
    def agrees(self) -> bool:
        """Whether all tokens are equal, ties aside."""
        return all(text.status != DIFFERENT for text in self.texts)

    @property
    def distinct(self) -> int:
        """How many different tokens eager chose: 1 means that the search had nothing to choose."""
        return len({token for text in self.texts for token in text.expected})


def compare_generation(
    model: Any,
    backend: Backend,
    *,
    source_lengths: Sequence[int] = (3, 9, 16),
    beams: Sequence[int] = (1, 4),
    target: int = 16,
    texts: int = 1,
    tie: float = Policy().row_share,
    seed: int = 0,
) -> GenerationResult:
    """Generate at several source lengths and beam counts, with eager and with artifacts of fixed shapes.

    ``model`` is a transformers model with a language-modelling head, in eval mode. ``target`` is the number of tokens
    the decoder holds; for a causal model the window holds the longest source besides. Two candidates tie where their
    scores differ by less than ``tie`` of the largest logit.
    """
    found, details = [], {}
    for count in beams:
        generator = padded_generator(model, backend, sources=source_lengths, beams=count, target=target, texts=texts)
        for index, length in enumerate(source_lengths):
            ids = source_ids(model.config, texts, length, seed=seed + index)
            found.extend(_compare(generator, ids, target=target, tie=tie))
        artifact = generator.decoder if generator.is_encoder_decoder else generator.window
        details = dict(getattr(artifact, "details", None) or {})
    return GenerationResult(tuple(found), details)


def padded_generator(
    model: Any, backend: Backend, *, sources: Sequence[int], beams: int, target: int, texts: int = 1
) -> PaddedGenerator:
    """Return a generator that holds the longest of the sources."""
    room = target if model.config.is_encoder_decoder else max(sources) + target
    return PaddedGenerator(model, backend, Lengths(texts=texts, beams=beams, source=max(sources), target=room))


def source_ids(config: Any, texts: int, length: int, *, seed: int = 0) -> torch.Tensor:
    """Return ``[texts, length]`` ids, special ones avoided: padding inside a text would mean something else."""
    special = {getattr(config, name, None) for name in _SPECIAL}
    usual = [token for token in range(int(config.vocab_size)) if token not in special]
    drawn = torch.randint(0, len(usual), (texts, length), generator=torch.Generator().manual_seed(seed))
    return torch.tensor(usual)[drawn]


_SPECIAL = ("pad_token_id", "eos_token_id", "bos_token_id", "decoder_start_token_id", "sep_token_id", "unk_token_id")


def _compare(generator: PaddedGenerator, ids: torch.Tensor, *, target: int, tie: float) -> list[Generated]:
    options = {"max_new_tokens": target - 1}
    with torch.no_grad():
        eager = generator.model.generate(
            ids, attention_mask=torch.ones_like(ids), num_beams=generator.lengths.beams, do_sample=False, **options
        )
        actual = generator.generate(ids, **options)
        prompt = 1 if generator.is_encoder_decoder else ids.shape[1]
        rows = zip(ids, eager, actual)
        return [_judge(generator, source, (one, other), prompt=prompt, tie=tie) for source, one, other in rows]


def _judge(
    generator: PaddedGenerator,
    source: torch.Tensor,
    pair: tuple[torch.Tensor, torch.Tensor],
    *,
    prompt: int,
    tie: float,
) -> Generated:
    """Compare one row; where tokens differ, ask eager how far apart it holds the two."""
    expected, actual = (_trimmed(row, generator.pad, prompt) for row in pair)
    beams, length = generator.lengths.beams, len(source)
    if expected == actual:
        return Generated(beams, length, expected, actual)
    step = next(index for index in range(max(len(expected), len(actual))) if _at(expected, index) != _at(actual, index))
    score = _Score(generator, source)
    if beams == 1:
        gap = score.step_gap(expected, actual, step)
    else:
        gap = abs(score.of_sequence(expected, prompt) - score.of_sequence(actual, prompt))
    allowed = tie * score.scale
    status = TIE if gap <= allowed else DIFFERENT
    return Generated(beams, length, expected, actual, status, step, gap, allowed)


def _trimmed(row: torch.Tensor, pad: int, prompt: int) -> tuple[int, ...]:
    """Drop what fills a row up behind its end; the prompt may begin with the same token."""
    tokens = row.tolist()
    while len(tokens) > prompt and tokens[-1] == pad:
        tokens.pop()
    return tuple(tokens)


def _at(tokens: Sequence[int], index: int) -> int | None:
    return tokens[index] if index < len(tokens) else None


class _Score:
    """What eager thinks of given tokens: log probabilities of a forced pass over one source."""

    def __init__(self, generator: PaddedGenerator, source: torch.Tensor) -> None:
        self.generator = generator
        self.source = source.unsqueeze(0)
        self.scale = 0.0

    def logits(self, tokens: Sequence[int]) -> torch.Tensor:
        """Return ``[len(tokens), vocabulary]``."""
        ids, model = torch.tensor([list(tokens)]), self.generator.model
        if self.generator.is_encoder_decoder:
            mask = torch.ones_like(self.source)
            output = model(input_ids=self.source, attention_mask=mask, decoder_input_ids=ids, return_dict=True)
        else:
            output = model(input_ids=ids, attention_mask=torch.ones_like(ids), return_dict=True)
        logits: torch.Tensor = output.logits[0]
        finite = logits[torch.isfinite(logits)]
        self.scale = max(self.scale, float(finite.abs().max()) if finite.numel() else 0.0)
        return logits

    def step_gap(self, expected: Sequence[int], actual: Sequence[int], step: int) -> float:
        """Return how far apart two candidates are at the first step that differs; infinite where one side has ended."""
        one, other = _at(expected, step), _at(actual, step)
        last = self.logits(expected[:step])[-1]
        if one is None or other is None:
            return float("inf")
        return abs(float(last[one] - last[other]))

    def of_sequence(self, tokens: Sequence[int], prompt: int) -> float:
        """Return the score a beam search gives a whole sequence."""
        penalty = getattr(self.generator.model.generation_config, "length_penalty", None)
        logs = torch.log_softmax(self.logits(tokens).double(), -1)
        chosen = [float(logs[index - 1, tokens[index]]) for index in range(prompt, len(tokens))]
        length = float(max(len(chosen), 1))
        return sum(chosen) / math.pow(length, 1.0 if penalty is None else float(penalty))


@check("generation", order=160, needs=(READY, WEIGHTS, ANSWERS, STEADY), tasks=("causal-lm", "seq2seq-lm"))
def check_generation(lab: Lab) -> Finding:
    """Greedy and beam tokens equal those of eager's ``generate``, up to ties. Collected for tasks that generate."""
    model = copy_module(lab.subject.loaded.module, share=lab.subject.eager.shares)  # it may change itself when called
    if lab.subject.loaded.blueprint.task not in TASKS or not hasattr(model, "generate"):
        return Finding.skipped("the model does not generate text (task " + lab.subject.loaded.blueprint.task + ")")
    enters = getattr(model, "main_input_name", "input_ids")
    if enters != "input_ids":
        return Finding.skipped(f"generation is compared where a text goes in, and here {enters} does")

    def counted(*_: Any) -> None:
        lab.subject.passes.count += 1

    hook = model.register_forward_pre_hook(counted)  # also called for the artifacts, which stand in for its forward
    try:
        with running({}):
            found = compare_generation(model, lab.backend, seed=lab.settings.seed, tie=lab.bench.judge.policy.row_share)
    except Exception as error:
        evidence = list(error.evidence) if isinstance(error, Error) else []
        hint = error.hint if isinstance(error, Error) else "run test_trace first"
        message = error.message if isinstance(error, Error) else first_line(error)
        return Finding.failed(f"generation: {message}", evidence, hint)
    finally:
        hook.remove()
    if not found.agrees:
        wrong = [str(text) for text in found.texts if text.status == DIFFERENT]
        hint = "compare the logits of one step; a mask that is not heeded shows at short sources first"
        return Finding.failed(
            "generation: tokens differ from eager's generate", wrong[:5], hint, device=found.details or None
        )
    ties = sum(text.status == TIE for text in found.texts)
    said = f"{len(found.texts)} texts, greedy and beams, equal to eager's generate" + (
        f", {ties} by a tie" if ties else ""
    )
    if found.distinct < 3:
        said += f"; eager chose among {found.distinct} tokens only, so this says little"
    note = str(found.details.get("note", ""))
    return Finding.passed("; ".join(filter(None, [said, note])), device=found.details or None)
