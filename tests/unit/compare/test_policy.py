from __future__ import annotations

import pytest
import torch

from pytest_torchscript.backends import base
from pytest_torchscript.compare import policy
from pytest_torchscript.compare.compare import compare_outputs
from pytest_torchscript.compare.policy import Policy


def test_every_arithmetic_of_a_backend_has_a_policy():
    assert (policy.SAME, policy.REORDERED, policy.BF16) == base.ARITHMETICS


@pytest.mark.parametrize(
    ("arithmetic", "asked", "chosen"),
    [
        ("same", "traced", "traced"),
        ("same", "optimised", "optimised"),
        ("reordered", "traced", "optimised"),
        ("reordered", "optimised", "optimised"),
    ],
)
def test_other_kernels_are_allowed_what_optimising_is(arithmetic, asked, chosen):
    assert Policy(arithmetic).closeness(asked) == chosen


def test_last_bits_pass_where_work_is_reordered_alone():
    expected = torch.linspace(1.0, 2.0, 50)
    actual = expected + 6e-7 * expected.max()  # more than 4 eps of float32, less than its usual tolerance
    for arithmetic, agrees in (("same", False), ("reordered", True)):
        closeness = Policy(arithmetic).closeness("traced")
        assert (
            compare_outputs(actual, expected, closeness=closeness, precise=lambda: expected.double()).agrees is agrees
        )


@pytest.mark.parametrize(
    ("chosen", "three_way"),
    [(Policy("bf16"), True), (Policy("bf16", 0.0, 0.1), False), (Policy("same"), False), (Policy("reordered"), False)],
)
def test_bf16_is_measured_three_ways_unless_the_user_says_what_is_allowed(chosen, three_way):
    assert chosen.three_way is three_way
