"""Pictures as data and as drawn: what stands in them, told apart without colour, and no text taken for markup."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ElementTree
import zlib

import pytest

from pytest_torchscript.report.picture import MARKS, Picture, pictures, speed_svg, to_png, to_svg
from pytest_torchscript.results import AxisResult, ExportResult, JointResult, ModelResult, RunReport, SpeedAt, Tried

pytest.importorskip("matplotlib", reason="matplotlib draws")


def grid(name: str = "height") -> ExportResult:
    """Return an image model whose height is right alone and wrong at some widths."""
    tried = [Tried({"batch": 2, name: size, "width": 11}, "agrees", 0.0) for size in (11, 7, 64)]
    joint = [
        Tried({"batch": 2, name: 7, "width": 7}, "raises"),
        Tried({"batch": 2, name: 64, "width": 64}, "differs", 0.25),
        Tried({"batch": 2, name: 3, "width": 3}, "refused"),
    ]
    axes = [
        AxisResult(
            "batch", 1, 16, "dynamic", tried_at=[Tried({"batch": n, name: 11, "width": 11}, "agrees") for n in (2, 1)]
        ),
        AxisResult(name, 1, 64, "dynamic", tried_at=tried),
        AxisResult(
            "width", 1, 64, "dynamic", tried_at=[Tried({"batch": 2, name: 11, "width": 5}, "undecidable"), tried[0]]
        ),
    ]
    return ExportResult(
        "torchscript",
        anchors=[{"batch": 2, name: 11, "width": 11}],
        axes=axes,
        joint=JointResult(joint, {"batch": 2, name: 64, "width": 64}),
    )


def test_two_axes_have_a_map_and_each_a_strip() -> None:
    drawn = list(pictures(grid()))
    assert [picture.names for picture in drawn] == [("height", "width"), ("batch",), ("height",), ("width",)]
    assert drawn[0].description == (
        "sizes tried of height and width: 1 differs, 1 raises, 1 undecidable, 4 agrees, 1 refused by eager; "
        "traced at batch=2 height=11 width=11; smallest failure at batch=2 height=64 width=64"
    )
    assert drawn[2].description == "sizes tried of height: 3 agrees; traced at batch=2 height=11 width=11"


def test_axes_that_fail_are_drawn_first() -> None:
    export = grid()
    export.axes[0].verdict, export.axes[0].counterexample = "fixed", {"batch": 1, "height": 11, "width": 11}
    first = next(iter(pictures(export)))
    assert first.names == ("batch", "height")
    assert first.failure == {"batch": 1, "height": 11, "width": 11}


def test_a_record_of_sizes_alone_is_drawn_too() -> None:
    axis = AxisResult("time", 1, 9, "diverges", [1, 2, 9], {"time": 1}, None, 0.5)
    (picture,) = pictures(ExportResult("torchscript", anchors=[{"time": 2}], axes=[axis]))
    assert [(tried.sizes["time"], tried.result) for tried in picture.trials] == [
        (1, "differs"),
        (2, "agrees"),
        (9, "agrees"),
    ]


def test_nothing_tried_is_not_drawn() -> None:
    assert list(pictures(ExportResult("torchscript", axes=[AxisResult("time", 1, 9, "untested")]))) == []


def test_marks_differ_in_shape() -> None:
    assert len({mark.marker for mark in MARKS.values()}) == len(MARKS)
    assert len({mark.colour for mark in MARKS.values()}) == len(MARKS)


@pytest.mark.parametrize("name", ["height", "$\\frac{$", '<b>&"]]>', "\x1b[31m\nnext", "高さ", "x" * 300])
def test_a_name_is_text(name: str) -> None:
    for number, picture in enumerate(pictures(grid(name))):
        root = ElementTree.fromstring(to_svg(picture, number))
        assert root.get("aria-label") == picture.description
        assert "\x1b" not in ElementTree.tostring(root, encoding="unicode")
    assert pixels(to_png(RunReport(models=[ModelResult(name, exports=[grid(name)])])))[0] == 1000


def test_pictures_of_a_page_share_no_ids_and_take_its_colour() -> None:
    one, two = (to_svg(picture, number) for number, picture in enumerate(list(pictures(grid()))[:2]))
    ids = [{node.get("id") for node in ElementTree.fromstring(text).iter()} - {None} for text in (one, two)]
    assert ids[0]
    assert ids[1]
    assert not ids[0] & ids[1]
    assert "currentColor" in one
    assert "<text" in one  # letters, not outlines of them


def test_speed_is_drawn_where_it_was_timed() -> None:
    export = grid()
    assert speed_svg(export, 0) == ""
    export.speed = [SpeedAt({"height": 64}, 0.25, 0.5), SpeedAt({"height": 7}, 0.1, 0.05)]
    text = "".join(ElementTree.fromstring(speed_svg(export, 0)).itertext())
    for word in ("eager", "export", "ms a call", "height=7", "height=64"):
        assert word in text


def pixels(png: bytes) -> tuple[int, int, bytes]:
    """Return width, height and all bytes of the lines of a picture."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    place, data, size = 8, b"", (0, 0)
    while place < len(png):
        length, kind = struct.unpack(">I4s", png[place : place + 8])
        body = png[place + 8 : place + 8 + length]
        if kind == b"IHDR":
            size = struct.unpack(">II", body[:8])
        data += body if kind == b"IDAT" else b""
        place += 12 + length
    return (*size, zlib.decompress(data))


def test_png_grows_with_what_it_shows(report: RunReport) -> None:
    width, height, _ = pixels(to_png(report))
    assert width == 1000
    report.models.pop()
    less = pixels(to_png(report))
    assert less[0] == 1000
    assert less[1] < height
    report.complete = False
    assert to_png(report) != less


def test_png_of_nothing() -> None:
    assert pixels(to_png(RunReport()))[0] == 1000


def test_a_run_of_very_many_models_still_fits_a_picture() -> None:
    report = RunReport(models=[ModelResult(f"m{number}", exports=[grid()]) for number in range(3)])
    tall = pixels(to_png(report, limit=2000))
    assert tall[1] <= 2000


def test_a_picture_without_its_anchor() -> None:
    axis = AxisResult("time", 1, 9, "dynamic", tried_at=[Tried({"time": 3}, "agrees")])
    assert "<svg" in to_svg(Picture((axis,), tuple(axis.tried_at)), 0)
