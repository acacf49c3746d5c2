"""Bad input, drawn from a seed: refused with what is wrong and one hint. No traceback, no internal error, no silent pass.

``BAD_INPUT_CASES=2000`` draws more than the 200 of CI, ``BAD_INPUT_SEED`` others.
"""

from __future__ import annotations

import math
import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from bad_words import CONFIGURATIONS, KNOWN_FAILURES, PYTHON_VALUES, SPECS, WORDS

import pytest_torchscript
from pytest_torchscript import TensorSpec, check
from pytest_torchscript.errors import Error, OptionError
from pytest_torchscript.lab.plan import make_plan
from pytest_torchscript.plugin.markers import torchscript as marker
from pytest_torchscript.plugin.options import OPTIONS
from pytest_torchscript.report.known import read_known_failures
from pytest_torchscript.settings import (
    DEVICES,
    DTYPES,
    ISOLATE,
    NEURON_MODES,
    SETTINGS,
    TASKS,
    WEIGHTS,
    Settings,
    changed,
    make_settings,
)
from tests import toys

CASES = int(os.environ.get("BAD_INPUT_CASES", "200"))
SEED = int(os.environ.get("BAD_INPUT_SEED", "7"))
OWN_CODE = os.fspath(Path(pytest_torchscript.__file__).parent)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _axis(text: str) -> bool:
    return re.fullmatch(r"\s*[A-Za-z_]\w*\s*=\s*\d+(\s*[:,]\s*\d+){0,2}\s*", text) is not None


#: What each setting that is given once, and takes text of a few forms, means something by.
MEANT: dict[str, Callable[[str], bool]] = {
    "weights": lambda text: text in WEIGHTS,
    "task": lambda text: text in TASKS,
    "neuron": lambda text: text in NEURON_MODES,
    "isolate": lambda text: text in ISOLATE,
    "dtype": lambda text: text in DTYPES,
    "device": lambda text: text.partition(":")[0] in DEVICES,
    "map-location": lambda text: text.partition(":")[0] in DEVICES,
    "max-examples": lambda text: re.fullmatch(r"\s*\d*[1-9]\d*\s*", text, re.ASCII) is not None,
    "rtol": lambda text: 0 <= _number(text) < math.inf,
    "atol": lambda text: 0 <= _number(text) < math.inf,
    "timeout": lambda text: 0 < _number(text) < math.inf,
    "memory": lambda text: 0 < _number(text) < math.inf,
    "axis": _axis,
    "anchor": lambda text: re.fullmatch(r"[^=]*\S[^=]*=\s*(\d*[1-9]\d*|none)\s*", text, re.I) is not None,
    "option": lambda text: re.match(r"[^=.]+\.[^=]+=", text) is not None,
    "neuron-option": lambda text: re.match(r"[^=]*[^=\s][^=]*=", text) is not None,
    "artifact": lambda text: False,
    "known-failures": lambda text: False,
}
#: Given on a command line the words of these are told by what they name, which a table cannot say.
OF_A_RUN = ("model", "report", "backend", "cache")


def drawn(pool: Any, count: int, salt: str) -> list[Any]:
    """Return so many members of a pool, of each as often as of any other."""
    source, chosen = random.Random(f"{SEED} {salt}"), []
    while len(chosen) < count:
        members = list(pool)
        source.shuffle(members)
        chosen += members[: count - len(chosen)]
    return chosen


def share(part: float) -> int:
    return max(1, round(CASES * part))


def assert_told(error: Error) -> None:
    """What is wrong, with a hint, in lines that a terminal can show."""
    said = str(error)
    assert error.hint, said
    assert said.splitlines()[-1].startswith("    hint: "), said
    assert OWN_CODE not in said
    assert "Traceback" not in said
    assert "AttributeError" not in said
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", said), repr(said)


def pairs() -> list[tuple[str, str]]:
    return [(name, word) for name in MEANT for word in WORDS if not MEANT[name](word)]


@pytest.mark.parametrize(("name", "word"), drawn(pairs(), share(0.3), "text"))
def test_text_of_a_setting(name: str, word: str, tmp_path: Path) -> None:
    option = next(option for option in OPTIONS if option.name == name)
    with pytest.raises(Error) as raised:
        option.read(word, *([tmp_path] if option.path else []))
    assert_told(raised.value)


def keywords() -> list[tuple[str, int]]:
    names = [setting.keywords[0] for setting in SETTINGS if setting.keywords[0] not in ("own_backends",)]
    return [(name, number) for name in [*names, "misspelt", "weigths"] for number in range(len(PYTHON_VALUES))]


@pytest.mark.parametrize(("name", "number"), drawn(keywords(), share(0.2), "keywords"))
def test_value_of_a_keyword(name: str, number: int) -> None:
    """A marker and `check` say the same; what they take means something: it is another setting than before."""
    value = PYTHON_VALUES[number]
    try:
        settings = changed(Settings(), marker(**{name: value}).changes)
    except Error as error:
        assert_told(error)
        with pytest.raises(OptionError):
            make_settings(**{name: value})
    else:
        assert (getattr(settings, name) != getattr(Settings(), name)) or not value, (name, value)


@pytest.mark.parametrize("words", drawn(SPECS, share(0.15), "specs"), ids=lambda words: words[:40])
def test_tensor_spec(words: str) -> None:
    with pytest.raises(Error) as raised:
        eval(words, {"TensorSpec": TensorSpec, "torch": torch, "nan": math.nan, "inf": math.inf})
    assert_told(raised.value)


@pytest.mark.parametrize("number", drawn(range(len(KNOWN_FAILURES)), share(0.1), "known"))
def test_known_failures(number: int, tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_bytes(KNOWN_FAILURES[number])
    with pytest.raises(Error) as raised:
        read_known_failures(str(path))
    assert_told(raised.value)


@pytest.mark.parametrize("number", drawn(range(len(CONFIGURATIONS)), share(0.1), "configurations"))
def test_configuration(number: int, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(CONFIGURATIONS[number], encoding="utf-8")
    with pytest.raises(Error) as raised:
        make_plan(str(tmp_path), Settings(weights="tiny")).load()
    assert_told(raised.value)


CALLS: tuple[tuple[Any, dict[str, Any]], ...] = (
    (3, {}),
    (None, {}),
    (torch.ones(2), {}),
    ([], {}),
    (toys.Sound, {"inputs": "signal"}),
    (toys.Sound, {"inputs": 3}),
    (toys.Sound, {"inputs": {}}),
    (toys.Sound, {"inputs": {"x": "batch"}}),
    (toys.Sound, {"axes": ["time"]}),
    (toys.Sound, {"axes": 3}),
    (toys.Sound, {"axes": {"time": "0:0"}}),
    (toys.Sound, {"axes": {"time": 0}}),
    (toys.Sound, {"axes": {"tme": 3}}),
    (toys.Sound, {"rtol": 1e-4}),
    (toys.Sound, {"task": "masked-ml"}),
    (toys.Sound, {"checks": ["outptus"]}),
    (toys.Sound, {"checks": 3}),
    (toys.Sound, {"name": 3}),
    (toys.Sound, {"anchor": {"time": 0}}),
    (toys.Sound, {"leave_out": ["x"]}),
    (toys.Sound, {"timeout": 3}),
    (toys.Sound, {"memory": 3}),
    ("no/such/model\x1b[31m", {"offline": True}),
    ("nowhere:factory", {}),
    ("", {}),
)


@pytest.mark.parametrize("number", drawn(range(len(CALLS)), share(0.1), "calls"))
def test_call_of_check(number: int) -> None:
    model, settings = CALLS[number]
    made = model() if isinstance(model, type) else model
    if isinstance(model, type):
        settings = {"inputs": toys.SIGNAL, **settings}
    with pytest.raises(Error) as raised:
        check(made, **{"checks": ["trace"], **settings})
    assert_told(raised.value)


def lines() -> list[tuple[str, str]]:
    return [
        (name, word) for name in (*MEANT, "report", "backend") for word in WORDS if not MEANT.get(name, _never)(word)
    ]


def _never(_text: str) -> bool:
    return False


@pytest.mark.parametrize(("name", "word"), drawn(lines(), share(0.05), "line"))
@pytest.mark.parametrize("ini", [False, True], ids=["line", "ini"])
def test_run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, name: str, word: str, ini: bool) -> None:
    """A whole run ends as pytest's usage errors do; of an ini file an empty value is none."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    if ini:
        word = word.strip().splitlines()[0] if word.strip() else "\u2603"
        if not word.isprintable() or word.startswith(("#", ";", "[")) or MEANT.get(name, _never)(word):
            word = "\u2603"
        pytester.makeini(f"[pytest]\ntorchscript_{name.replace('-', '_')} = {word}\n")
    elif "\0" in word:
        word = "\u2603"
    result = pytester.runpytest_inprocess(
        *() if ini else (f"--torchscript-{name}={word}",), "--torchscript-model", "zoo:good"
    )
    said = result.stderr.str() + result.stdout.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR, (name, word, said)
    assert result.stderr.str().strip().splitlines()[-1].strip().startswith("hint: "), said
    assert "INTERNALERROR" not in said
    assert "Traceback" not in said
    assert "\x1b" not in said
