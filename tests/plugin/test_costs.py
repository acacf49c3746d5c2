"""How long models will take, as far as can be told before, and how many threads a worker has."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from plugin_runs import Run

from pytest_torchscript.plugin import costs
from pytest_torchscript.plugin.costs import (
    Costs,
    configuration_of,
    parameters_of,
    remember,
    share_threads,
    slowness_of,
)

BERT = "torchscript::bert-base-uncased::test_trace"


def test_a_configuration_tells_about_how_many_parameters(tmp_path: Path) -> None:
    def parameters(reference: str) -> int:
        return parameters_of(configuration_of(reference))

    assert 0.9 < parameters("bert-base-uncased") / 109e6 < 1.1
    (tmp_path / "config.json").write_text(json.dumps({"d_model": 10, "encoder_layers": 2, "decoder_layers": 1}))
    assert parameters(str(tmp_path)) == 12 * 3 * 100
    for text in ("[]", "{", '{"hidden_size": "wide", "vocab_size": null}'):
        (tmp_path / "config.json").write_text(text)
        assert parameters(str(tmp_path)) == 0
    assert parameters("zoo:good") == 0


def test_windows_pictures_sounds_and_decoders_take_longer_though_all_are_tiny() -> None:
    order = ["bert-base-uncased", "t5-small", "openai/whisper-tiny", "microsoft/swin-tiny-patch4-window7-224"]
    guessed = [Costs({}, "tiny").of([f"torchscript::{name}::test_trace"]) for name in order]
    assert guessed == sorted(guessed)
    assert len(set(guessed)) == len(order)
    assert slowness_of({"sliding_window": None, "text_config": {"sliding_window": 8}}) == 4
    assert slowness_of({"sliding_window": None}) == slowness_of({}) == 1


def test_what_a_test_took_last_time_counts_more_than_a_guess() -> None:
    cost = Costs({BERT: 7.0})
    assert cost.of([BERT]) == 7.0
    assert 1 < cost.of(["torchscript::bert-base-uncased::test_outputs"]) < 7
    assert cost.of(["torchscript::zoo:good::test_trace", "test_mine.py::test_it"]) == pytest.approx(0.1)
    assert Costs({}, "tiny").of([BERT]) == pytest.approx(0.1)


def test_a_run_remembers_what_its_tests_took(suite: Run, pytester: pytest.Pytester) -> None:
    suite("good", "-k", "trace", "-p", "cacheprovider")
    kept = json.loads((pytester.path / ".pytest_cache/v/torchscript/seconds").read_text())
    assert list(kept) == ["torchscript::zoo:good::test_trace"]
    assert 0 <= kept["torchscript::zoo:good::test_trace"] < 60
    suite("good", "-k", "device", "-p", "cacheprovider")
    kept = json.loads((pytester.path / ".pytest_cache/v/torchscript/seconds").read_text())
    assert sorted(name.rpartition("_")[2] for name in kept) == ["device", "trace"]


def test_without_a_cache_nothing_is_kept(pytester: pytest.Pytester) -> None:
    config = pytester.parseconfig("-p", "no:cacheprovider")
    remember(config, {BERT: 1.0})
    assert costs.costs_of(config, "auto").known == {}
    assert not (pytester.path / ".pytest_cache").exists()


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(costs, "_cores", lambda: 8)


@pytest.mark.usefixtures("unset")
def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(set_num_threads=told.append))
    worker = SimpleNamespace(workerinput={"workercount": 3})
    assert share_threads(worker) == 2
    assert told == [2]
    assert costs.os.environ["OMP_NUM_THREADS"] == "2"


@pytest.mark.usefixtures("unset")
@pytest.mark.parametrize("workers", [{}, {"workerinput": {"workercount": 1}}])
def test_who_is_alone_has_all_of_them(workers: dict[str, object]) -> None:
    assert share_threads(SimpleNamespace(**workers)) is None
    assert "OMP_NUM_THREADS" not in costs.os.environ


@pytest.mark.usefixtures("unset")
def test_what_the_user_decided_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MKL_NUM_THREADS", "5")
    assert share_threads(SimpleNamespace(workerinput={"workercount": 2})) is None
    assert "OMP_NUM_THREADS" not in costs.os.environ
