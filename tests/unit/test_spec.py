from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_torchscript.errors import InputError, OptionError
from pytest_torchscript.spec import Axis, InputSpec, TensorSpec, dim_name, dim_size, named_axis, narrowed, unknown_axis

if TYPE_CHECKING:
    from collections.abc import Callable


class Tensor:
    """A tensor as far as a spec looks at one: torch is not needed to declare inputs."""

    __module__ = "torch"

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def dim(self) -> int:
        return len(self.shape)


INT64 = type("dtype", (), {"__repr__": lambda _: "torch.int64"})()


# Axis


def test_an_axis_allows_its_range_and_its_multiples() -> None:
    axis = Axis("sequence", min=3, max=17, multiple_of=4)
    assert (axis.first, axis.last) == (4, 16)
    assert [size for size in range(1, 25) if axis.allows(size)] == [4, 8, 12, 16]
    assert axis.fixed is None


def test_a_fixed_axis_and_buckets() -> None:
    assert Axis.fixed_at("sequence", 128).fixed == 128
    buckets = Axis.fixed_at("sequence", 128, 32, 32)
    assert (buckets.sizes, buckets.min, buckets.max, buckets.fixed) == ((32, 128), 32, 128, None)
    assert buckets.allows(32)
    assert not buckets.allows(64)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 20))
def test_the_ends_of_an_axis_are_allowed(low: int, span: int, multiple: int) -> None:
    try:
        axis = Axis("time", min=low, max=low + span, multiple_of=multiple)
    except OptionError:
        assert not [size for size in range(max(low, 1), low + span + 1) if size % multiple == 0]
        return
    allowed = [size for size in range(low, low + span + 1) if axis.allows(size)]
    assert (axis.first, axis.last) == (allowed[0], allowed[-1])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Axis("no name"), "axis: name='no name' is not a name"),
        (lambda: Axis(""), "name='' is not a name"),
        (lambda: Axis(3), "name=3 is not a name"),
        (lambda: Axis("a", min=-1), "axis 'a': min=-1 is not a size"),
        (lambda: Axis("a", max=2.5), "max=2.5 is not a size"),
        (lambda: Axis("a", max=True), "max=True is not a size"),
        (lambda: Axis("a", multiple_of=0), "multiple_of=0 is not a size"),
        (lambda: Axis("a", 0, 0), "max=0 is not a size"),
        (lambda: Axis("a", sizes=(4, 0)), "size=0 is not a size"),
        (lambda: Axis("a", sizes="ab"), "size='a' is not a size"),
        (lambda: Axis.fixed_at("a"), "axis 'a': it is fixed at no size"),
        (lambda: Axis.fixed_at("a", 0), "=0 is not a size"),
        (lambda: Axis("a", min=9, max=3), r"min=9 is larger than max=3\n    hint: write 3:9"),
        (lambda: Axis("a", min=5, max=7, multiple_of=4), "no multiple of 4 lies between min=5 and max=7"),
    ],
)
def test_axes_that_cannot_be(make: Callable[[], Axis], said: str) -> None:
    with pytest.raises(OptionError, match=said) as error:
        make()
    assert "hint: " in str(error.value)


def test_bare_names_have_default_ranges() -> None:
    assert (named_axis("batch").max, named_axis("sequence").max) == (64, 512)


def test_an_option_keeps_the_size_a_model_is_known_to_accept() -> None:
    assert narrowed(Axis("height", typical=224), Axis("height", max=300)) == Axis("height", max=300, typical=224)


# TensorSpec


def test_shapes_from_sizes() -> None:
    spec = TensorSpec("batch", Axis("time", max=9), "past + time + 1", 16)
    assert spec.shape({"batch": 2, "time": 5, "past": 3}) == (2, 5, 9, 16)
    assert [axis.name for axis in spec.axes()] == ["batch", "time", "past", "time"]
    assert spec.dims_of("time") == (1,)
    assert [dim_name(dim) for dim in spec.dims] == ["batch", "time", "past + time + 1", 16]
    assert dim_size("a+2", {"a": 3}) == 5
    assert TensorSpec().shape({}) == ()


def test_a_spec_is_a_value() -> None:
    spec = TensorSpec("batch", dtype=INT64, low=0, high=10, role="ids")
    assert spec == TensorSpec("batch", dtype=INT64, low=0, high=10, role="ids")
    assert spec.updated(high=5) == TensorSpec("batch", dtype=INT64, low=0, high=5, role="ids")
    assert spec.updated(dims=(3,)).dims == (3,)
    assert hash(spec) == hash(spec.updated())
    with pytest.raises(AttributeError):
        spec.low = 3


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: TensorSpec(1.5), "1.5 is not a dim"),
        (lambda: TensorSpec(True), "True is not a dim"),
        (lambda: TensorSpec(-1), "dim=-1 is negative"),
        (lambda: TensorSpec("two words"), "dim 'two words' is not an axis name"),
        (lambda: TensorSpec("a + "), "dim 'a [+] ' is not an axis name"),
        (lambda: TensorSpec("a", optional="no"), "optional='no' is of type str\n    hint: give True or False"),
        (
            lambda: TensorSpec("a", role="msk"),
            "role 'msk' does not exist\n    hint: did you mean 'mask'[?] choose from: ids",
        ),
        (lambda: TensorSpec("a", dtype="int64"), "dtype='int64' is of type str\n    hint: give torch's own"),
        (lambda: TensorSpec("a", special=3), "special=3 is of type int"),
        (lambda: TensorSpec("a", special="ab"), "special='ab' is of type str"),
        (lambda: TensorSpec("a", special=[None]), "special=None is of type NoneType"),
        (lambda: TensorSpec("a", pad="x"), "pad='x' is of type str"),
        (lambda: InputSpec([TensorSpec("a")]), r"InputSpec: inputs=.* is of type list\n    hint: give them by name"),
        (lambda: InputSpec({}, axes=["a"]), r"InputSpec: axes=\['a'\] is of type list"),
        (lambda: TensorSpec("a", low=3, high=3), "low=3 is not below high=3\n    hint: high is exclusive"),
    ],
)
def test_specs_that_cannot_be(make: Callable[[], TensorSpec], said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        make()
    assert "hint: " in str(error.value)


# InputSpec


def ids_and_mask() -> InputSpec:
    return InputSpec(
        {
            "ids": TensorSpec(Axis("batch", max=16), "sequence", dtype=INT64),
            "mask": TensorSpec("batch", Axis("sequence", max=99), optional=True),
        }
    )


def test_axes_are_shared_by_name_and_keep_their_order() -> None:
    spec = ids_and_mask()
    assert list(spec) == ["ids", "mask"]
    assert [(axis.name, axis.max) for axis in spec.axes.values()] == [("batch", 16), ("sequence", 99)]
    assert spec.optional == ("mask",)
    assert list(spec.without("mask")) == ["ids"]
    assert spec.without("mask").axes["sequence"].max == 99
    assert "ids" in repr(spec)


def test_axes_can_be_replaced() -> None:
    spec = ids_and_mask().with_axes({"sequence": Axis.fixed_at("sequence", 7), "height": Axis("height")})
    assert list(spec.axes) == ["batch", "sequence"]
    assert list(spec.moving) == ["batch"]
    grown = spec.with_input("boxes", TensorSpec("batch", "boxes", 4))
    assert list(grown.axes) == ["batch", "sequence", "boxes"]
    assert grown.axes["sequence"].fixed == 7


def test_an_axis_described_twice() -> None:
    with pytest.raises(InputError, match="axis 'n' is described twice"):
        InputSpec({"a": TensorSpec(Axis("n", max=3)), "b": TensorSpec(Axis("n", max=4))})


def test_an_input_that_is_no_spec() -> None:
    with pytest.raises(InputError, match="input 'x': a value of type set cannot be fed"):
        InputSpec({"x": {2, 3}})
    with pytest.raises(InputError, match="input 'x': Tensor is not a TensorSpec"):
        InputSpec({"x": Tensor(2)})


def test_an_axis_that_does_not_exist() -> None:
    spec = ids_and_mask()
    assert spec.require_axis("batch").name == "batch"
    with pytest.raises(OptionError, match="axis 'sequnce' does not exist\n    hint: did you mean 'sequence'"):
        spec.require_axis("sequnce")
    assert str(unknown_axis("x", {})) == "axis 'x' does not exist\n    hint: the axes are: none"


def test_bounds_that_are_axes_follow_the_sizes() -> None:
    spec = TensorSpec("edges", dtype=INT64, low=0, high="nodes + 1")
    assert (spec.at({"edges": 3, "nodes": 5}).low, spec.at({"edges": 3, "nodes": 5}).high) == (0, 6)
    plain = TensorSpec("edges", high=4)
    assert plain.at({"edges": 3}) is plain
    with pytest.raises(InputError, match="low=3 is not below high='nodes' at nodes=2"):
        TensorSpec("edges", low=3, high="nodes").at({"edges": 3, "nodes": 2})


def test_a_bound_names_an_axis_that_an_input_carries() -> None:
    nodes = TensorSpec(Axis("nodes", max=9), 3)
    spec = InputSpec({"nodes": nodes, "index": TensorSpec("edges", high="nodes", optional=True)})
    assert spec.without("nodes").axes["nodes"].max == 9  # the bound still needs a size
    assert spec.without("index").axes.keys() == {"nodes"}
    with pytest.raises(InputError, match="a bound names the axis 'node', which no input carries") as caught:
        InputSpec({"nodes": nodes, "index": TensorSpec("edges", high="node")})
    assert caught.value.hint == "did you mean 'nodes'? the axes are: nodes, edges"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"high": "3 nodes"}, "high '3 nodes' is not an axis name"),
        ({"low": [1]}, "low=[1] is of type list"),
        ({"high": True}, "high=True is of type bool"),
        ({"fill": 3}, "fill=3 is of type int"),
    ],
)
def test_bounds_and_fills_that_are_none(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        TensorSpec("edges", **arguments)


def test_a_fill_may_take_the_sizes() -> None:
    seen: list[Any] = []

    def two(generator: Any, shape: Any) -> Any:
        seen.append((generator, shape))

    def three(generator: Any, shape: Any, sizes: Any) -> Any:
        seen.append((generator, shape, sizes))

    def three_by_default(generator: Any, shape: Any, scale: float = 2.0) -> Any:
        seen.append((generator, shape, scale))

    for fill in (two, three, three_by_default):
        made = TensorSpec("n", fill=fill).at({"n": 4}).fill
        assert made is not None
        made("generator", (4,))
    assert seen == [("generator", (4,)), ("generator", (4,), {"n": 4}), ("generator", (4,), 2.0)]


def test_sizes_are_read_from_tensors() -> None:
    spec = InputSpec({"a": TensorSpec("batch", "past + new + 1"), "b": TensorSpec("batch", "new", 3)})
    assert spec.sizes_of({"a": Tensor(2, 9), "b": Tensor(2, 3, 3)}) == {"batch": 2, "past": 5, "new": 3}
    for wrong, said in [
        (
            {"a": Tensor(2, 9), "b": Tensor(4, 3, 3)},
            "axis 'batch' has two sizes in the examples: 2 in 'a', 4 in 'b'",
        ),
        ({"b": Tensor(2, 3)}, "input 'b': the example has shape (2, 3), declared are the dims ('batch', 'new', 3)"),
        ({"b": Tensor(2, 3, 5)}, "input 'b': the example has 5 where 3 is declared"),
    ]:
        with pytest.raises(InputError, match=re.escape(said)):
            spec.sizes_of(wrong)


def test_nested_specs_are_flat_and_keep_their_form() -> None:
    state = TensorSpec(1, "batch", 6)
    spec = InputSpec({"x": TensorSpec("batch", 4), "state": (state, state.updated(optional=True)), "flag": True})
    assert list(spec) == ["x", "state.0", "state.1"]
    assert spec.form.build({"x": 1, "state.0": 2, "state.1": 3}) == {"x": 1, "state": (2, 3), "flag": True}
    less = spec.without(*spec.optional)
    assert less.form.build({"x": 1, "state.0": 2}) == {"x": 1, "state": (2, None), "flag": True}
    turned = spec.replaced({name: spec[name] for name in reversed(list(spec))})
    assert list(turned) == ["state.1", "state.0", "x"]
    assert turned.form is spec.form


def test_sizes_worth_trying_hold_ends_neighbours_hints_and_powers() -> None:
    sizes = Axis("time", max=4096).worth_trying(11, hints=(36, 37, 38), numbers=(50,))
    assert {1, 10, 12, 36, 37, 38, 50, 51, 100, 4095, 4096} <= set(sizes)
    assert 11 not in sizes
    assert len(sizes) < 25, "a wide range must not mean a wide cost"


@given(first=st.integers(1, 40), length=st.integers(0, 300), step=st.integers(1, 9), data=st.data())
def test_sizes_worth_trying_are_allowed_and_ascend(first: int, length: int, step: int, data: st.DataObject) -> None:
    axis = Axis("time", min=first, max=first + length + step, multiple_of=step)
    anchor = data.draw(st.sampled_from(range(axis.first, axis.last + 1, step)))
    sizes = axis.worth_trying(anchor)
    assert sizes == sorted(set(sizes))
    assert all(axis.allows(size) for size in sizes)


def test_the_neighbour_is_another_allowed_size() -> None:
    assert Axis("time").neighbour(11) == 13
    assert Axis("time", max=11).neighbour(11) == 10
    assert Axis("time", multiple_of=8).neighbour(16) == 32
    assert Axis("time", min=5, max=5).neighbour(5) == 5


def test_the_smallest_failing_size_is_found_by_scan_or_by_bisection() -> None:
    assert Axis("time", sizes=(8, 16, 32)).smallest(32, lambda size: size >= 16) == 16
    assert Axis("time", max=60).smallest(60, lambda size: size in (7, 60)) == 7
    asked: list[int] = []
    assert Axis("time", max=4096).smallest(4096, lambda size: bool(asked.append(size)) or size > 704) == 705
    assert len(asked) < 60
    assert Axis("time", max=9).smallest(9, lambda size: False) == 9


def test_a_dim_may_be_a_sum_of_products() -> None:
    spec = InputSpec(
        {"x": TensorSpec("batch*images", 3), "ids": TensorSpec("batch", "4*images + 2*images + sequence + 1")}
    )
    assert list(spec.axes) == ["batch", "images", "sequence"]
    sizes = {"batch": 2, "images": 3, "sequence": 5}
    assert [dim_size(dim, sizes) for each in spec.values() for dim in each.dims] == [6, 3, 2, 24]
    assert spec.sizes_of({"x": Tensor(6, 3), "ids": Tensor(2, 24)}) == sizes
    with pytest.raises(InputError, match="input 'x': the example has 5 where 4 is declared"):
        InputSpec({"y": TensorSpec("batch"), "x": TensorSpec("2*batch")}).sizes_of({"y": Tensor(2), "x": Tensor(5)})
    with pytest.raises(InputError, match=r"dim '2[*]two words' is not an axis name"):
        InputSpec({"x": TensorSpec("2*two words")})


def test_few_sizes_are_the_ends_one_between_and_hints() -> None:
    assert Axis("time", max=512).few(11, (36, 37, 900)) == [1, 6, 36, 37, 512]
    assert Axis("time", min=4, max=20, multiple_of=4).few(12) == [4, 8, 20]
