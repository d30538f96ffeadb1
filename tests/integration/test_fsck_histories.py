"""Another history of the audit log: what the store shows by itself, and what only an earlier checkpoint shows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from charter_persist import Store, connect
from charter_persist.backends.contract import AUDIT, JOURNAL, JOURNAL_TILE, AuditRow, JournalRow, TileRow
from charter_persist.integrity.fsck import FsckReport, fsck
from charter_persist.journal.checkpoint import Checkpoint
from charter_persist.journal.entry import commitment, leaf
from charter_persist.journal.tree import Tree
from charter_persist.model.canonical import canonical_bytes, load_canonical
from charter_persist.repositories.audit import audit_row
from charter_persist.testing.backdoors import MemoryBackDoor

SIZES = (1, 2, 3, 4, 5, 8, 9, 1_000)
Events = list[AuditRow]


def edited(rows: Events, at: int) -> Events:
    event = {**load_canonical(rows[at].data), "actor": "mallory"}
    return [*rows[:at], audit_row(rows[at].position, canonical_bytes(event)), *rows[at + 1 :]]


def deleted(rows: Events, at: int) -> Events:
    return rows[:at] + rows[at + 1 :]


def inserted(rows: Events, at: int) -> Events:
    event = {**load_canonical(rows[at].data), "event_id": "planted"}
    return [*rows[:at], audit_row(rows[at].position, canonical_bytes(event)), *rows[at:]]


def swapped(rows: Events, at: int) -> Events:
    other = at - 1 if at else len(rows) - 1
    rows = rows.copy()
    rows[at], rows[other] = rows[other], rows[at]
    return rows


def reordered(rows: Events, at: int) -> Events:
    return rows[:at] + rows[: at - 1 if at else None : -1]


def duplicated(rows: Events, at: int) -> Events:
    event = {**load_canonical(rows[at].data), "event_id": "again"}
    return [*rows, audit_row(len(rows) + 1, canonical_bytes(event))]


def truncated(rows: Events, at: int) -> Events:
    return rows[:at]


MUTATIONS: tuple[Callable[[Events, int], Events], ...] = (
    edited,
    deleted,
    inserted,
    swapped,
    reordered,
    duplicated,
    truncated,
)


def in_place(rows: Events) -> Events:
    """The rows at the positions where they stand now."""
    return [row._replace(position=position) for position, row in enumerate(rows, 1)]


def journal_of(rows: Events, before: list[JournalRow]) -> tuple[list[JournalRow], list[TileRow]]:
    """The journal and the tiles that somebody makes who rewrites everything."""
    tree, entries, tiles = Tree(), [], []
    for row in rows:
        facts = {"subject": f"{row.scope}/{row.event_id}", "commitment": commitment(b"", row.data)}
        entry = before[min(row.position, len(before)) - 1]._replace(
            position=row.position, revision=row.position, **facts
        )
        entries.append(entry._replace(leaf=leaf(entry)))
        tree.append(entries[-1].leaf)
        tiles += [TileRow(tile.level, tile.number, tile.root, tile.nodes) for tile in tree.take_tiles()]
    return entries, tiles


class History:
    """A store of so many audit events, and what it was."""

    def __init__(self, store: Store, size: int) -> None:
        for number in range(size):
            with store.begin() as uow:
                uow.audit.append("NOTED", scope="GLOBAL", subject=("n", str(number)), event_id=f"e{number}")
        self.store = store
        self.door = MemoryBackDoor(store._backend)
        self.events = sorted(self.door.raw_rows(AUDIT))
        self.entries = sorted(self.door.raw_rows(JOURNAL))
        self.tiles = sorted(self.door.raw_rows(JOURNAL_TILE))
        with store.read() as view:
            self.checkpoint = Checkpoint(store.store_id, size, view.journal.root())

    def put(self, events: Events, entries: list[JournalRow], tiles: list[TileRow]) -> None:
        """Make this what is stored."""
        for relation, rows in ((AUDIT, events), (JOURNAL, entries), (JOURNAL_TILE, tiles)):
            kept = {relation.key_of(row): row for row in rows}
            for row in self.door.raw_rows(relation):
                if kept.get(relation.key_of(row)) != row:
                    self.door.raw_delete(relation, relation.key_of(row))
                else:
                    del kept[relation.key_of(row)]
            for row in kept.values():
                self.door.raw_put(relation, row)

    def both(self) -> tuple[FsckReport, FsckReport]:
        """What is seen without the checkpoint, and with it."""
        return fsck(self.store), fsck(self.store, checkpoint=self.checkpoint)


@pytest.mark.spec("P24", "GOV-11")
@pytest.mark.parametrize("size", SIZES)
def test_another_history_is_found_by_itself_or_by_a_checkpoint(size: int) -> None:
    with connect("memory://") as store:
        history = History(store, size)
        assert [found.level for found in history.both()] == ["chain", "checkpoint"]
        for at in sorted({0, 1, size // 2, size - 2, size - 1} & set(range(size))):
            for mutate in MUTATIONS:
                events = in_place(mutate(history.events, at))
                if events == history.events:
                    continue  # such as the swap of one event with itself
                case = f"{mutate.__name__} at {at} of {size}"
                history.put(events, history.entries, history.tiles)
                assert [bool(found.counts) for found in history.both()] == [True, True], case
                # Whoever rewrites the journal as well leaves a store that agrees with itself: that is what is claimed,
                # and no more. The checkpoint shows it, unless events were only added.
                history.put(events, *journal_of(events, history.entries))
                alone, compared = history.both()
                assert (alone.counts, alone.level) == ({}, "chain" if events else "none"), case
                grown = events[:size] == history.events
                assert bool(compared.counts) is not grown, case
        history.put(history.events, history.entries, history.tiles)
        assert [found.level for found in history.both()] == ["chain", "checkpoint"]
