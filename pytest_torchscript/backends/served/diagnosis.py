"""What an answer looks like that is wrong at the anchor already: rows in another order, halves, or another model."""

from __future__ import annotations

from collections.abc import Sequence

import torch

#: What two answers of equal weights may differ by, seen from afar: far less than another model, far more than rounding.
_NEAR = 1e-4
_MANY_ROWS = 64


def diagnose(actual: Sequence[torch.Tensor], expected: Sequence[torch.Tensor], where: str) -> str:
    """Return the question to ask where an answer is not eager's; both in eager's order."""
    floats = [
        (one, other)
        for one, other in zip(actual, expected)
        if one.shape == other.shape and one.is_floating_point() and one.numel()
    ]
    unequal = not all(torch.allclose(one, other, rtol=0.0, atol=0.0, equal_nan=True) for one, other in floats)
    order = _order(floats)
    if order:
        return (
            f"{where} answers the rows in another order: its rows are rows {', '.join(map(str, order))} of eager's; look at "
            "what joins requests and takes them apart"
        )
    for dtype, name in (
        (torch.bfloat16, "bfloat16"),
        (torch.float16, "float16"),
    ):  # what the first holds, the second does
        if unequal and all(_rounded(one, other, dtype) for one, other in floats):
            return (
                f"the answer is as near as {name} can be: {where} computes or answers in {name}; if that is meant, allow it by "
                "--torchscript-rtol and --torchscript-atol"
            )
    return (
        f"another model or other weights? Look at what stands behind {where}; if it is this one, at what the server does to "
        "inputs and outputs"
    )


def _order(pairs: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> list[int]:
    """Return which row of eager's each row of an answer is; nothing where they are in order, or are other rows."""
    found: list[int] = []
    for actual, expected in pairs:
        if not actual.dim() or not 1 < len(actual) <= _MANY_ROWS:
            continue
        order = [next((index for index, other in enumerate(expected) if _near(row, other)), -1) for row in actual]
        if -1 in order or order == list(range(len(order))) or (found and order != found):
            return []
        found = order
    return found


def _near(one: torch.Tensor, other: torch.Tensor, tolerance: float = _NEAR) -> bool:
    finite = other[torch.isfinite(other)].abs()
    scale = float(finite.max()) if finite.numel() else 0.0
    return bool(torch.allclose(one.double(), other.double(), rtol=tolerance, atol=tolerance * scale, equal_nan=True))


def _rounded(actual: torch.Tensor, expected: torch.Tensor, dtype: torch.dtype) -> bool:
    """Whether an answer holds numbers of a smaller dtype alone, and is as near as those can be."""
    if expected.dtype in (torch.float16, torch.bfloat16):
        return False
    held = torch.allclose(actual.to(dtype).to(actual.dtype), actual, rtol=0.0, atol=0.0, equal_nan=True)
    return held and _near(actual, expected, 8 * float(torch.finfo(dtype).eps))
