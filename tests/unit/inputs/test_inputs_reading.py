"""A configuration and a signature are read by attribute: hinted parts first, a missing number with its way out."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_torchscript.errors import InputError
from pytest_torchscript.inputs.reading import Reading, batch_axis, configurations, read_signature


class Part:
    def __init__(self, **values: Any) -> None:
        vars(self).update(values)

    def to_dict(self) -> dict[str, Any]:
        return vars(self)


class Model:
    main_input_name = "pixel_values"

    def forward(self, input_ids: Any, pixel_values: Any = None, *rest: Any, mask: Any = None, **others: Any) -> None:
        pass


def reading(**values: Any) -> Reading:
    return Reading(Part(**values), Model, parameters=read_signature(Model))


def test_named_parameters_alone_are_read() -> None:
    assert list(read_signature(Model)) == ["input_ids", "pixel_values", "mask"]
    assert read_signature(object) == {}


def test_the_main_input_is_the_classs_where_forward_has_it() -> None:
    assert reading().main_input == "pixel_values"
    other = Reading(Part(), Model, parameters={"x": read_signature(Model)["mask"]})
    assert other.main_input == "x"


def test_hinted_parts_are_asked_before_the_whole_and_the_others_after() -> None:
    config = Part(width=1, text_config=Part(width=2, depth=7), vision_config=Part(width=3))
    assert [part.width for part in configurations(config, ("vision",))] == [3, 1, 2]
    read = Reading(config, Model)
    assert (read.number("width"), read.number("width", within=("text",)), read.number("depth")) == (1, 2, 7)


@pytest.mark.parametrize("value", [None, True, 0, -3, "12", 1.5])
def test_what_is_no_positive_number_is_none(value: Any) -> None:
    assert reading(width=value).number("width") is None


def test_a_number_that_is_needed_and_missing_is_told_with_forward_and_a_way_out() -> None:
    assert reading(width=3).require("height", "width", needed_by="pixel_values") == 3
    with pytest.raises(
        InputError, match="Model: cannot infer the input 'pixel_values': Part gives none of: a, b"
    ) as caught:
        reading().require("a", "b", needed_by="pixel_values")
    assert caught.value.evidence == ("forward(input_ids, pixel_values=None, mask=None)",)
    assert "declare it with its own dims" in caught.value.hint


def test_what_a_task_and_a_class_say() -> None:
    assert Reading(Part(), Model, task="causal-lm-with-past").with_past
    assert not reading().with_past
    assert reading().takes("mask", "input_ids")
    assert not reading().takes("mask", "labels")
    assert reading().head("Mod")
    assert batch_axis().name == "batch"
