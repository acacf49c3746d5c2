"""Forms in which inputs and outputs are handed over: each is taken, and what the plain call makes of it is said."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from field_run import UNSAVED, Told

REFUSED = "torch.jit.trace refuses the model as it is called here"
#: By factory: the sizes that must be those of the main trace, and what the notes must say.
FORMS: dict[str, tuple[dict[str, int], tuple[str, ...]]] = {
    "tuple_of_specs": ({}, ("state",)),
    "tuple_of_tensors": ({"time": 6, "batch": 2}, ("states.0, states.1",)),
    "list_of_tensors": ({}, ("parts.0, parts.1",)),
    "dict_of_tensors": ({"batch": 4}, ("sample.signal, sample.weight", 'self.model({"signal": sample_signal')),
    "named_tuple": ({"batch": 4}, ("corners.low, corners.high",)),
    "truth_value": ({"batch": 4}, ("flip=True is a constant of the export", REFUSED)),
    "number": ({"batch": 4}, ("power=2.0 is a constant of the export", REFUSED)),
    "nothing_given": ({"batch": 4}, ("gate given as None",)),
    "tuple_by_place": ({"batch": 4}, ()),
    "one_tensor": ({"batch": 4}, ()),
    "none_among_outputs": ({}, (REFUSED,)),
    "text_among_outputs": ({}, (REFUSED,)),
    "dicts_among_outputs": ({}, (REFUSED,)),
    "rows_by_value": ({}, ()),
    "plain_function": ({}, ()),
    "scripted_module": ({}, ()),
    "bytes_in": ({}, ()),
    "normed_and_called": ({}, ()),
    "quantized": ({}, ()),
}
#: One of the nested ones, and those whose weights or buffers are of an unusual kind.
SAVED = ("tuple_of_specs", "none_among_outputs", "scripted_module", "normed_and_called", "quantized")


@pytest.mark.parametrize("factory", FORMS)
def test_a_form_is_taken(factory: str, run: Callable[..., Told]) -> None:
    anchor, said = FORMS[factory]
    told = run(f"field_forms:{factory}", *(() if factory in SAVED else UNSAVED))
    assert (told.ended("failed"), told.ended("error")) == (set(), set()), told.terminal
    assert {"trace", "outputs", "freeze"} | ({"save_load"} if factory in SAVED else set()) <= told.ended("passed")
    assert told.verdicts
    assert set(told.verdicts.values()) == {"dynamic"}
    assert anchor.items() <= told.anchor.items()
    assert [text for text in said if text not in told.notes] == [], told.notes


def test_a_size_among_the_outputs_is_not_passed_over(run: Callable[..., Told]) -> None:
    told = run("field_forms:number_among_outputs", *UNSAVED)
    assert told.ended("error") == set()
    assert told.ended("failed") or "number" in told.notes, told.terminal


def test_a_model_that_breaks_at_odd_sizes_is_traced_at_its_examples(run: Callable[..., Told]) -> None:
    told = run("field_forms:even_number_of_rows", *UNSAVED)
    assert told.anchor["batch"] == 6
    assert (told.verdicts["batch"], told.ended("failed")) == ("fixed", {"axis[batch]"})
    assert len(told.terminal.splitlines()) <= 40
