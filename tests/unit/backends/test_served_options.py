from __future__ import annotations

import pytest

from pytest_torchscript import OptionError
from pytest_torchscript.backends.served.options import Endpoint, ServedOptions


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://h:8501/v1/models/bert", ("http://h:8501", "v1", "bert", "", "")),
        ("https://h/v2/models/bert/versions/3/", ("https://h", "v2", "bert", "3", "")),
        ("http://h/serving/a/v1/models/bert/labels/canary", ("http://h/serving/a", "v1", "bert", "", "canary")),
        ("http://[::1]:80/v2/models/b%20c", ("http://[::1]:80", "v2", "b c", "", "")),
    ],
)
def test_urls(url, parts):
    found = Endpoint.of(url)
    assert (found.root, found.protocol, found.model, found.version, found.label) == parts


def test_a_url_is_needed():
    with pytest.raises(OptionError, match="no URL is given"):
        ServedOptions().endpoint  # noqa: B018
