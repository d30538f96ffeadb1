"""Filters of metadata: what each accepts, how they go together, and what none can be made of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charter_persist.errors import InvalidInputError
from charter_persist.model.vector_filter import DEPTH_MAX, VALUES_MAX, VectorFilter

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, -2.0]) | st.sampled_from("ab")
METADATA = st.dictionaries(st.sampled_from("xyz"), SCALARS | st.lists(SCALARS, max_size=2), max_size=3)
LEAVES = st.builds(VectorFilter.equals, st.sampled_from("xyz"), SCALARS) | st.builds(
    VectorFilter.is_in, st.sampled_from("xyz"), st.lists(SCALARS, max_size=3)
)


@pytest.mark.spec("ENA-5")
@pytest.mark.parametrize(
    ("value", "equal", "other"),
    [
        (1, [1, 1.0], [True, 2, "1", None, [1], {}]),
        (1.0, [1], [True]),
        (0, [0, 0.0, -0.0], [False, None, ""]),
        (True, [True], [1, 1.0, "true", None]),
        (False, [False], [0, None]),
        (None, [None], [False, 0, "", "null"]),
        ("a", ["a"], ["A", "a ", ["a"], None]),
    ],
)
def test_equality_is_that_of_json(value: Any, equal: list[Any], other: list[Any]) -> None:
    for condition in (VectorFilter.equals("f", value), VectorFilter.is_in("f", ["no", value])):
        assert [found for found in equal if not condition.accepts({"f": found})] == []
        assert [found for found in other if condition.accepts({"f": found})] == []
        assert not condition.accepts({})
        assert not condition.accepts({"g": value})


def test_nothing_is_in_no_values() -> None:
    assert not VectorFilter.is_in("f", []).accepts({"f": None})


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"),
    [
        ({"gt": 1}, [1.5, 2], [1, 1.0, 0, "2", True, None]),
        ({"ge": 1}, [1, 1.0, 2], [0.5, "1", True]),
        ({"lt": 1}, [0, -1.5], [1, False, "", None]),
        ({"le": 1}, [1, 0], [1.5, True]),
        ({"ge": 1, "lt": 3}, [1, 2.9], [0.9, 3]),
        ({"gt": 1, "le": 3}, [1.1, 3], [1, 3.1]),
        ({"ge": "b"}, ["b", "é", "\U0001f600"], ["a", "B", 7, None]),
        ({"gt": "a", "lt": "c"}, ["b", "aa"], ["a", "c", ""]),
        ({"ge": 2, "le": 1}, [], [1, 2]),
    ],
)
def test_a_range_compares_what_is_of_its_kind(bounds: dict[str, Any], inside: list[Any], outside: list[Any]) -> None:
    condition = VectorFilter.between("f", **bounds)
    assert [found for found in inside if not condition.accepts({"f": found})] == []
    assert [found for found in outside if condition.accepts({"f": found})] == []
    assert not condition.accepts({})


@given(LEAVES, LEAVES, LEAVES, METADATA)
def test_conditions_go_together_as_in_logic(
    a: VectorFilter, b: VectorFilter, c: VectorFilter, metadata: dict[str, Any]
) -> None:
    is_a, is_b, is_c = (condition.accepts(metadata) for condition in (a, b, c))
    assert (a & b | c).accepts(metadata) == ((is_a and is_b) or is_c)
    assert (a & (b | c)).accepts(metadata) == (is_a and (is_b or is_c))
    assert (~(a | b) & ~c).accepts(metadata) == (not (is_a or is_b) and not is_c)


def test_a_long_chain_stays_flat_and_a_deep_one_is_refused() -> None:
    chain = VectorFilter.equals("f", 0)
    for n in range(1, 5_000):
        chain = chain | VectorFilter.equals("f", n)
    assert chain.depth == 2
    assert chain.accepts({"f": 4_999})
    deep = VectorFilter.equals("f", 0)
    for _ in range(DEPTH_MAX - 1):
        deep = ~deep
    assert deep.depth == DEPTH_MAX
    with pytest.raises(InvalidInputError, match="deep"):
        deep & chain


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1], {}, b"a", object()])
def test_a_bad_value_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInputError):
        VectorFilter.equals("f", value)
    with pytest.raises(InvalidInputError):
        VectorFilter.is_in("f", [1, value])


@pytest.mark.parametrize("field", [1, None, b"a"])
def test_a_bad_field_is_refused(field: Any) -> None:
    for make in (
        lambda: VectorFilter.equals(field, 1),
        lambda: VectorFilter.is_in(field, [1]),
        lambda: VectorFilter.between(field, gt=1),
    ):
        with pytest.raises(InvalidInputError, match="field"):
            make()


@pytest.mark.parametrize("values", ["ab", b"ab", 1, None])
def test_values_are_a_list(values: Any) -> None:
    with pytest.raises(InvalidInputError, match="list"):
        VectorFilter.is_in("f", values)
    with pytest.raises(InvalidInputError, match=str(VALUES_MAX)):
        VectorFilter.is_in("f", range(VALUES_MAX + 1))


@pytest.mark.parametrize(
    "bounds",
    [{}, {"gt": 1, "ge": 1}, {"lt": 1, "le": 1}, {"gt": 1, "lt": "a"}, {"gt": True}, {"ge": float("nan")}, {"lt": []}],
    ids=str,
)
def test_a_range_has_one_bound_a_side_and_one_kind(bounds: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        VectorFilter.between("f", **bounds)


def test_words_in_the_place_of_signs_are_a_mistake() -> None:
    first = VectorFilter.equals("f", 1)
    with pytest.raises(TypeError, match="&"):
        bool(first)
    for other in ({"f": 1}, True, None):
        with pytest.raises(InvalidInputError, match="filter"):
            first & other  # type: ignore[operator]
