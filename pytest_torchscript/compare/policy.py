"""Which tolerance an answer is judged by: the user's own, else the one that the arithmetic of the backend explains.

    given        rtol and atol of the user replace everything else
    same         bit-equal is expected: k = 4, r = 4 eps
    reordered    other kernels, or the export was frozen, optimised or padded: k = 8, r of torch.testing.assert_close
    three-way    arithmetic in bf16, measured by bf16 on the CPU (three_way.py)
    rows         one answer against another of the same artifact, or two tokens that tie: a share of the largest magnitude

The numbers themselves stand in tolerances.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pytest_torchscript.compare.tolerances import rtol_of

SAME, REORDERED, BF16 = "same", "reordered", "bf16"
#: What one pass may differ from another of the same weights at other shapes, in units of the usual relative tolerance.
_WIDE = 32


@dataclass(frozen=True)
class Policy:
    """The tolerance of one backend in one run. ``arithmetic`` is its trait; ``rtol`` and ``atol``, both or neither, the
    user's; ``dtype`` is what eager computes in."""

    arithmetic: str = SAME
    rtol: float | None = None
    atol: float | None = None
    dtype: torch.dtype = torch.float32

    @property
    def given(self) -> bool:
        """Whether the user said what is allowed."""
        return self.rtol is not None

    @property
    def three_way(self) -> bool:
        """Whether bf16 on the CPU is the measure."""
        return self.arithmetic == BF16 and not self.given

    @property
    def reordered(self) -> bool:
        """Whether other kernels than eager's sum in another order."""
        return self.arithmetic == REORDERED and not self.given

    def closeness(self, asked: str) -> str:
        """Return the closeness of an answer that a check calls `traced` or `optimised`: only equal kernels are bit-equal."""
        return asked if self.arithmetic == SAME else "optimised"

    @property
    def row_share(self) -> float:
        """The share of the largest magnitude by which rows, or two tokens that tie, may differ."""
        if self.arithmetic == BF16 or self.dtype in (torch.bfloat16, torch.float16):
            return rtol_of(torch.bfloat16)
        return _WIDE * rtol_of(torch.float32)
