"""The index answers what the objects say, whatever they say, and however they come in."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charter_persist.index.adoption import first_digests, records_in_force
from charter_persist.index.follow import follow
from charter_persist.index.index import Index
from charter_persist.index.rebuild import digest_of, rebuild
from charter_persist.index.scan import Scan
from charter_persist.index.stored import read_object
from tests.index_rows import Planted, Rows, every_answer, row, worlds

relaxed = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.mark.spec("IDX-2", "IDX-4", "IDX-5", "IDX-6", "IDX-7", "GOV-2", "GOV-14", "HASH-6", "P31")
@given(world=worlds())
@relaxed
def test_an_index_answers_every_question_as_reading_the_objects_does(world: list[Planted]) -> None:
    rows = Rows()
    rows.commit(world)
    snapshot = rows.backend.snapshot()
    assert every_answer(rebuild(snapshot)) == every_answer(Scan(snapshot))


@pytest.mark.spec("IDX-9", "P31")
@given(world=worlds(), data=st.data())
@relaxed
def test_neither_order_nor_division_into_batches_shows(world: list[Planted], data: st.DataObject) -> None:
    whole, pieces = Index(), Index()
    whole.apply([read_object(row(1, item)) for item in world])
    shuffled = data.draw(st.permutations(world))
    cuts = data.draw(st.lists(st.integers(min_value=0, max_value=len(world)), max_size=4).map(sorted))
    for start, end in pairwise([0, *cuts, len(world)]):
        pieces.apply([read_object(row(1, item)) for item in shuffled[start:end]])
        pieces.apply([read_object(row(1, item)) for item in shuffled[:start]])  # what is known changes nothing
    assert digest_of(pieces) == digest_of(whole)
    assert every_answer(pieces) == every_answer(whole)


@pytest.mark.spec("IDX-10", "P31")
@given(world=worlds(), data=st.data())
@relaxed
def test_an_index_that_follows_the_journal_equals_one_that_is_rebuilt(
    world: list[Planted], data: st.DataObject
) -> None:
    rows = Rows()
    following = rebuild(rows.backend.snapshot())
    cuts = data.draw(st.lists(st.integers(min_value=0, max_value=len(world)), max_size=4).map(sorted))
    for start, end in pairwise([0, *cuts, len(world)]):
        rows.commit(world[start:end])
        snapshot = rows.backend.snapshot()
        follow(following, snapshot)
        rebuilt = rebuild(snapshot)
        assert digest_of(following) == digest_of(rebuilt)
        assert every_answer(following) == every_answer(rebuilt) == every_answer(Scan(snapshot))


@pytest.mark.spec("IDX-9")
@given(world=worlds(most=20))
@settings(relaxed, max_examples=3)
def test_a_hundred_shuffles_give_one_digest(world: list[Planted]) -> None:
    objects = [read_object(row(1, item)) for item in world]
    digests: set[Any] = set()
    for seed in range(100):
        random.Random(seed).shuffle(objects)
        index = Index()
        index.apply(objects)
        digests.add(digest_of(index))
    assert len(digests) == 1


few = st.integers(min_value=0, max_value=6).map(str)


@pytest.mark.spec("GOV-14")
@given(lists=st.dictionaries(few, st.sets(few, max_size=3), max_size=7))
def test_records_in_force_are_those_that_none_in_force_lists(lists: dict[Any, set[Any]]) -> None:
    force: set[Any] = set()
    out: set[Any] = set()
    for _ in lists:  # round by round: at least one record is decided in each, or none ever
        force |= {record for record in lists if all(record not in lists[by] or by in out for by in lists)}
        out |= {record for record in lists if any(record in lists[by] for by in force)}
    assert records_in_force(lists) == force


@pytest.mark.spec("HASH-6")
@given(pairs=st.lists(st.tuples(few, few), max_size=7))
def test_every_alias_stands_for_a_digest_that_is_none(pairs: list[tuple[Any, Any]]) -> None:
    first = first_digests(pairs)
    assert not first.keys() & set(first.values())
    for old, new in pairs:
        assert first.get(old, old) == first.get(new, new) or len([o for o, n in pairs if n == new and o != n]) > 1


@pytest.mark.spec("IDX-10")
@given(world=worlds())
@relaxed
def test_asking_changes_nothing(world: list[Planted]) -> None:
    index = Index()
    index.apply([read_object(row(1, item)) for item in world])
    before = digest_of(index)
    first = every_answer(index)
    assert every_answer(index) == first
    assert digest_of(index) == before
