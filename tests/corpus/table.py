"""All specimens, in one constant table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import copies, faint, forms, held, history, image, signal, sizes, sound, text, values

if TYPE_CHECKING:
    from .base import Specimen

SPECIMENS: tuple[Specimen, ...] = (
    *signal.SPECIMENS,
    *sizes.SPECIMENS,
    *sound.SPECIMENS,
    *text.SPECIMENS,
    *image.SPECIMENS,
    *values.SPECIMENS,
    *held.SPECIMENS,
    *faint.SPECIMENS,
    *history.SPECIMENS,
    *copies.SPECIMENS,
    *forms.SPECIMENS,
)
