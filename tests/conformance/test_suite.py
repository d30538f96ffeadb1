"""The suite itself: complete, without hidden tests, with every skip declared, and able to fail."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import charter_persist.testing
from charter_persist.testing import LedgerConformance, PostgresPlaces, PrivatePlaces, Requirement, SqlitePlaces
from charter_persist.testing import assertions as assertions_module
from charter_persist.testing.etcd_places import EtcdPlaces
from charter_persist.testing.places import MemoryPlaces

PARTS = [part for part in LedgerConformance.__mro__ if any(name.startswith("test_") for name in vars(part))]
NEEDS_REOPEN = {
    "test_a_store_that_is_opened_again_goes_on",
    "test_a_store_that_is_closed_inside_a_unit_commits_nothing",
    "test_who_waits_for_the_lock_of_another_handle_is_interrupted",
}
NEEDS_READ_ONLY = {"test_a_read_only_handle_reads_and_never_writes"}
NEEDS_JOURNAL = {
    "test_every_change_of_a_key_is_logged",
    "test_the_journal_has_what_a_unit_came_to",
    "test_a_flushed_key_is_not_changed_again",
    "test_each_unit_of_a_batch_has_its_own_revision",
    "test_a_ledger_keeps_the_limits_of_keys",
    "test_a_unit_lists_what_it_flushed",
    "test_a_watch_holds_no_view_while_it_waits",
}


def methods_of(part: type) -> dict[str, Callable[..., Any]]:
    return {name: test for name, test in vars(part).items() if name.startswith("test_")}


def skipped(lacks: frozenset[Requirement]) -> set[str]:
    """The tests that a backend skips which lacks this."""
    return {
        name
        for part in PARTS
        for name, test in methods_of(part).items()
        if getattr(test, "requirements", frozenset()) & lacks
    }


def test_no_test_of_one_part_hides_one_of_another() -> None:
    names = Counter(name for part in PARTS for name in methods_of(part))
    assert [name for name, count in names.items() if count > 1] == []


def test_every_part_that_is_public_is_in_the_suite() -> None:
    public = {name for name in charter_persist.testing.__all__ if name.endswith("Conformance")}
    assert public == {part.__name__ for part in PARTS} | {"LedgerConformance", "KeyStoreConformance"}


def test_every_test_says_what_it_requires() -> None:
    assert [name for part in PARTS for name, test in methods_of(part).items() if not test.__doc__] == []


@pytest.mark.spec("P58")
def test_skips_are_exactly_what_a_backend_declares() -> None:
    assert skipped(SqlitePlaces.lacks) == skipped(PostgresPlaces.lacks) == set()
    assert skipped(MemoryPlaces.lacks) == skipped(PrivatePlaces.lacks) == NEEDS_REOPEN | NEEDS_READ_ONLY
    assert skipped(frozenset({Requirement.READ_ONLY})) == NEEDS_READ_ONLY
    assert skipped(EtcdPlaces.lacks) == NEEDS_JOURNAL


def test_pytest_explains_the_assertions_of_every_module_with_tests() -> None:
    modules = {Path(inspect.getfile(part)).stem for part in PARTS}
    assert modules <= set(assertions_module.EXPLAINED)
    assert all(
        (Path(assertions_module.__file__).parent / f"{name}.py").exists() for name in assertions_module.EXPLAINED
    )


def test_public_names_are_sorted_and_exist() -> None:
    names = charter_persist.testing.__all__
    constants = [name for name in names if name.isupper()]
    classes = [name for name in names if name[0].isupper() and name not in constants]
    assert names == [*sorted(constants), *sorted(classes), *sorted(set(names) - {*constants, *classes})]
    assert all(hasattr(charter_persist.testing, name) for name in names)
