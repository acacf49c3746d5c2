"""A small canvas: what is drawn is there, and what lies outside of it is not."""

from __future__ import annotations

import struct
import zlib

import pytest

from pytest_torchscript.report.raster import Canvas, text_width

RED, WHITE = (255, 0, 0), (255, 255, 255)


def rows(canvas: Canvas) -> list[list[tuple[int, ...]]]:
    png = canvas.to_png()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    start = png.index(b"IDAT")
    (length,) = struct.unpack(">I", png[start - 4 : start])
    data = zlib.decompress(png[start + 4 : start + 4 + length])
    wide = 1 + 3 * canvas.width
    lines = [data[at + 1 : at + wide] for at in range(0, len(data), wide)]
    return [[tuple(line[at : at + 3]) for at in range(0, len(line), 3)] for line in lines]


def drawn(canvas: Canvas) -> set[tuple[int, int]]:
    return {(x, y) for y, line in enumerate(rows(canvas)) for x, colour in enumerate(line) if colour != WHITE}


def test_a_box_fills_what_lies_inside_the_picture() -> None:
    canvas = Canvas(4, 3)
    canvas.box(2, 1, 9, 1, RED)
    canvas.point(-1, 0, RED)
    assert drawn(canvas) == {(2, 1), (3, 1)}
    assert rows(canvas)[1][2] == RED


def test_a_ring_has_a_hole_and_a_disc_has_none() -> None:
    ring, disc = Canvas(9, 9), Canvas(9, 9)
    ring.ring(4, 4, 3, RED, inner=1)
    disc.ring(4, 4, 3, RED)
    assert (4, 4) not in drawn(ring)
    assert (4, 4) in drawn(disc)
    assert drawn(ring) < drawn(disc)


def test_letters_differ_and_a_sign_without_one_is_a_box() -> None:
    pictures = []
    for text in ("I", "i", "L", "é"):
        canvas = Canvas(text_width(text), 14)
        canvas.text(0, 0, text, RED)
        pictures.append(drawn(canvas))
    capital, small, other, unknown = pictures
    assert capital == small != other
    assert {(0, 0), (9, 13)} <= unknown


@pytest.mark.parametrize(("text", "scale", "width"), [("", 2, 0), ("abc", 1, 18), ("abc", 2, 36)])
def test_the_width_of_a_text(text: str, scale: int, width: int) -> None:
    assert text_width(text, scale) == width
