from __future__ import annotations

import threading
from dataclasses import replace

import pytest
import torch
from torch import nn

from pytest_torchscript.backends.base import ExportRequest
from pytest_torchscript.backends.cache import ArtifactCache, cache_key
from pytest_torchscript.errors import OptionError


class Scale(nn.Module):
    def __init__(self, factor, constant=1.0):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor([factor]))
        self.constant = constant

    def forward(self, x):
        return (x * self.factor + torch.tensor([[self.constant, 2.0]]),)


def key(module, **changes):
    request = ExportRequest(module, (torch.ones(2, 2),), ("x",))
    values = {"options": {"arguments": []}, "versions": {"compiler": "neuron-cc 1"}, **changes}
    shape = values.pop("shape", None)
    if shape:
        request = replace(request, example=(torch.ones(shape),))
    return cache_key(request, **values).digest


def test_equal_requests_have_equal_keys():
    assert key(Scale(2.0)) == key(Scale(2.0))


@pytest.mark.parametrize(
    "other",
    [
        lambda: key(Scale(2.5)),
        lambda: key(Scale(2.0, constant=3.0)),
        lambda: key(Scale(2.0), shape=(3, 2)),
        lambda: key(Scale(2.0), options={"arguments": ["--fast-math", "none"]}),
        lambda: key(Scale(2.0), versions={"compiler": "neuron-cc 2"}),
    ],
    ids=["weights", "code", "shapes", "options", "versions"],
)
def test_every_part_counts(other):
    assert other() != key(Scale(2.0))


def test_an_unfinished_write_leaves_nothing(tmp_path):
    cache = ArtifactCache(tmp_path)
    entry = cache_key(ExportRequest(Scale(1.0), (torch.ones(2, 2),), ("x",)), options={}, versions={})

    def fail(path):
        path.write_bytes(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        cache.keep(entry, fail, {})
    assert cache.find(entry) is None
    assert not list(tmp_path.glob(".*"))


def test_two_workers_at_once_leave_one_whole_entry(tmp_path):
    cache = ArtifactCache(tmp_path)
    entry = cache_key(ExportRequest(Scale(1.0), (torch.ones(2, 2),), ("x",)), options={}, versions={})
    start = threading.Barrier(4)

    def write():
        start.wait()
        cache.keep(entry, lambda path: path.write_bytes(b"x" * 100_000), {"n": 1})

    workers = [threading.Thread(target=write) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert cache.find(entry).read_bytes() == b"x" * 100_000
    assert len(list(tmp_path.iterdir())) == 2


def test_damaged_description_is_no_error(tmp_path):
    cache = ArtifactCache(tmp_path)
    entry = cache_key(ExportRequest(Scale(1.0), (torch.ones(2, 2),), ("x",)), options={}, versions={})
    (tmp_path / f"{entry.digest}.json").write_text("{")
    assert cache.details(entry) == {}


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="cannot be made"):
        ArtifactCache(tmp_path / "file" / "cache")
