"""Runs of the product over one factory of this folder, as a user would start them.

The engine is imported here once: pytester drops modules that an inner run imports, and would import it again each time. That
of transformers registers operators with torch, which it may do once a process.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import outside
import pytest
import transformers.modeling_utils  # noqa: F401
from field_run import Told

import pytest_torchscript.checks

pytest_torchscript.checks.registered()
HERE = Path(__file__).parent


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Told]:
    """Check one factory, with further arguments of pytest, and return what was answered."""
    pytester.syspathinsert(HERE)
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("PYTEST_ADDOPTS", "CI", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def ask(reference: str, *selected: str) -> Told:
        quiet = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly", *outside.plugin_arguments())
        chosen = ("--torchscript-model", reference, "--torchscript-report", "record.json", *selected)
        result = pytester.runpytest_inprocess(*quiet, *chosen)
        text = result.stdout.str() + result.stderr.str()
        assert (pytester.path / "record.json").is_file(), text
        record = json.loads((pytester.path / "record.json").read_text(encoding="utf-8"))
        (model,) = record["models"]
        return Told(model, text, HERE / f"{reference.partition(':')[0]}.py")

    return ask
