"""Conformance of the contract itself: what a reader answers is judged by the rows that the back door finds.

Source: DESIGN 1.3, ``backends.contract``.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, Final

import pytest

from charter_persist.backends.contract import JOURNAL_TILE, JOURNAL_TILE_ROOT, RELATIONS, Key, Relation
from charter_persist.model.event import ExecutionPaused, ExecutionResumed
from charter_persist.model.state import ExecutionSnapshot
from charter_persist.model.time import from_micros
from charter_persist.model.vector import VectorDocument
from charter_persist.repositories.write_set import WriteSet
from charter_persist.store import Store
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.testing.history import record_history
from charter_persist.testing.intents import edge, intent
from charter_persist.testing.sources import CountingSources
from charter_persist.unit_of_work import UnitOfWork

SAMPLES: Final = 5
ERASABLE: Final = tuple(relation for relation in RELATIONS if relation.erasable)

NAMES: Final = ("\u00e9", "Z", "a", "\U0001f600", "\ufb33", "a b")


def record_everything(store: Store) -> None:
    """Rows in every relation, and texts that a collation would order in another way."""
    record_history(store)
    for name in NAMES:
        with store.begin() as uow:
            uow.refs.set(name, uow.objects.put(f"t{ord(name[0])}", name), expected=0)
            uow.metadata.set(name, name)
            uow.kv.set(f"/{name}", name.encode(), lease=uow.leases.grant(60.0 + len(name)))
            uow.archive("plan").store({"plan_id": name})
            uow.vectors.ensure_collection(name, 2)
            uow.vectors.upsert_batch(name, [VectorDocument(each, name, [1.0, 2.0], {"a": name}) for each in NAMES])
            uow.audit.append("NOTED", scope=f"AREA:{name}", subject=(name, name), event_id=name)
            uow.intents.store(intent(name))
            uow.intents.add_edge(edge(name, NAMES[0], weight=0.5))
            uow.sessions.create(session_id=name, area_id=name, problem_statement="why")
            uow.events.append_batch(name, [ExecutionResumed(), ExecutionPaused(name)], tenant_id=NAMES[0])
            uow.states.save_snapshot(
                ExecutionSnapshot(
                    execution_id=name, tenant_id=NAMES[0], state=name, sequence_number=2, timestamp=from_micros(uow.now)
                )
            )
            uow.states.set(name, name.encode(), ttl_s=None if name == "a" else 3600)
            uow.messages.create_thread(tenant_id=NAMES[0], user_id=name, thread_id=name)
            uow.messages.create_message(name, role="user", content=name, message_id=name)
            uow.messages.create_message(name, role="tool", content=name, message_id=f"{name}-2", parent_id=name)
        store.run(lambda uow: None, operation_id=name)


def columns(relation: Relation[Any], order: tuple[str, ...], row: Any) -> Key:
    """What an order sorts a row by: text by its UTF-8 bytes."""
    values = [getattr(row, name) for name in order]
    return tuple([value.encode() if isinstance(value, str) else value for value in values])


def all_orders() -> Iterator[tuple[Relation[Any], tuple[str, ...]]]:
    """Every relation with each of its orders."""
    return ((relation, order) for relation in RELATIONS for order in relation.orders)


@pytest.mark.spec("STO-1")
class RelationConformance(StoreFixtures):
    """What a snapshot answers for every relation, order and bound."""

    @pytest.fixture
    def full_store(self, open_store: OpenStore) -> Iterator[Store]:
        """A store with rows in every relation."""
        with open_store(**CountingSources().arguments()) as store:
            record_everything(store)
            yield store

    def test_a_scan_gives_every_row_in_its_order(self, full_store: Store, backdoor: BackDoor) -> None:
        """Each order of each relation, in both directions."""
        with full_store.read() as view:
            for relation, order in all_orders():
                expected = sorted(backdoor.raw_rows(relation), key=lambda row: columns(relation, order, row))
                assert expected, f"the history leaves {relation.name} empty"
                assert list(view.reader.scan(relation, order)) == expected
                assert list(view.reader.scan(relation, order, reverse=True)) == expected[::-1]
                assert all(type(row) is relation.row for row in view.reader.scan(relation, order, limit=3))

    def test_bounds_choose_exactly_the_rows_within(self, full_store: Store, backdoor: BackDoor) -> None:
        """Prefix, after, start, stop and limit, alone and together, at rows and between them."""
        random = Random(7)  # noqa: S311  # chance, not a secret
        with full_store.read() as view:
            for relation, order in all_orders():
                rows = sorted(backdoor.raw_rows(relation), key=lambda row: columns(relation, order, row))
                for _ in range(SAMPLES * len(order)):
                    depth = random.randrange(len(order))
                    here = random.choice(rows)
                    prefix = tuple(getattr(here, name) for name in order[:depth])
                    rest = order[depth:]
                    bounds: dict[str, Any] = {
                        name: tuple(getattr(random.choice(rows), column) for column in rest)
                        for name in ("after", "start", "stop")
                        if random.random() < 0.4
                    }
                    reverse, limit = random.random() < 0.5, random.choice([None, 0, 1, 2, 70])
                    found = list(
                        view.reader.scan(relation, order, prefix=prefix, reverse=reverse, limit=limit, **bounds)
                    )
                    expected = within(rows, order, prefix, bounds, reverse=reverse)[:limit]
                    assert found == expected, (relation.name, order, prefix, bounds, reverse, limit)

    def test_a_key_finds_its_row_and_no_other(self, full_store: Store, backdoor: BackDoor) -> None:
        """`get` and `get_many` for every relation, keys of several columns and absent keys included."""
        with full_store.read() as view:
            for relation in RELATIONS:
                rows = sorted(backdoor.raw_rows(relation), key=repr)[:40]
                keys = [relation.key_of(row) for row in rows]
                assert [view.reader.get(relation, key) for key in keys] == rows
                # The first column of one row with the rest of another: catches a key that is compared in part.
                mixed = [(first[0], *second[1:]) for first, second in zip(keys, reversed(keys), strict=True)]
                absent = [key for key in mixed if key not in keys]
                assert [view.reader.get(relation, key) for key in absent] == [None] * len(absent)
                assert sorted(view.reader.get_many(relation, [*keys[::2], *absent]), key=repr) == rows[::2]
                assert list(view.reader.get_many(relation, [])) == []

    def test_a_narrower_relation_shows_the_same_rows(self, full_store: Store) -> None:
        """The roots of tiles can be read without their nodes."""
        with full_store.read() as view:
            tiles = list(view.reader.scan(JOURNAL_TILE, ("level", "tile")))
            roots = list(view.reader.scan(JOURNAL_TILE_ROOT, ("level", "tile")))
            assert [tuple(root) for root in roots] == [tile[:3] for tile in tiles]
            assert view.reader.get(JOURNAL_TILE_ROOT, roots[0][:2]) == roots[0]


@pytest.mark.spec("STO-1", "P28")
class ErasureConformance(StoreFixtures):
    """Rows of an erasable relation lose payload and nonce, and nothing else."""

    @pytest.fixture
    def full_store(self, open_store: OpenStore) -> Iterator[Store]:
        """A store with rows in every relation."""
        with open_store(**CountingSources().arguments()) as store:
            record_everything(store)
            yield store

    def test_an_erasure_takes_payload_and_nonce_and_nothing_else(self, full_store: Store, backdoor: BackDoor) -> None:
        """Whatever else the written row says: catches a backend that replaces the row."""
        for relation in ERASABLE:
            before = full_rows(relation, backdoor)
            row = before[0]
            other = before[-1]
            lying = relation.erased(other)._replace(**{name: getattr(row, name) for name in relation.key})
            write_past_the_rules(full_store, relation, [lying])
            assert backdoor.raw_get(relation, relation.key_of(row)) == relation.erased(row)
            assert full_rows(relation, backdoor) == before[1:]
            with full_store.read() as view:
                for order in relation.orders:
                    assert relation.erased(row) in list(view.reader.scan(relation, order))

    def test_many_rows_are_erased_beside_new_ones(self, full_store: Store, backdoor: BackDoor) -> None:
        """More than a backend that loads rows in bulk would write one by one."""
        for relation in ERASABLE:
            before = full_rows(relation, backdoor)
            new = [with_key(relation, before[0], 10_000 + n) for n in range(100)]
            elsewhere = [relation.erased(with_key(relation, before[0], 20_000 + n)) for n in range(3)]
            rows = [*map(relation.erased, before), *new, *elsewhere]
            write_past_the_rules(full_store, relation, rows)
            found = {relation.key_of(row): row for row in backdoor.raw_rows(relation)}
            assert [found[relation.key_of(row)] for row in rows] == rows

    def test_a_snapshot_of_before_shows_what_was_erased_since(self, full_store: Store, backdoor: BackDoor) -> None:
        """A view stays as it was; what it shows is gone when it has ended."""
        for relation in ERASABLE:
            row = full_rows(relation, backdoor)[0]
            with full_store.read() as view:
                write_past_the_rules(full_store, relation, [relation.erased(row)])
                assert view.reader.get(relation, relation.key_of(row)) == row

    def test_an_erasure_that_is_rolled_back_leaves_the_row(self, full_store: Store, backdoor: BackDoor) -> None:
        """As every other change."""
        for relation in ERASABLE:
            row = full_rows(relation, backdoor)[0]
            with pytest.raises(RuntimeError, match="undone"), full_store.begin() as uow:
                write = write_set_of(uow)
                write.put(relation, relation.erased(row))
                write.flush()
                raise RuntimeError("undone")
            assert backdoor.raw_get(relation, relation.key_of(row)) == row


def full_rows(relation: Relation[Any], backdoor: BackDoor) -> list[Any]:
    """The rows that have a payload, in order of their keys."""
    rows = [row for row in backdoor.raw_rows(relation) if not relation.is_erasure(row)]
    assert rows, f"the history leaves {relation.name} empty"
    return sorted(rows, key=relation.key_of)


def with_key(relation: Relation[Any], row: Any, number: int) -> Any:
    """A row with every key and order of its own."""
    named = {*relation.key, *(name for order in relation.orders for name in order)}
    return row._replace(**{name: number for name in named if type(getattr(row, name)) is int})


def write_past_the_rules(store: Store, relation: Relation[Any], rows: list[Any]) -> None:
    """Commit rows that no repository was asked for."""
    with store.begin() as uow:
        for row in rows:
            write_set_of(uow).put(relation, row)


def write_set_of(uow: UnitOfWork) -> WriteSet:
    """What the repositories of a unit on a ledger write to."""
    context: Any = uow._context
    found: WriteSet = context.write
    return found


def within(rows: list[Any], order: tuple[str, ...], prefix: Key, bounds: dict[str, Key], *, reverse: bool) -> list[Any]:
    """The rows that a scan must give, by plain comparison."""

    def sortable(values: Key) -> Key:
        return tuple([value.encode() if isinstance(value, str) else value for value in values])

    found = []
    for row in rows[::-1] if reverse else rows:
        values = tuple(getattr(row, name) for name in order)
        rest = sortable(values[len(prefix) :])
        if values[: len(prefix)] != prefix:
            continue
        if "start" in bounds and rest < sortable(bounds["start"]):
            continue
        if "stop" in bounds and rest >= sortable(bounds["stop"]):
            continue
        if "after" in bounds:
            mark = sortable(bounds["after"])
            if not (rest < mark if reverse else rest > mark):
                continue
        found.append(row)
    return found
