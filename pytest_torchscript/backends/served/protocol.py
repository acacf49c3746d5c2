"""What every protocol of a model server offers: is the model there, what does it take, and what does it answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch

from pytest_torchscript.backends.served.signature import Port, Signature
from pytest_torchscript.backends.served.transport import Guest, Rejected
from pytest_torchscript.errors import BackendError


class ModelProtocol:
    """One model behind a protocol. ``forms`` are the ways to write a request, the usual one first, ``form`` the one chosen;
    ``outputs`` are known once a signature was read or declared."""

    name: ClassVar[str] = ""
    forms: ClassVar[tuple[str, ...]] = ()

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.form = ""
        self.outputs: tuple[Port, ...] = ()

    def ready(self) -> None:
        """Ask whether the model is ready. BackendError where it is not, or where nobody knows it."""
        raise NotImplementedError

    def signature(self) -> Signature:
        """Return what the model says it takes and gives; nothing where the server keeps that to itself."""
        raise NotImplementedError

    def infer(self, feed: Sequence[tuple[Port, torch.Tensor]], halves: Sequence[str] = ()) -> dict[str, torch.Tensor]:
        """Return the outputs by name. ``halves`` names those that text has no numbers for. Rejected where it says no."""
        raise NotImplementedError

    def typed(self, name: str) -> bool:
        """Whether the dtype of an output is the server's own word."""
        return True


def not_ready(guest: Guest, said: Rejected, *, known: bool = False) -> BackendError:
    """Return the error of a model that its server does not have, or, where it is known there, not yet."""
    if said.status in (401, 403):
        return BackendError(
            f"{guest.where}: {said}",
            hint="send what it wants: served.header_env=VARIABLE, a variable with 'Authorization: …'",
        )
    if known:
        return BackendError(
            f"{guest.where} is not ready: {said}", hint="wait until the server has loaded it, then run again"
        )
    return BackendError(
        f"{guest.where}: no such model or version is ready there: {said}",
        hint="look at the name and the version: GET the URL in a browser, or list the models of the server",
    )


def choose_signature(known: Sequence[str], wanted: str, guest: Guest) -> str:
    """Return which of a model's signatures is meant: the one asked for, the server's default, or the only one; else none.

    BackendError where there is none of the name asked for.
    """
    if wanted and wanted not in known:
        raise BackendError(
            f"{guest.where} has no signature {wanted!r}",
            hint=f"give one of its own with served.signature: {', '.join(known) or 'it has none'}",
        )
    usual = wanted or "serving_default"
    return usual if usual in known else known[0] if len(known) == 1 else ""
