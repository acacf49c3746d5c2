"""A package of AOTInductor made elsewhere tells how many inputs it takes, and not their names."""

from __future__ import annotations

import pytest

from pytest_torchscript.backends.aot_inductor import file
from pytest_torchscript.errors import BackendError


def test_inputs_are_known_by_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "looked", lambda path, program, *, by, hint: {"count": 2})
    assert file.look_at_package("m.pt2").inputs == ("input 0", "input 1")
    made = file.PackageFile.of("m.pt2")
    assert made.refusal is None
    assert not made.traits.reexports


def test_one_that_is_refused_says_what_it_is_bound_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked(path: str, program: str, *, by: str, hint: str) -> None:
        raise BackendError(f"artifact {path}: {by} refuses it", hint=hint)

    monkeypatch.setattr(file, "looked", looked)
    refusal = file.PackageFile.of("m.pt2").refusal
    assert "AOTInductor of torch" in refusal.message
    assert "bound to its torch and its processor" in refusal.hint
