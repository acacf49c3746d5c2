"""The checks that only served models have. They belong to the ring of checks, and are found by its registry."""

from pytest_torchscript.backends.served.checks.batching import check_batching

__all__ = ["check_batching"]
