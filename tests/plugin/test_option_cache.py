"""--torchscript-cache."""

from __future__ import annotations

import pytest
from plugin_runs import Run, assert_usage_error


def test_cache_that_is_a_file(run: Run, pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("cache").write_text("")
    assert_usage_error(run("--torchscript-cache", "cache"), "--torchscript-cache: 'cache' is a file")
