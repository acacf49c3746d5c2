"""The report as JSON: the record itself, in UTF-8. Its fields are described in docs/report.md."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_torchscript.results import to_plain

if TYPE_CHECKING:
    from pytest_torchscript.results import ModelResult, RunReport

#: Stands in a record where its models come.
_MODELS = '"models": []'


def to_json(report: RunReport) -> bytes:
    """Return the record; NaN and infinity are the strings "nan" and "inf"."""
    return (_text(report.to_dict()) + "\n").encode()


def to_journal(report: RunReport, models: Iterable[str]) -> bytes:
    """Return the record of a run whose models are text already, each by `model_text`: of many models one has changed."""
    bare = {**replace(report, models=[]).to_dict(), "totals": report.totals}
    head, _, tail = _text(bare).partition(_MODELS)
    return f'{head}"models": [{", ".join(models)}]{tail}\n'.encode()


def model_text(model: ModelResult) -> str:
    """Return what a record holds of one model."""
    return _text(to_plain(model))


def _text(plain: Any) -> str:
    return json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False, default=str)
