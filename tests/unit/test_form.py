"""The form of a call: taken apart into flat inputs, put together again, and written as code. Needs no torch."""

from __future__ import annotations

import collections
import enum
from collections import OrderedDict
from typing import Any, NamedTuple

import pytest

from pytest_torchscript.errors import InputError
from pytest_torchscript.form import Form, Slot, code_of, identifiers, plain_form, read_form, shortened


class Leaf:
    """Stands for a tensor."""


class Two(NamedTuple):
    a: Any
    b: Any


class Colour(enum.Enum):
    RED = 1


def read(given: dict[str, Any]) -> tuple[Form, dict[str, Any]]:
    return read_form(given, lambda value: isinstance(value, Leaf))


def leaves(count: int) -> list[Leaf]:
    return [Leaf() for _ in range(count)]


def test_what_is_nested_gets_flat_names_in_the_order_of_the_call() -> None:
    x, h, c, f, p, q = leaves(6)
    form, found = read({"x": x, "state": (h, [c]), "batch": {"features": f}, "pair": Two(p, q)})
    assert list(found) == ["x", "state.0", "state.1.0", "batch.features", "pair.a", "pair.b"]
    assert form.names == tuple(found)
    assert form.nested == ("state.0", "state.1.0", "batch.features", "pair.a", "pair.b")
    assert form.build(found) == {"x": x, "state": (h, [c]), "batch": {"features": f}, "pair": Two(p, q)}
    assert type(form.build(found)["pair"]) is Two


def test_constants_stay_where_they_are() -> None:
    x, y = leaves(2)
    given = {"x": x, "double": True, "scale": 0.5, "mask": None, "more": {"y": y, "mode": "mean", "sizes": [3, 4]}}
    form, found = read(given)
    assert list(found) == ["x", "more.y"]
    assert form.constants == (
        ("double", True),
        ("scale", 0.5),
        ("mask", None),
        ("more.mode", "mean"),
        ("more.sizes.0", 3),
        ("more.sizes.1", 4),
    )
    assert form.build(found) == given


@pytest.mark.parametrize(
    "made", [OrderedDict, lambda pairs: collections.defaultdict(list, pairs), collections.UserDict]
)
def test_mappings_stay_of_their_kind(made: Any) -> None:
    leaf = Leaf()
    form, found = read({"batch": made([("a", leaf), (3, 4)])})
    built = form.build(found)["batch"]
    assert type(built) is type(made([]))
    assert list(built.items()) == [("a", leaf), (3, 4)]


def test_one_leaf_in_two_places_is_two_inputs() -> None:
    leaf = Leaf()
    form, found = read({"state": (leaf, leaf)})
    assert list(found) == ["state.0", "state.1"]
    assert form.build({"state.0": 1, "state.1": 2}) == {"state": (1, 2)}


def test_names_that_coincide_are_told_apart() -> None:
    _, found = read({"a.b": Leaf(), "a": {"b": Leaf()}})
    assert list(found) == ["a.b", "a.b_"]


def test_names_stand_on_one_line() -> None:
    _, found = read({"batch": {"two\nlines": Leaf(), "<b>|`x`": Leaf(), ("a", "to", "b"): Leaf()}})
    assert list(found) == ["batch.'two\\nlines'", "batch.<b>|`x`", "batch.('a', 'to', 'b')"]


def test_what_is_left_out() -> None:
    form, _ = read({"x": Leaf(), "state": (Leaf(), Leaf()), "batch": {"a": Leaf(), "b": Leaf()}, "flag": True})
    kept = form.keeping(["x", "state.1", "batch.a"])
    assert kept.build({"x": 1, "state.1": 2, "batch.a": 3}) == {
        "x": 1,
        "state": (None, 2),
        "batch": {"a": 3},
        "flag": True,
    }
    assert form.keeping(["x"]).arguments == {"x": Slot("x"), "flag": True}


def test_code_of_a_form_is_python() -> None:
    form, _ = read(
        {"state": (Leaf(),), "batch": {"a": Leaf(), 3: [Leaf()]}, "pair": Two(Leaf(), 'say "x"'), "flag": None}
    )
    code = "{" + ", ".join(f"{name!r}: {code_of(node, str.upper)}" for name, node in form.arguments.items()) + "}"
    assert code == (
        "{'state': (STATE.0,), 'batch': {\"a\": BATCH.A, 3: [BATCH.3.0]}, "
        "'pair': Two(a=PAIR.A, b='say \"x\"'), 'flag': None}"
    )


def test_constants_are_shown_short() -> None:
    assert shortened("x" * 100) == '"' + "x" * 59 + '…"'
    assert shortened(Colour.RED) == "Colour.RED"
    assert len(shortened(10**400)) < 60


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({1}, "input 'x': a value of type set cannot be fed"),
        ([(1, object())], "input 'x'[0][1]: a value of type object cannot be fed"),
        ({"a": Two(1, print)}, "input 'x'['a'].b: a value of type builtin_function_or_method cannot be fed"),
    ],
)
def test_what_cannot_be_fed_is_named_by_its_place(value: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read({"x": value})
    assert caught.value.message == said
    assert caught.value.hint


def test_plain_inputs_are_no_form_to_speak_of() -> None:
    form = plain_form(["x", "past_key_values.0.key"])
    assert (form.nested, form.constants) == ((), ())
    assert form.build({"x": 1, "past_key_values.0.key": 2}) == {"x": 1, "past_key_values.0.key": 2}


def test_flat_inputs_have_names_that_python_takes() -> None:
    assert identifiers(["x", "state.0", "state_0", "batch.b c", "0", "class", "self"]) == {
        "x": "x",
        "state.0": "state_0",
        "state_0": "state_0_",
        "batch.b c": "batch_b_c",
        "0": "input_0",
        "class": "input_class",
        "self": "input_self",
    }
