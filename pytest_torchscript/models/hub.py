"""The Hugging Face Hub: what its cache holds, whether it can be reached, and fetching what is missing.

The Hub's own client retries for 26 s and prints all of it; so a probe of ours, bounded in time, goes first.
"""

from __future__ import annotations

import functools
import importlib
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import ModelError, first_line
from pytest_torchscript.models.checkpoint import CONFIG, WEIGHTS, shards, weight_files

#: Seconds that the probe may take in all: the fall-back of `auto` is promised within five.
PROBE_SECONDS = 4.0
#: For how long an answer is believed: a run asks when it collects and again when it builds.
KEPT_SECONDS = 60.0

OK, ABSENT, UNREACHABLE = "ok", "absent", "unreachable"


@dataclass(frozen=True)
class Answer:
    """What the Hub said about one repository: ``ok``, ``absent`` or ``unreachable``, and why."""

    state: str
    reason: str = ""


def cached_directory(identifier: str) -> str | None:
    """Return the folder of the cache that holds a repository's configuration, or None."""
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(identifier, CONFIG)
    except Exception:  # an id that the installed client calls invalid is in no cache
        return None
    return str(Path(found).parent) if isinstance(found, str) else None


def complete_directory(identifier: str) -> str | None:
    """Return the cached folder where it holds all the weights too, or None."""
    directory = cached_directory(identifier)
    found = weight_files(directory) if directory else None
    if directory is None or found is None:
        return None
    if found.suffix == ".json" and not all(Path(directory, name).is_file() for name in shards(found)):
        return None
    return directory


def ask_hub(identifier: str) -> Answer:
    """Ask the Hub for a repository's configuration, within PROBE_SECONDS; answers are kept for KEPT_SECONDS."""
    from huggingface_hub import constants

    if _offline_by_environment():
        return Answer(UNREACHABLE, "HF_HUB_OFFLINE is set")
    endpoint = os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
    url = f"{endpoint.rstrip('/')}/{identifier}/resolve/main/{CONFIG}"
    answer, asked = _ask(url)
    if time.monotonic() - asked > KEPT_SECONDS:
        _ask.cache_clear()
        answer, _ = _ask(url)
    return answer


def _offline_by_environment() -> bool:
    from huggingface_hub import constants

    switched = (
        os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )
    return any(switched) or bool(constants.HF_HUB_OFFLINE)


@functools.lru_cache(maxsize=64)
def _ask(url: str) -> tuple[Answer, float]:
    """Return the answer and when it came."""
    answers: list[Answer] = []
    asking = threading.Thread(target=lambda: answers.append(_request(url)), daemon=True, name="torchscript-hub-probe")
    asking.start()
    asking.join(PROBE_SECONDS)  # name resolution knows no timeout of its own
    host = url.split("/")[2]
    answer = answers[0] if answers else Answer(UNREACHABLE, f"{host} did not answer in {PROBE_SECONDS:.0f} s")
    return answer, time.monotonic()


def _request(url: str) -> Answer:
    client: Any = importlib.import_module("huggingface_hub.utils")
    host = url.split("/")[2]
    try:
        with quiet():
            response = client.get_session().head(url, headers=client.build_hf_headers(), timeout=PROBE_SECONDS - 0.5)
    except Exception as error:  # the client's HTTP library changed between its releases
        return Answer(UNREACHABLE, f"{host}: {_plain(error)}")
    return _judge(response, host)


def _judge(response: Any, host: str) -> Answer:
    code = int(response.status_code)
    said = response.headers.get("X-Error-Code") or ""
    if code < 400:
        return Answer(OK)
    if said == "EntryNotFound":
        return Answer(ABSENT, f"its repository on {host} has no {CONFIG}")
    if said == "GatedRepo":
        return Answer(ABSENT, f"access to it on {host} is gated")
    if code in (401, 404) or said:
        return Answer(ABSENT, f"{host} answered {code}: no such repository, or a private one")
    return Answer(UNREACHABLE, f"{host} answered {code}")


def _plain(error: BaseException) -> str:
    """Return the cause inside an HTTP library's exception: the last one of its chain says it in the fewest words."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return getattr(error, "strerror", None) or first_line(error, 120)


def fetch_config(identifier: str) -> str:
    """Bring a repository's configuration into the cache and return the folder; OSError where that fails."""
    return str(Path(_download(identifier, CONFIG)).parent)


def fetch_weights(identifier: str) -> str:
    """Bring a repository's weights into the cache and return the folder; OSError where the network fails.

    Raises ModelError where the repository has no weights that torch reads.
    """
    for name in WEIGHTS:
        path = _download(identifier, name)
        if path:
            for shard in shards(Path(path)) if name.endswith(".json") else ():
                _download(identifier, shard)
            return str(Path(path).parent)
    raise ModelError(
        f"{identifier}: its repository holds no weights for torch (looked for {', '.join(WEIGHTS)})",
        hint="give --torchscript-weights random to check the architecture without its weights",
    )


def _download(identifier: str, name: str) -> str:
    """Return the path of a fetched file, empty where the repository has none of that name; OSError for all else."""
    from huggingface_hub import hf_hub_download

    errors: Any = importlib.import_module("huggingface_hub.utils")
    try:
        with quiet():
            return str(hf_hub_download(identifier, name))
    except errors.LocalEntryNotFoundError as error:
        raise OSError(first_line(error)) from None
    except errors.EntryNotFoundError:
        return ""
    except Exception as error:  # the client's exceptions changed between its releases
        raise OSError(first_line(error)) from None
