from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import pytest

from pytest_torchscript.errors import OptionError
from pytest_torchscript.settings import (
    GUIDE_NAMES,
    NAMED,
    NEURON_MODES,
    SETTINGS,
    TASKS,
    WEIGHTS,
    Settings,
    changed,
    make_settings,
    read_keywords,
)
from pytest_torchscript.spec import Axis


def test_the_defaults_are_the_first_choices_of_the_command_line() -> None:
    settings = Settings()
    assert settings.weights == WEIGHTS[0] == "auto"
    assert settings.backends == ("torchscript",)
    assert settings.neuron == NEURON_MODES[0] == "auto"
    assert settings.task is None
    assert (settings.rtol, settings.atol, settings.max_examples) == (None, None, None)
    assert not settings.trust_remote_code
    assert not settings.offline


def test_the_other_names_of_tasks_mean_tasks() -> None:
    assert set(GUIDE_NAMES.values()) <= set(TASKS)
    assert not set(GUIDE_NAMES) & set(TASKS)


@pytest.mark.parametrize("choices", [WEIGHTS, NEURON_MODES, TASKS])
def test_choices_are_named_once(choices: tuple[str, ...]) -> None:
    assert len(set(choices)) == len(choices)


def test_settings_are_a_value_that_travels_to_a_worker() -> None:
    settings = Settings(axes={"sequence": Axis("sequence", max=9)}, anchor={"batch": 1}, backends=("neuron",))
    assert pickle.loads(pickle.dumps(settings)) == settings
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.weights = "tiny"


def test_each_field_is_one_row_and_each_keyword_one_setting() -> None:
    assert sorted(setting.field for setting in SETTINGS) == sorted(Settings.__dataclass_fields__)
    keywords = [keyword for setting in SETTINGS for keyword in setting.keywords if keyword]
    assert len(set(keywords)) == len(keywords)
    for setting in SETTINGS:
        if setting.on_command_line:
            assert setting.flag == f"--torchscript-{setting.name}"
            assert setting.name.replace("-", "_") in setting.keywords
            assert setting.help.endswith((".", "…")), setting.name


#: A setting under each of its names, as Python or text gives it, and the field that comes of it.
READ: list[tuple[dict[str, Any], str, Any]] = [
    ({"weights": "tiny"}, "weights", "tiny"),
    ({"task": "masked-lm"}, "task", "masked-lm"),
    ({"task": "fill-mask"}, "task", "masked-lm"),
    ({"task": "text-generation-with-past"}, "task", "causal-lm-with-past"),
    ({"backend": "neuron"}, "backends", ("neuron",)),
    ({"backends": "torchscript"}, "backends", ("torchscript",)),
    ({"backends": ["neuron", "neuronx", "neuron"]}, "backends", ("neuron", "neuronx")),
    ({"axis": "time=1:12"}, "axes", {"time": Axis("time", 1, 12)}),
    ({"axes": {"time": "1:12"}}, "axes", {"time": Axis("time", 1, 12)}),
    ({"axes": {"time": "2:12:2"}}, "axes", {"time": Axis("time", 2, 12, 2)}),
    ({"axes": {"time": "4,8"}}, "axes", {"time": Axis.fixed_at("time", 4, 8)}),
    ({"axes": {"time": 4}}, "axes", {"time": Axis.fixed_at("time", 4)}),
    ({"axes": {"time": [4, 8]}}, "axes", {"time": Axis.fixed_at("time", 4, 8)}),
    ({"axes": {"time": Axis("t", 2, 4)}}, "axes", {"time": Axis("time", 2, 4)}),
    ({"axes": [Axis("t", 2, 4), "time=8"]}, "axes", {"t": Axis("t", 2, 4), "time": Axis.fixed_at("time", 8)}),
    ({"axes": Axis("t", 2, 4)}, "axes", {"t": Axis("t", 2, 4)}),
    ({"anchor": {"time": 3}}, "anchor", {"time": 3}),
    ({"anchors": {"time": "3"}}, "anchor", {"time": 3}),
    ({"anchor": "time=3"}, "anchor", {"time": 3}),
    ({"anchor": {"mask": None}}, "leave_out", ("mask",)),
    ({"anchor": ["mask=none", "time=3"]}, "leave_out", ("mask",)),
    ({"leave_out": "mask"}, "leave_out", ("mask",)),
    ({"max_examples": 3}, "max_examples", 3),
    ({"max_examples": "3"}, "max_examples", 3),
    ({"rtol": "1e-3", "atol": 0}, "rtol", 1e-3),
    ({"trust_remote_code": "yes"}, "trust_remote_code", True),
    ({"speed": True}, "speed", True),
    ({"neuron": "emulate"}, "neuron", "emulate"),
    ({"neuron_option": "timeout=3"}, "neuron_options", {"timeout": "3"}),
    ({"neuron_options": {"timeout": 3}}, "neuron_options", {"timeout": 3}),
    ({"option": "neuron.timeout=3"}, "options", {"neuron": {"timeout": "3"}}),
    ({"options": {"neuron.timeout": 3}}, "options", {"neuron": {"timeout": 3}}),
    (
        {"options": {"neuron": {"timeout": 3, "fallback": False}}},
        "options",
        {"neuron": {"timeout": 3, "fallback": False}},
    ),
    ({"cache": Path("kept")}, "cache", "kept"),
    ({"own_backends": [dict]}, "own_backends", (dict,)),
    ({"seed": 7}, "seed", 7),
    ({"offline": "off"}, "offline", False),
    ({"weights": None}, "weights", "auto"),
    ({"task": None}, "task", None),
    ({"axes": None}, "axes", {}),
    ({"backends": None}, "backends", ("torchscript",)),
]


@pytest.mark.parametrize(("keywords", "field", "value"), READ, ids=lambda value: str(value))
def test_read(keywords: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(make_settings(**keywords), field) == value


#: What cannot be taken, and what is said.
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"weights": "tyny"}, "weights 'tyny' does not exist\n    hint: did you mean 'tiny'? choose from: tiny, auto"),
    ({"weights": 3}, "weights 3 does not exist\n    hint: choose from: auto, "),
    ({"neuron": "emulat"}, "neuron: mode 'emulat' does not exist\n    hint: did you mean 'emulate'?"),
    ({"task": "fil-mask"}, "task 'fil-mask' does not exist\n    hint: did you mean 'fill-mask'? choose from: "),
    ({"task": "masked"}, "task 'masked' does not exist\n    hint: did you mean 'masked-"),
    (
        {"wieghts": "tiny"},
        "setting 'wieghts' does not exist\n    hint: did you mean 'weights'? settings are: weights, ",
    ),
    ({"bakend": "neuron"}, "setting 'bakend' does not exist\n    hint: did you mean 'backend'?"),
    ({"xyzzy": 1}, "setting 'xyzzy' does not exist\n    hint: settings are: task, "),
    ({"axis": "time=3", "axes": {"time": 4}}, "axis and axes are the same setting"),
    ({"backend": 3}, "backend: 3 is not a name\n    hint: "),
    ({"backends": []}, "backends: none is given\n    hint: "),
    ({"backends": ""}, "backends: '' is not a name\n    hint: "),
    ({"axes": ["time"]}, "axes: 'time' does not describe an axis\n    hint: write NAME=MIN:MAX"),
    ({"axes": {"time": "1:"}}, "axes: 'time=1:' does not describe an axis\n    hint: write NAME=MIN:MAX"),
    ({"axes": {"time": 1.5}}, "axes: 1.5 does not describe an axis\n    hint: give an Axis, a size"),
    ({"axes": {"time": True}}, "axes: True does not describe an axis\n    hint: "),
    ({"axes": {"time": {"min": 1}}}, "axes: {'min': 1} does not describe an axis\n    hint: "),
    ({"axes": {"time": []}}, "axes: [] does not describe an axis\n    hint: "),
    ({"axes": 3}, "axes: 3 does not describe an axis\n    hint: "),
    ({"axes": {"time": 0}}, "axis 'time': size=0 is not a size\n    hint: "),
    ({"axes": {3: 4}}, "axes: axis: name=3 is not a name\n    hint: "),
    ({"anchor": {"time": "x"}}, "anchor: 'time=x' is not an anchor\n    hint: write AXIS=SIZE"),
    ({"anchor": {"time": True}}, "anchor: 'time=True' is not an anchor\n    hint: "),
    ({"anchor": ["time"]}, "anchor: 'time' is not an anchor\n    hint: "),
    ({"anchor": {"time": 0}}, "anchor: axis 'time': size=0 is not a size\n    hint: "),
    ({"artifact": ""}, "artifact: '' is not a path\n    hint: "),
    ({"artifact": "nowhere.pt"}, "artifact: file 'nowhere.pt' does not exist\n    hint: "),
    ({"cache": 3}, "cache: 3 is not a path\n    hint: "),
    ({"cache": __file__}, "is a file\n    hint: give a folder"),
    ({"max_examples": 0}, "max_examples: 0 is not a number of examples\n    hint: "),
    ({"max_examples": True}, "max_examples: True is not a number of examples\n    hint: "),
    ({"max_examples": 1.5}, "max_examples: 1.5 is not a number of examples\n    hint: "),
    ({"rtol": 1e-3}, "rtol is given without atol\n    hint: give both rtol and atol"),
    ({"atol": 1e-3}, "atol is given without rtol\n    hint: give both rtol and atol"),
    ({"rtol": -1, "atol": 0}, "rtol: -1 is not a tolerance\n    hint: "),
    ({"rtol": 0, "atol": "nan"}, "atol: 'nan' is not a tolerance\n    hint: "),
    ({"rtol": True, "atol": 0}, "rtol: True is not a tolerance\n    hint: "),
    ({"rtol": [1], "atol": 0}, "rtol: [1] is not a tolerance\n    hint: "),
    ({"trust_remote_code": "maybe"}, "trust_remote_code: 'maybe' is not a truth value\n    hint: "),
    ({"speed": 3}, "speed: 3 is not a truth value\n    hint: "),
    ({"neuron_option": "timeout"}, "neuron_option: 'timeout' is not an option\n    hint: write NAME=VALUE"),
    ({"neuron_options": {"": 3}}, "neuron_options: ('', 3) is not an option\n    hint: "),
    ({"option": "timeout=3"}, "option 'timeout' names no backend\n    hint: write BACKEND.NAME=VALUE"),
    ({"options": {"neuron": 3}}, "option 'neuron' names no backend\n    hint: "),
    ({"own_backends": ["neuron"]}, "own_backends: 'neuron' is no class of backends\n    hint: "),
    ({"seed": "x"}, "seed: 'x' is not a whole number from 0 to 2**63 - 1\n    hint: "),
    ({"seed": 2**63}, "is not a whole number from 0 to 2**63 - 1\n    hint: "),
    ({"offline": 2}, "offline: 2 is not a truth value\n    hint: "),
]


@pytest.mark.parametrize(("keywords", "said"), REFUSED, ids=lambda value: str(value)[:60])
def test_refused(keywords: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError) as raised:
        make_settings(**keywords)
    assert said in str(raised.value)
    assert str(raised.value).splitlines()[-1].startswith("    hint: ")


def test_what_is_given_by_names_is_added_to_what_stands() -> None:
    run = make_settings(axes={"time": 4}, anchor={"time": 4}, options={"neuron.timeout": 3}, weights="tiny")
    marker = read_keywords({"axes": {"batch": 2}, "anchor": {"mask": None}, "option": "neuron.fallback=no"})
    both = changed(run, marker)
    assert set(both.axes) == {"time", "batch"}
    assert (both.anchor, both.leave_out) == ({"time": 4}, ("mask",))
    assert both.options == {"neuron": {"timeout": 3, "fallback": "no"}}
    assert both.weights == "tiny"
    assert run == make_settings(axes={"time": 4}, anchor={"time": 4}, options={"neuron.timeout": 3}, weights="tiny")


def test_one_of_a_pair_is_enough_where_the_other_stands() -> None:
    assert changed(make_settings(rtol=1, atol=2), {"rtol": 3.0}).rtol == 3.0


def test_a_pair_is_spelled_as_the_user_wrote_it() -> None:
    with pytest.raises(OptionError, match="--rtol is given without --atol"):
        changed(Settings(), {"rtol": 1.0}, spelled="--{}".format)


def test_paths_start_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "traced.pt").touch()
    rows = {setting.name: setting for setting in SETTINGS if setting.path}
    assert rows["artifact"].read("traced.pt", tmp_path) == str(tmp_path / "traced.pt")
    assert rows["cache"].read("kept", tmp_path) == str(tmp_path / "kept")


def test_settings_by_name_are_read_as_pairs() -> None:
    for setting in SETTINGS:
        if setting.given == NAMED:
            assert setting.read_keyword([]) == {}


@pytest.mark.parametrize("keywords", [{"axes": None, "axis": {"time": 4}}, {"axis": {"time": 4}, "axes": None}])
def test_none_under_one_name_leaves_the_other(keywords: dict[str, Any]) -> None:
    assert list(read_keywords(keywords)["axes"]) == ["time"]
