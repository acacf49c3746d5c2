"""Which sizes are exported at: awkward ones, unless eager takes none of them."""

from __future__ import annotations

import pytest

from pytest_torchscript.errors import InputError
from pytest_torchscript.lab.anchors import anchor_candidates, choose_anchor, is_prime
from pytest_torchscript.spec import Axis, InputSpec, TensorSpec


def test_anchor_sizes_are_different_primes_that_no_hyper_parameter_has() -> None:
    spec = InputSpec({"x": TensorSpec("batch", "height", "width")})
    sizes = choose_anchor(spec, lambda _: "", avoid={2, 11, 13})
    assert sizes == {"batch": 3, "height": 17, "width": 19}


def test_an_anchor_obeys_multiples_and_requests() -> None:
    spec = InputSpec({"x": TensorSpec("batch", Axis("time", multiple_of=8))})
    sizes = choose_anchor(spec, lambda _: "", requested={"batch": 1})
    assert sizes["batch"] == 1
    assert sizes["time"] % 8 == 0
    assert is_prime(sizes["time"] // 8)


def test_an_anchor_falls_back_to_the_typical_size() -> None:
    spec = InputSpec({"x": TensorSpec("batch", Axis("height", 16, 64, typical=32), Axis("width", 16, 64, typical=32))})
    sizes = choose_anchor(spec, lambda sizes: "" if sizes["height"] == sizes["width"] == 32 else "image size")
    assert sizes == {"batch": 2, "height": 32, "width": 32}


def test_an_anchor_that_eager_never_takes_is_an_error_in_its_own_words() -> None:
    spec = InputSpec({"x": TensorSpec("batch", "time")})
    with pytest.raises(
        InputError, match="eager refuses all that was drawn for it: batch=2 time=11 and 10 more"
    ) as caught:
        choose_anchor(spec, lambda _: "ValueError: never")
    assert "ValueError: never" in str(caught.value)
    assert "hint:" in str(caught.value)


def test_an_anchor_of_a_narrow_axis_lies_inside_it() -> None:
    assert next(anchor_candidates(Axis("time", min=4, max=4), ())) == 4
    assert next(anchor_candidates(Axis("time", min=1, max=5), ())) == 5


def test_a_dear_example_has_the_smallest_batch() -> None:
    def batch(width: int, **requested: int) -> int:
        spec = InputSpec({"pixels": TensorSpec("batch", 3, 224, width)})
        return choose_anchor(spec, lambda _: "", avoid={2, 3}, requested=requested)["batch"]

    assert batch(112) == 5
    assert batch(224) == 2
    assert batch(224, batch=7) == 7


def test_sides_that_differ_are_tried_last_where_they_are_dear() -> None:
    sides = [
        Axis(name, min=side, max=2 * side, multiple_of=side, typical=side)
        for name, side in (("height", 224), ("width", 224))
    ]
    dear = InputSpec({"pixels": TensorSpec(Axis("batch", typical=2), 3, *sides)})
    assert choose_anchor(dear, lambda _: "") == {"batch": 2, "height": 224, "width": 224}
    assert choose_anchor(dear, lambda sizes: "" if sizes["height"] > 300 else "short")["height"] == 448
    small = [Axis(name, min=32, max=64, multiple_of=32, typical=32) for name in ("height", "width")]
    sizes = choose_anchor(InputSpec({"pixels": TensorSpec("batch", 3, *small)}), lambda _: "")
    assert sizes["height"] != sizes["width"]
