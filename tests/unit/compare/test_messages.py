from __future__ import annotations

import torch

from pytest_torchscript.compare.compare import compare_outputs
from pytest_torchscript.compare.messages import describe


def lines(actual: object, expected: object, **options: object) -> list[str]:
    return describe(compare_outputs(actual, expected, **options))


def test_values() -> None:
    expected = torch.zeros(1, 1, 4) + 1
    actual = expected.clone()
    actual[0, 0, 3] = 3.58
    (said,) = lines((actual,), (expected,), precise=lambda: (expected.double(),))
    assert said.startswith("output [0]: max |actual - expected| = 2.58 at (0, 0, 3), allowed 4.8e-07; actual 3.58, ")
    assert said.endswith("expected 1; 1 of 4 differ; atol=2.6e+00 would have passed")


def test_a_bare_tensor_and_a_name() -> None:
    one = torch.tensor(1)
    assert lines(one + 1, one) == ["output: actual 2, expected 1 at (); 1 of 1 differ"]
    assert lines({"a": one + 1}, {"a": one}) == ["output ['a']: actual 2, expected 1 at (); 1 of 1 differ"]


def test_structure_shape_and_dtype() -> None:
    one = torch.ones(2)
    assert lines((one,), (one, one)) == ["output: 1 tensor, eager gives 2 tensors"]
    assert lines((one,), (torch.ones(3),)) == ["output [0]: shape (2,), eager gives (3,)"]
    assert lines((one,), (one.half(),)) == ["output [0]: dtype float32, eager gives float16"]


def test_not_finite() -> None:
    expected = torch.ones(3)
    actual = torch.tensor([1.0, float("nan"), 1.0])
    assert lines((actual,), expected) == [
        "output: actual nan, expected 1 at (1,): values that are not finite must match; 1 of 3 differ"
    ]


def test_undecidable() -> None:
    expected = torch.ones(3)
    said = lines((expected + 0.5,), expected, precise=lambda: expected.double() + 0.7)
    assert said[0].startswith(
        "output: max |actual - expected| = 0.5 at (0,), allowed 2.8e+00; actual 1.5, expected 1: "
    )
    assert said[0].endswith("within eager's own rounding, which is too large to judge by")
    assert said[1].startswith("note: undecidable: output differs by 0.5 on a scale of 1; rounding alone explains 2.8, ")


def test_integers_with_a_given_tolerance() -> None:
    one = torch.tensor([1])
    assert lines((one + 5,), one, rtol=0, atol=2)[0] == "output: actual 6, expected 1 at (0,), allowed 2; 1 of 1 differ"


def test_the_first_five_leaves_and_the_count_of_the_rest() -> None:
    ones = [torch.ones(1, dtype=torch.int64)] * 8
    said = lines([leaf + 1 for leaf in ones], ones)
    assert len(said) == 6
    assert said[-1] == "and 3 more outputs differ"
    assert lines([leaf + 1 for leaf in ones[:6]], ones[:6])[-1] == "and 1 more output differs"


def test_nothing_to_say() -> None:
    assert lines((torch.ones(1),), torch.ones(1)) == []
