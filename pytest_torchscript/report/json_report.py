"""The report as JSON: the record itself, in UTF-8. Its fields are described in docs/report.md."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_torchscript.results import RunReport


def to_json(report: RunReport) -> bytes:
    """Return the record; NaN and infinity are the strings "nan" and "inf"."""
    text = json.dumps(report.to_dict(), indent=1, ensure_ascii=False, allow_nan=False, default=str)
    return (text + "\n").encode()
