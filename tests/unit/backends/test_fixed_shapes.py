from __future__ import annotations

import pytest
import torch

from pytest_torchscript.backends.fixed_shapes import ArtifactShapes, choose_bucket
from pytest_torchscript.errors import InputError

SHAPES = ArtifactShapes(
    ("input_ids", "scores"),
    ((2, 16), (2, 16, 4)),
    (torch.int64, torch.float32),
    {"input_ids": ("batch", "sequence"), "scores": ("batch", "sequence", 4)},
)


def ids(*shape):
    return torch.ones(shape, dtype=torch.int64)


def test_what_it_was_compiled_at_passes():
    SHAPES.check((ids(2, 16), torch.ones(2, 16, 4)))


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ((ids(2, 16),), "1 inputs given, the artifact takes 2: input_ids, scores"),
        ((ids(2, 17), torch.ones(2, 16, 4)), "axis 'sequence' is 17, larger than the 16"),
        ((ids(2, 9), torch.ones(2, 16, 4)), "axis 'sequence' is 9, smaller than the 16"),
        ((ids(3, 16), torch.ones(2, 16, 4)), "axis 'batch' is 3"),
        ((ids(2, 16), torch.ones(2, 16, 5)), "axis 'dim 2' is 5"),
        ((ids(2, 16), torch.ones(2, 16)), r"shape \(2, 16\), the artifact was compiled at \(2, 16, 4\)"),
        ((ids(2, 16).int(), torch.ones(2, 16, 4)), "dtype torch.int32"),
        ((ids(2, 16) * 2**31, torch.ones(2, 16, 4)), "value=2147483648 does not fit in int32"),
        ((-ids(2, 16) * (2**31 + 1), torch.ones(2, 16, 4)), "value=-2147483649 does not fit"),
    ],
)
def test_anything_else_is_refused_by_name(tensors, said):
    with pytest.raises(InputError, match=said) as caught:
        SHAPES.check(tensors)
    assert "hint:" in str(caught.value)


def test_int32_bounds_are_inclusive():
    SHAPES.check((ids(2, 16) * (2**31 - 1), torch.ones(2, 16, 4)))
    SHAPES.check((ids(2, 16) * -(2**31), torch.ones(2, 16, 4)))


def test_dynamic_batch_frees_dimension_0_of_all_inputs_alike():
    shapes = ArtifactShapes(SHAPES.names, SHAPES.shapes, SHAPES.dtypes, SHAPES.dims, dynamic_batch=True)
    shapes.check((ids(5, 16), torch.ones(5, 16, 4)))
    with pytest.raises(InputError, match="dimension 0 differs between inputs: input_ids=5, scores=2"):
        shapes.check((ids(5, 16), torch.ones(2, 16, 4)))


def test_smallest_bucket_that_holds():
    assert [choose_bucket("sequence", size, (32, 64, 128)) for size in (1, 32, 33, 128)] == [32, 32, 64, 128]
    with pytest.raises(InputError, match="axis 'sequence' is 129, larger than the largest bucket 128") as caught:
        choose_bucket("sequence", 129, (128, 32))
    assert "--torchscript-axis sequence=32,128,129" in str(caught.value)
