"""The execution half: export a module, run what came out.

A repository's own backend needs these names alone (docs/backends.md); none of them loads torch.
"""

from pytest_torchscript.backends.base import (
    Artifact,
    Backend,
    Budget,
    ExportRequest,
    Options,
    Readiness,
    Refused,
    Spent,
    Traits,
    Unavailable,
    Unsupported,
)

__all__ = [
    "Artifact",
    "Backend",
    "Budget",
    "ExportRequest",
    "Options",
    "Readiness",
    "Refused",
    "Spent",
    "Traits",
    "Unavailable",
    "Unsupported",
]
