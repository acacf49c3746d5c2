"""For every test of the project. In-process pytester runs drop the modules they import, and torch does not survive a second
import: it and hypothesis must be there before the first inner run."""

import hypothesis  # noqa: F401
import torch  # noqa: F401

pytest_plugins = ["pytester"]
