from __future__ import annotations

import struct
import zlib

from pytest_torchscript.report.shape_map import to_png
from pytest_torchscript.results import AxisResult, ExportResult, ModelResult, RunReport


def pixels(png: bytes) -> tuple[int, int, bytes]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    place, data, size = 8, b"", (0, 0)
    while place < len(png):
        length, kind = struct.unpack(">I4s", png[place : place + 8])
        body = png[place + 8 : place + 8 + length]
        (check,) = struct.unpack(">I", png[place + 8 + length : place + 12 + length])
        assert check == zlib.crc32(kind + body)
        if kind == b"IHDR":
            size = struct.unpack(">II", body[:8])
        data += body if kind == b"IDAT" else b""
        place += 12 + length
    return (*size, zlib.decompress(data))


def test_png_is_a_map_with_a_red_disc_for_the_failure(report: RunReport) -> None:
    width, height, data = pixels(to_png(report))
    assert len(data) == height * (1 + 3 * width)
    red, green = bytes((207, 34, 46)), bytes((26, 127, 55))
    assert data.count(red) > 50
    assert data.count(green) > 50
    report.models.pop()
    assert red not in pixels(to_png(report))[2]


def test_png_of_nothing() -> None:
    assert pixels(to_png(RunReport()))[0] == 1000


def test_a_long_title_is_cut_from_its_beginning() -> None:
    export = ExportResult("torchscript", axes=[AxisResult("time", 1, 9, "dynamic", [1, 9])])
    wide = [to_png(RunReport({}, [ModelResult(name * 40, exports=[export])])) for name in ("left", "path/")]
    assert pixels(wide[0])[:2] == pixels(wide[1])[:2]


def test_a_size_beyond_the_range_stays_inside_the_picture() -> None:
    export = ExportResult("torchscript", axes=[AxisResult("time", 1, 9, "diverges", [1, 99], {"time": 99})])
    width, _, _ = pixels(to_png(RunReport({}, [ModelResult("m", exports=[export])])))
    assert width == 1000
