"""A model whose class needs a library that is not installed is one skipped test, which names it."""

from __future__ import annotations

import importlib.util
import json

import pytest

pytestmark = pytest.mark.skipif(importlib.util.find_spec("detectron2") is not None, reason="detectron2 is installed")


def test_a_missing_library_is_one_skipped_test(pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("layout")
    (folder / "config.json").write_text(json.dumps({"model_type": "layoutlmv2"}), encoding="utf-8")
    arguments = ("-rs", "--torchscript-model", "layout", "--torchscript-weights", "tiny")
    result = pytester.runpytest_subprocess(*arguments)
    outcomes = result.parseoutcomes()
    assert outcomes == {"skipped": 1}
    result.stdout.fnmatch_lines(["*LayoutLMv2Model: cannot be built: ImportError: *requires the detectron2 library*"])
    assert result.ret == pytest.ExitCode.OK
