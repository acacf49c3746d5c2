"""The Hub, played by a server on this machine: whole, empty, refusing, silent, gone."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_torchscript.errors import ModelError
from pytest_torchscript.models import hub
from pytest_torchscript.models.blueprint import plan_model
from pytest_torchscript.models.reference import parse_reference
from pytest_torchscript.settings import Settings


class Hub(http.server.BaseHTTPRequestHandler):
    """Serves one folder as the repository ``org/tiny``, as far as a download asks for it."""

    root = Path()
    code = 404
    answer = ""

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.respond(body=False)

    def do_GET(self) -> None:
        self.respond(body=True)

    def respond(self, *, body: bool) -> None:
        repository, _, name = self.path.strip("/").partition("/resolve/main/")
        path = self.root / name
        if repository != "org/tiny" or not name or not path.is_file():
            self.send_response(self.code)
            said = "EntryNotFound" if repository == "org/tiny" else self.answer
            self.send_header("X-Error-Code", said)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = path.read_bytes()
        self.send_response(200)
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests play their own Hub, also where the machine's is switched off."""
    from huggingface_hub import constants

    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def server(whole: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    handler = type("Served", (Hub,), {"root": whole})
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{running.server_port}")
    yield handler
    running.shutdown()
    running.server_close()


def plan(identifier: str, *, offline: bool = False, **settings: Any) -> Any:
    return plan_model(parse_reference(identifier), Settings(**settings), offline=offline)


def use_endpoint(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_what_the_hub_may_answer(server: type[Hub]) -> None:
    assert hub.ask_hub("org/tiny").state == hub.OK
    for number, (code, said, state, reason) in enumerate(
        [
            (404, "RepoNotFound", hub.ABSENT, "answered 404: no such repository"),
            (401, "RepoNotFound", hub.ABSENT, "answered 401: no such repository"),
            (403, "GatedRepo", hub.ABSENT, "is gated"),
            (404, "EntryNotFound", hub.ABSENT, "has no config.json"),
            (503, "", hub.UNREACHABLE, "answered 503"),
            (403, "", hub.UNREACHABLE, "answered 403"),
        ]
    ):
        server.code, server.answer = code, said
        answer = hub.ask_hub(f"org/other-{number}")
        assert (answer.state, reason in answer.reason) == (state, True), answer


def test_an_unknown_id_is_an_error_with_or_without_a_hub(server: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    server.answer = "RepoNotFound"
    for weights in ("auto", "pretrained", "random", "tiny", "meta"):
        with pytest.raises(ModelError, match=r"unknown model: no such directory, and 127\.0\.0\.1") as caught:
            plan("no/such-model", weights=weights)
        assert "check the spelling" in caught.value.hint
    use_endpoint(monkeypatch, f"http://127.0.0.1:{closed_port()}")
    for weights in ("auto", "random", "tiny", "meta"):
        with pytest.raises(ModelError, match="could not be reached") as caught:
            plan("no/such-model", weights=weights)
        assert "check the spelling" in caught.value.hint


def test_a_known_id_that_the_hub_denies_is_an_error(server: type[Hub]) -> None:
    server.answer = "RepoNotFound"
    with pytest.raises(ModelError, match="unknown model"):
        plan("bert-base-uncased")


def test_without_a_hub_a_known_id_falls_back_loudly(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    use_endpoint(monkeypatch, f"http://127.0.0.1:{closed_port()}")
    blueprint = plan("bert-base-uncased")
    assert (blueprint.weights, blueprint.class_name, blueprint.task) == ("random", "BertModel", "default")
    assert (
        "made up (random), not pretrained: the Hugging Face Hub could not be reached (127.0.0.1" in blueprint.notes[0]
    )
    assert "bundled configuration" in blueprint.notes[0]
    with pytest.raises(ModelError, match="its pretrained weights are not in the cache"):
        plan("bert-base-uncased", weights="pretrained")
    assert capfd.readouterr() == ("", "")


def test_a_silent_hub_is_given_up_within_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        use_endpoint(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        assert plan("bert-base-uncased").weights == "random"
        assert plan("bert-base-uncased").weights == "random"
        assert time.monotonic() - started < 5


def test_offline_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_request", lambda url: pytest.fail(f"asked {url}"))
    use_endpoint(monkeypatch, "http://hub.invalid")
    assert plan("bert-base-uncased", offline=True).config.hidden_size == 768
    assert plan("bert-base-uncased", offline=True, weights="pretrained").weights == "pretrained"
    with pytest.raises(ModelError, match="nothing is fetched now"):
        plan("no/such-model", offline=True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set" in plan("bert-base-uncased").notes[0]


SCRIPT = """
import json, sys
from pytest_torchscript.errors import Error
from pytest_torchscript.models.blueprint import plan_model
from pytest_torchscript.models.reference import parse_reference
from pytest_torchscript.models.resolve import build_model
from pytest_torchscript.settings import Settings
for weights in sys.argv[2:]:
    try:
        settings = Settings(weights=weights)
        loaded = build_model(plan_model(parse_reference(sys.argv[1]), settings), settings)
        print(json.dumps([loaded.blueprint.weights, loaded.parameters, list(loaded.notes)]))
    except Error as error:
        print(json.dumps(["error", 0, [str(error)]]))
"""


def run_script(tmp_path: Path, *arguments: str, **environment: str) -> list[Any]:
    """Plan and build in a process of its own: the Hub's client reads its settings when it is imported."""
    home = {"HF_HOME": str(tmp_path / "home"), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        env={**os.environ, **home, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.process
def test_fetched_once_then_taken_from_the_cache(server: type[Hub], tmp_path: Path) -> None:
    first = run_script(tmp_path, "org/tiny", "auto", "pretrained")
    assert [result[0] for result in first] == ["pretrained", "pretrained"], first
    gone = {"HF_ENDPOINT": f"http://127.0.0.1:{closed_port()}"}
    again = run_script(tmp_path, "org/tiny", "auto", "pretrained", "random", "tiny", **gone)
    assert [result[0] for result in again] == ["pretrained", "pretrained", "random", "tiny"], again
    assert again[0][1] == first[0][1]


@pytest.mark.process
def test_a_repository_without_weights_is_an_error(server: type[Hub], tmp_path: Path, whole: Path) -> None:
    server.root = tmp_path / "repository"
    server.root.mkdir()
    (server.root / "config.json").write_text((whole / "config.json").read_text())
    results = run_script(tmp_path, "org/tiny", "auto")
    assert results[0][0] == "error"
    assert "holds no weights for torch" in results[0][2][0]
