"""Limits: the defaults of the requirements, and that they can only be lowered."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

import pytest

from charter_persist.errors import InvalidInputError, LimitExceededError
from charter_persist.model.limits import DEFAULT_OPTIONS, Options, SizeLimit

DEFAULTS = {
    "key_bytes_max": 1024,
    "ref_name_bytes_max": 512,
    "object_bytes_max": 16_777_216,
    "kv_value_bytes_max": 67_108_864,
    "nesting_max": 128,
    "transaction_operations_max": 10_000,
    "page_items_max": 10_000,
    "audit_details_bytes_max": 262_144,
    "batch_objects_max": 100_000,
    "operation_value_bytes_max": 65_536,
    "vector_dimension_max": 65_536,
    "vector_content_bytes_max": 1_048_576,
    "vector_metadata_bytes_max": 65_536,
}


def test_the_defaults_are_those_of_the_requirements() -> None:
    assert dataclasses.asdict(DEFAULT_OPTIONS) == DEFAULTS
    assert Options() == DEFAULT_OPTIONS


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_limit_can_be_lowered_to_one(name: str) -> None:
    for value in (1, DEFAULTS[name] - 1, DEFAULTS[name]):
        assert dataclasses.asdict(Options(**{name: value})) == {**DEFAULTS, name: value}


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_limit_cannot_be_raised(name: str) -> None:
    with pytest.raises(LimitExceededError, match=f"^{name} is ") as caught:
        Options(**{name: DEFAULTS[name] + 1})
    assert (caught.value.limit, caught.value.maximum) == (name, DEFAULTS[name])
    assert caught.value.actual == DEFAULTS[name] + 1


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_is_at_least_one(name: str, value: int) -> None:
    with pytest.raises(InvalidInputError, match=f"^{name} is {value}, the minimum is 1"):
        Options(**{name: value})


@pytest.mark.parametrize("value", [True, 1.0, "1", None])
def test_a_limit_is_exactly_an_int(value: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"^nesting_max must be an int"):
        Options(nesting_max=value)


def test_options_are_never_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEFAULT_OPTIONS.nesting_max = 1  # type: ignore[misc]


@pytest.mark.parametrize("limit", get_args(SizeLimit))
def test_a_size_limit_is_found_by_its_name(limit: SizeLimit) -> None:
    assert Options(**{limit: 7}).bytes_max(limit) == 7
