"""What a backend made is asked for once, be it an artifact or a refusal."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch

from pytest_torchscript.backends import Artifact, Backend, Unavailable
from pytest_torchscript.errors import MachineFailure
from pytest_torchscript.lab.export import Export
from tests import toys
from tests.asking import lab_of


class Counting(Backend):
    """Exports the model itself, unless it has a reason not to."""

    name = "counting"

    def __init__(self, reason: Exception | None = None) -> None:
        super().__init__()
        self.reason, self.requests = reason, []

    def export(self, request):
        self.requests.append(request)
        if self.reason is not None:
            raise self.reason
        return request.module


def export_of(reason: Exception | None = None) -> Export:
    return Export(lab_of(toys.Sound()).subject, Counting(reason))


def test_it_is_made_once_and_anew_at_other_sizes_alone() -> None:
    export = export_of()
    artifact = export.artifact
    assert export.at(export.subject.sizes) is export.artifact is artifact
    export.at({"batch": 3, "time": 4})
    assert [tuple(request.example[0].shape) for request in export.backend.requests] == [
        tuple(export.subject.inputs["x"].shape),
        (3, 4, 4),
    ]


def test_a_request_names_inputs_dims_and_ranges() -> None:
    export = export_of()
    request = export.request(export.subject.inputs)
    assert (request.names, dict(request.dims)) == (("x",), {"x": ["batch", "time", 4]})
    assert request.axes["time"].max == 40
    assert request.module.model is not export.subject.loaded.module


@pytest.mark.parametrize("reason", [ValueError("no kernel"), Unavailable("no connection")])
def test_a_refusal_is_kept_like_a_success(reason: Exception) -> None:
    export = export_of(reason)
    for _ in range(2):
        with pytest.raises(MachineFailure if isinstance(reason, Unavailable) else ValueError):
            export.artifact  # noqa: B018 - asking is the test
    assert len(export.backend.requests) == 1


def test_anything_that_is_called_may_say_nothing_of_itself() -> None:
    class Telling(Artifact):
        details: ClassVar = {"compiler": "1"}
        notes = ("half of it is on the CPU",)

    export = export_of()
    assert (export.details, export.notes) == ({}, [])
    export.made = Telling()
    assert (export.details, export.notes) == ({"compiler": "1"}, ["half of it is on the CPU"])
    assert torch.is_tensor(export.subject.inputs["x"])
