"""A past snapshot answers each read by the rows that stood in the tables then, which the back door read at that time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain, combinations, product
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charter_persist.backends.contract import (
    JOURNAL_TILE_ROOT,
    KV_LEASE,
    MESSAGE,
    MESSAGE_LOG,
    OPERATION,
    REF,
    THREAD,
    THREAD_LOG,
    Relation,
    Snapshot,
)
from charter_persist.backends.memory import MemoryBackend
from charter_persist.errors import CharterError, NotSupportedError, StoreClosedError
from charter_persist.store import Store
from charter_persist.testing import CountingSources, DelegatingBackend, contents, open_over, places_for
from charter_persist.testing.as_of import random_unit
from charter_persist.testing.relations import all_orders, columns, within
from charter_persist.transfer.rows import CACHES

UNKNOWN = {KV_LEASE, MESSAGE, MESSAGE_LOG, THREAD, THREAD_LOG, *CACHES}
ORDERS = [pair for pair in all_orders() if pair[0] not in UNKNOWN] + [(JOURNAL_TILE_ROOT, ("level", "tile"))]
REVISIONS = 41
History = tuple[Store, list[dict[str, list[Any]]]]


@pytest.fixture(scope="module", params=["memory://", "sqlite://"])
def history(request: pytest.FixtureRequest) -> Iterator[History]:
    """A store with a history, and for each of its revisions every row that stood in it then."""
    place = places_for(request.param).new()
    with place.open_store(**CountingSources().arguments()) as store:
        kept, chance = [contents(place.backdoor)], Random(5)
        while len(kept) < REVISIONS:
            if len(kept) % 10:
                random_unit(store, chance)
            else:
                store.run(lambda uow: uow.objects.put("named", len(kept)), operation_id=f"changed {len(kept)}")
                store.run(lambda uow: None, operation_id=f"changed nothing {len(kept)}")
            kept.append(contents(place.backdoor))
        yield store, kept
    place.remove()


def rows_at(history: History, relation: Relation[Any], revision: int) -> list[Any]:
    """What stood in a relation then; an operation that changed nothing has no revision and always did."""
    kept = history[1]
    if relation is OPERATION:
        return [row for row in kept[-1][relation.name] if row.revision is None or row.revision <= revision]
    rows = kept[revision][relation.name]
    return [relation.make(row[:3]) for row in rows] if relation is JOURNAL_TILE_ROOT else rows


def subsets(names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    return chain.from_iterable(combinations(names, count) for count in range(len(names) + 1))


@pytest.mark.spec("GOV-15")
@pytest.mark.parametrize(
    ("relation", "order"), ORDERS, ids=lambda value: value.name if isinstance(value, Relation) else "-".join(value)
)
@settings(max_examples=60)
@given(data=st.data())
def test_a_scan_of_the_past_gives_the_rows_of_then(
    history: History, relation: Relation[Any], order: tuple[str, ...], data: st.DataObject
) -> None:
    revision = data.draw(st.integers(0, REVISIONS - 1))
    ever = dict.fromkeys(row for past in range(REVISIONS) for row in rows_at(history, relation, past))
    row = st.sampled_from(list(ever))
    depth = data.draw(st.integers(0, len(order)))
    here = data.draw(row)
    prefix = tuple(getattr(here, name) for name in order[:depth])
    names = ("after", "start", "stop") if depth < len(order) else ()
    drawn = {name: tuple(getattr(data.draw(row), column) for column in order[depth:]) for name in names}
    limit = data.draw(st.sampled_from([None, 0, 1, 2, 70]))
    rows = sorted(rows_at(history, relation, revision), key=lambda row: columns(relation, order, row))
    with history[0].read(as_of=revision) as view:
        for given_names, reverse in product(subsets(names), (False, True)):
            bounds: dict[str, Any] = {name: drawn[name] for name in given_names}
            found = list(view.reader.scan(relation, order, prefix=prefix, reverse=reverse, limit=limit, **bounds))
            assert found == within(rows, order, prefix, bounds, reverse=reverse)[:limit]


@pytest.mark.spec("GOV-15")
@given(data=st.data())
def test_a_key_finds_the_row_of_then(history: History, data: st.DataObject) -> None:
    relation = data.draw(st.sampled_from([relation for relation, _ in ORDERS]))
    revision = data.draw(st.integers(0, REVISIONS - 1))
    ever = {relation.key_of(row) for past in range(REVISIONS) for row in rows_at(history, relation, past)}
    then = {relation.key_of(row): row for row in rows_at(history, relation, revision)}
    keys = sorted(ever)
    with history[0].read(as_of=revision) as view:
        assert [view.reader.get(relation, key) for key in keys] == [then.get(key) for key in keys]
        assert sorted(view.reader.get_many(relation, keys), key=repr) == sorted(then.values(), key=repr)
        assert list(view.reader.get_many(relation, [])) == []


def test_a_past_that_is_refused_leaves_no_snapshot_open() -> None:
    taken: list[Snapshot] = []

    class Remembering(DelegatingBackend):
        def snapshot(self) -> Snapshot:
            taken.append(super().snapshot())
            return taken[-1]

    with open_over(lambda: Remembering(MemoryBackend()))() as store:
        for as_of in (1, -1):
            with pytest.raises(CharterError):
                store.read(as_of=as_of)
    for snapshot in taken:
        with pytest.raises(StoreClosedError):
            snapshot.get(REF, ("a",))
    assert len(taken) == 2


def test_a_relation_whose_past_is_not_known_is_refused() -> None:
    with places_for("memory://").new().open_store() as store, store.read(as_of=0) as view:
        for unknown in UNKNOWN:
            key = ("a",) * len(unknown.key)
            for read in (partial(view.reader.get, unknown, key), partial(view.reader.scan, unknown, unknown.key)):
                with pytest.raises(NotSupportedError, match=unknown.name):
                    read()
