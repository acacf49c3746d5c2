"""How far an answer may be from eager's: calibrated on eager's own noise, leaf by leaf.

    allowed = max(k x noise, r x scale)    noise = max|eager - the same model in float64|, scale = max|eager|

A bare tolerance is a guess: LED traced at batch 1 is wrong by 9.7e-5 at batch 2 and passes 1e-4, while its own noise is
4e-7. ``r`` are the relative tolerances of `torch.testing.assert_close` where work was reordered, and four units in the
last place where it was not.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pytest_torchscript.errors import OptionError, did_you_mean

#: The relative tolerances of torch.testing.assert_close.
_RTOL = {torch.float64: 1e-7, torch.float32: 1.3e-6, torch.float16: 1e-3, torch.bfloat16: 1.6e-2}
#: Above this part of the scale a difference that eager's noise would excuse proves nothing either way.
_DECIDABLE = {torch.float64: 1e-3, torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.1}
_REAL = {torch.complex32: torch.float16, torch.complex64: torch.float32, torch.complex128: torch.float64}

#: An element this many times the median magnitude of its leaf is a fill value (finfo.min), or the peak of a softmax.
LARGE = 1e4


@dataclass(frozen=True)
class Closeness:
    """How close two answers have to be: ``noise_factor`` is k; ``exact`` sets r to 4 eps; ``wide`` multiplies rtol."""

    name: str
    noise_factor: float
    exact: bool
    wide: float

    def relative(self, dtype: torch.dtype, *, wide: bool = False) -> float:
        """Return r for a leaf of this dtype; ``wide`` is the one for models that cannot run in float64."""
        dtype = real_dtype(dtype)
        epsilon = torch.finfo(dtype).eps
        rtol = rtol_of(dtype)
        if wide:
            return self.wide * rtol
        return 4 * epsilon if self.exact else rtol


_CLOSENESS = {
    "traced": Closeness("traced", noise_factor=4, exact=True, wide=4),
    "optimised": Closeness("optimised", noise_factor=8, exact=False, wide=32),
}


def closeness_named(name: str) -> Closeness:
    """Return a closeness by name, or raise an OptionError."""
    if name in _CLOSENESS:
        return _CLOSENESS[name]
    raise OptionError(
        f"closeness={name!r} is unknown",
        hint=f"{did_you_mean(name, _CLOSENESS)}choose from: {', '.join(_CLOSENESS)}",
    )


def rtol_of(dtype: torch.dtype) -> float:
    """Return the relative tolerance of torch.testing.assert_close for a dtype."""
    return _RTOL.get(dtype, 2 * torch.finfo(dtype).eps)


def decidable(dtype: torch.dtype) -> float:
    """Return the part of the scale above which a difference within the noise is undecidable."""
    return _DECIDABLE.get(real_dtype(dtype), 0.1)


def real_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype of the parts of a complex dtype, else the dtype itself."""
    return _REAL.get(dtype, dtype)


@dataclass(frozen=True)
class GivenTolerance:
    """What the user allows instead: ``|actual - expected| <= atol + rtol x |expected|``, as torch.isclose has it."""

    rtol: float
    atol: float

    @classmethod
    def from_options(cls, rtol: float | None, atol: float | None) -> GivenTolerance | None:
        """Return the given tolerance, None where neither is given, or raise an OptionError."""
        if rtol is None and atol is None:
            return None
        if rtol is None or atol is None:
            given, missing = ("rtol", "atol") if atol is None else ("atol", "rtol")
            raise OptionError(f"{given} is given without {missing}", hint=f"give both, for example {missing}=0")
        if not (rtol >= 0 and atol >= 0):
            raise OptionError(f"rtol={rtol} atol={atol}: a tolerance is not negative", hint="give 0 or more")
        return cls(rtol, atol)
