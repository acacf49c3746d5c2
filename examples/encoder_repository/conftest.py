"""What the tests of this repository share."""

from __future__ import annotations

import pytest
from encoders import SIGNAL, SignalEncoder


@pytest.fixture(scope="session")
def torchscript_model():
    """Hand this repository's model to pytest-torchscript: every run here checks it."""
    return SignalEncoder().eval(), SIGNAL
