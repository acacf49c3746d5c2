"""Inputs that nobody described: found by asking the model's layers, then eager."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from pytest_torchscript.errors import InputError
from pytest_torchscript.inputs.discover import CALLS, DEAR, Asked, Guess, described, guess_of, of_rank, others, search
from pytest_torchscript.lab.plan import make_plan
from pytest_torchscript.models.placing import outline_of
from pytest_torchscript.settings import Settings
from pytest_torchscript.spec import Axis, InputSpec, TensorSpec, dim_name


def found(module: nn.Module) -> InputSpec:
    return make_plan(module, Settings()).spec


def dims(spec: InputSpec) -> dict[str, list[str | int]]:
    return {name: [dim_name(dim) for dim in tensor.dims] for name, tensor in spec.items()}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.Linear(16, 4), {"input": ["batch", 16]}),
        (nn.Bilinear(4, 6, 8), {"input1": ["batch", 4], "input2": ["batch", 6]}),
        (nn.LSTM(16, 32), {"input": ["time", "batch", 16]}),
        (nn.GRU(16, 32, batch_first=True), {"input": ["batch", "time", 16]}),
        (nn.GRUCell(8, 16), {"input": ["batch", 8]}),
        (nn.Conv1d(4, 8, 3), {"input": ["batch", 4, "time"]}),
        (nn.Conv2d(3, 8, 3), {"input": ["batch", 3, "height", "width"]}),
        (nn.ConvTranspose3d(2, 4, 3), {"input": ["batch", 2, "frames", "height", "width"]}),
        (nn.BatchNorm1d(6), {"input": ["batch", 6, "time"]}),
        (nn.InstanceNorm1d(4), {"input": ["batch", 4, "time"]}),
        (nn.GroupNorm(2, 6), {"input": ["batch", 6, "height", "width"]}),
        (nn.LayerNorm(16), {"input": ["batch", 16]}),
        (nn.PReLU(4), {"input": ["batch", 4, "height", "width"]}),
        (nn.MaxPool2d(2), {"input": ["batch", "channels", "height", "width"]}),
        (nn.PixelShuffle(2), {"input": ["batch", "channels", "height", "width"]}),
        (nn.Embedding(10, 4), {"input": ["batch", "sequence"]}),
        (nn.EmbeddingBag(10, 4), {"input": ["batch", "sequence"]}),
        (nn.NLLLoss(), {"input": ["batch", "classes"], "target": ["batch"]}),
        (nn.CrossEntropyLoss(), {"input": ["batch", "classes"], "target": ["batch"]}),
        (nn.TransformerEncoderLayer(16, 2, 32), {"src": ["time", "batch", 16]}),
        (nn.TransformerDecoderLayer(16, 2, 32), {"tgt": ["time", "batch", 16], "memory": ["memory_time", "batch", 16]}),
        (
            nn.MultiheadAttention(16, 2),
            {
                "query": ["time", "batch", 16],
                "key": ["key_time", "batch", 16],
                "value": ["key_time", "batch", 16],
            },
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_layers_of_torch(module: nn.Module, expected: dict[str, list[Any]]) -> None:
    spec = found(module)
    assert dims(spec) == expected
    assert "TensorSpec(" in spec.found
    assert spec.notes[0].startswith("the inputs were found by asking eager")
    assert not any("reaches no layer" in note for note in spec.notes)


class Mixed(nn.Module):
    """Ids and a picture; the first is embedded, the second flattened and padded first."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 8)
        self.look = nn.Conv2d(4, 8, 3)
        self.out = nn.Linear(8, 2)

    def forward(self, tokens: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        seen = self.look(x * 2).mean((2, 3))
        return self.out(self.words(tokens).mean(1) + seen)


class Turned(nn.Module):
    """The layer sees the dims in another order."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(6, 8, 3)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        _, _, _ = signal.shape  # tells how many dims there must be
        return self.conv(signal.transpose(1, 2))


class Stateful(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 6)

    def forward(self, x: torch.Tensor, state: Any) -> Any:
        return self.lstm(x, state)


class Square(nn.Module):
    """Takes pictures of one size alone, as many do that flatten them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.out = nn.Linear(2 * 26 * 26, 3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.out(self.conv(image).flatten(1))


def test_several_inputs_of_several_kinds() -> None:
    spec = found(Mixed())
    assert dims(spec) == {"tokens": ["batch", "sequence"], "x": ["batch", 4, "height", "width"]}
    assert (spec["tokens"].dtype, spec["tokens"].low, spec["tokens"].high) == (torch.int64, 0, 50)


def test_a_layer_behind_a_transposition() -> None:
    assert dims(found(Turned())) == {"signal": ["batch", "time", 6]}


def test_a_pair_of_states() -> None:
    spec = found(Stateful())
    assert dims(spec) == {"x": ["time", "batch", 4], "state.0": [1, "batch", 6], "state.1": [1, "batch", 6]}
    assert spec.form.nested == ("state.0", "state.1")


def test_a_picture_of_one_size() -> None:
    assert dims(found(Square())) == {"image": ["batch", 1, 28, 28]}


class Patches(nn.Module):
    """Cuts a picture into patches of 8, of which it has places for 28 × 28: up to seven pixels more are cut off."""

    def __init__(self) -> None:
        super().__init__()
        self.cut = nn.Conv2d(3, 2, 8, 8)
        self.places = nn.Parameter(torch.zeros(2, 28, 28))

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        seen = self.cut(picture)
        if seen.shape[1:] != self.places.shape:
            raise ValueError("another size")
        return seen + self.places


class Lengths(nn.Module):
    """Packs a text, of which every row has a length."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 4)
        self.read = nn.GRU(4, 6, batch_first=True)

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = pack_padded_sequence(self.words(tokens), lengths, batch_first=True, enforce_sorted=False)
        return self.read(packed)[1]


def test_lengths_are_of_what_they_stand_beside() -> None:
    spec = found(Lengths())
    assert dims(spec) == {"tokens": ["batch", "sequence"], "lengths": ["batch"]}
    assert (spec["lengths"].dtype, spec["lengths"].low, spec["lengths"].high) == (torch.int64, 1, "sequence + 1")
    assert spec["tokens"].high == 50


class Wave(nn.Module):
    """Adds the one channel of a sound itself."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 2, 5)

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        return self.conv(wave.unsqueeze(1))


def test_a_channel_that_the_model_adds_is_none_of_the_inputs() -> None:
    assert dims(found(Wave())) == {"wave": ["batch", "time"]}


class Flow(nn.Module):
    """Two pictures, numbered, of which neither may be less than 128 pixels high."""

    def forward(self, image1: torch.Tensor, image2: torch.Tensor) -> torch.Tensor:
        if image1.shape != image2.shape or min(image1.shape[-2:]) < 128:
            raise ValueError("two pictures of one size, and not too small")
        return image1 - image2


def test_pictures_that_are_numbered() -> None:
    spec = found(Flow())
    assert dims(spec) == {name: ["batch", "channels", "height", "width"] for name in ("image1", "image2")}


def test_a_few_pixels_more_that_are_cut_off_make_no_axis() -> None:
    assert dims(found(Patches())) == {"picture": ["batch", 3, 224, 224]}


def test_what_takes_anything_is_told_apart() -> None:
    spec = found(nn.ReLU())
    assert any("input reaches no layer that says what it takes" in note for note in spec.notes)


def test_a_number_of_dims_that_nothing_tells_is_said() -> None:
    assert any(
        "input reaches a Linear, which takes any number of dims" in note for note in found(nn.Linear(4, 2)).notes
    )
    assert not any("any number of dims" in note for note in found(nn.Conv1d(4, 8, 3)).notes)


class Offers(nn.Module):
    example_input_array = torch.zeros(2, 5)

    def forward(self, anything: torch.Tensor) -> torch.Tensor:
        assert anything.shape[1] == 5
        return anything * 2


def test_what_a_module_offers_is_taken() -> None:
    spec = found(Offers())
    assert dims(spec) == {"anything": ["batch", 5]}
    assert spec.examples["anything"].shape == (2, 5)


class Detector(nn.Module):
    def forward(self, images: Any) -> Any:
        if not isinstance(images, list):
            raise TypeError("images must be a list of tensors")
        return images[0]


class Nothing(nn.Module):
    def forward(self) -> torch.Tensor:
        return torch.zeros(1)


def test_what_cannot_be_found_is_told_once_with_eagers_words() -> None:
    with pytest.raises(InputError) as caught:
        found(Detector())
    assert "the inputs of Detector are not known, and could not be found: forward(images: Any)" in caught.value.message
    assert any("images must be a list of tensors" in line for line in caught.value.evidence)
    assert any("in " in line and "calls" in line for line in caught.value.evidence)
    assert "TensorSpec('batch', 'time', 16)" in caught.value.hint


def test_a_model_without_inputs() -> None:
    with pytest.raises(InputError, match=r"its forward\(\) names no input"):
        found(Nothing())


class Counting(nn.Module):
    calls = 0

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        Counting.calls += 1
        raise ValueError("never")


def test_what_is_known_of_an_input_is_tried_first() -> None:
    """Layers tell the width of one input; that both have three dims is known from elsewhere."""

    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.narrow = nn.Linear(12, 6)

        def forward(self, states: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
            if states.dim() != 3 or states.shape[-1] != 6:
                raise RuntimeError("another shape")
            return torch.cat([states, self.narrow(context)], 1)

    module = Joined()
    asked = Asked(module, lambda given: module(**given))
    names = ["states", "context"]
    known = {name: TensorSpec("batch", Axis("sequence", max=64), 6) for name in names}
    guesses, state = search(asked, names, known=known)
    assert guesses is not None
    assert {name: guess.sizes for name, guess in guesses.items()} == {"states": (2, 7, 6), "context": (2, 7, 12)}
    assert state.calls == 2
    assert search(asked, names)[0] is None


def test_a_spec_as_a_guess_keeps_what_is_fixed() -> None:
    guess = guess_of(TensorSpec("batch", Axis("frames", typical=100), 8, dtype=torch.int64, low=0, high=5))
    assert (guess.sizes, guess.names, guess.settled, guess.below) == ((2, 100, 8), ("batch", "frames", ""), {2}, 5)


def test_asking_is_bounded() -> None:
    with pytest.raises(InputError):
        found(Counting())
    assert (
        0 < Counting.calls <= 2 * CALLS
    )  # each guess is asked, and may be followed by one call that watches the layers


def test_the_model_itself_is_left_alone() -> None:
    model = nn.Sequential(nn.Linear(4, 2), nn.Dropout())
    found(model)
    assert model.training
    assert not model[0]._forward_pre_hooks


class Picture(nn.Module):
    """Keeps the shapes that it was called with."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.calls: list[tuple[int, ...]] = []

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        self.calls.append(tuple(picture.shape))
        return self.conv(picture)


class EvenAlone(Picture):
    """Takes two pictures or four; its shapes would go together with any number."""

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        if not picture.is_meta and picture.shape[0] not in (2, 4):
            raise ValueError("two or four")
        return super().forward(picture)


class Reads(Picture):
    """Reads a number: a copy without numbers cannot answer."""

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return super().forward(picture * 2 if float(picture.sum()) > 0 else picture)


class Picky(Picture):
    """Refuses where it holds no numbers, in words that do not tell why."""

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        if picture.is_meta:
            raise ValueError("no")
        return super().forward(picture)


def found_where_calls_are_dear(module: nn.Module) -> InputSpec:
    outline = outline_of(module)
    assert outline is not None
    asked, on_meta = (Asked(each, lambda given, each=each: each(**given)) for each in (module, outline))
    guesses, state = search(asked, ["picture"], outline=lambda: on_meta, dear=0)
    assert guesses is not None
    return described(guesses, state)


def test_shapes_are_asked_of_a_copy_that_holds_no_numbers() -> None:
    """Of eager a picture is asked once, and once more with all of its axes moved."""
    model = Picture()
    spec = found_where_calls_are_dear(model)
    assert dims(spec) == {"picture": ["batch", 3, "height", "width"]}
    assert model.calls == [(2, 3, 64, 96), (3, 3, 65, 97)]
    assert spec.notes == ("the inputs were found by asking eager, in 2 calls",)


def test_eager_has_the_last_word_of_an_axis() -> None:
    """What a copy without numbers takes and eager does not is asked of eager alone."""
    spec = found_where_calls_are_dear(EvenAlone())
    assert list(spec.axes) == ["batch", "height", "width"]
    assert spec.axes["batch"].multiple_of == 2


@pytest.mark.parametrize("model", [Reads, Picky])
def test_a_model_that_cannot_be_asked_for_shapes_alone(model: type[nn.Module]) -> None:
    spec = found_where_calls_are_dear(model())
    assert dims(spec) == {"picture": ["batch", 3, "height", "width"]}
    assert not any("ended" in note for note in spec.notes)


def test_what_refuses_shapes_alone_is_asked_again_with_numbers() -> None:
    """A copy that is made because refusals are dear, and that refuses all in words that do not tell why."""

    class Slow(Picky):
        def forward(self, picture: torch.Tensor) -> torch.Tensor:
            if not picture.is_meta and picture.shape[-1] == 96:
                until = time.thread_time() + DEAR * (not self.calls)
                self.calls.append(tuple(picture.shape))
                while time.thread_time() < until:
                    pass
                raise ValueError("another width")
            return super().forward(picture)

    assert dims(found(Slow())) == {"picture": ["batch", 3, "height", "width"]}


class Writes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer = self.out(x)
        self.out.weight.mul_(2)
        return answer


def test_weights_that_a_call_writes_to_are_put_back() -> None:
    model = Writes()
    before = model.out.weight.clone()
    found(model)
    assert torch.equal(model.out.weight, before)


def test_a_text_is_not_tried_as_long_as_a_sound() -> None:
    text = Guess((2, 7), ("batch", "sequence"), below=40)
    series = of_rank(3, ("batch", "time", ""))
    for guess, longest in ((text, 400), (series, 16000)):
        assert max(size for tried in others({"x": guess}) for size in tried["x"].sizes) == longest
