"""A snapshot as it was right after a past revision, so that every reader of the present reads the past unchanged.

Rows that are only ever added are those up to the last journal position of the revision. Tables of the present state
are not read at all: their rows are derived from the newest row of their log up to that position.

Cost: opening reads log2(n) + 1 single rows, for n journal entries, and the first read of a log that may have been
compacted its few records of that. After that a `get` reads one row, of a session its
log rows since then as well. A scan whose order goes on with the position costs what it costs today; any other one
reads the younger rows within its bounds too and drops them. A scan of refs, keys or sessions reads the log rows within
its bounds and keeps one of them at a time, but sessions by area are collected from the whole log and sorted.

Imports ``backends.contract``, ``journal``, ``model``, ``errors`` and the rules of compaction, keys and sessions.

Source: GOV-15, KV-4, DESIGN 1.2.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import Any, Final

from charter_persist.backends.contract import (
    ARCHIVE_ENTRY,
    ARCHIVE_HEAD,
    AUDIT,
    EVENT,
    EXECUTION,
    INTENT_EDGE_LOG,
    INTENT_LOG,
    JOURNAL,
    JOURNAL_TILE,
    JOURNAL_TILE_ROOT,
    KV_CHANGE,
    KV_ENTRY,
    METADATA_LOG,
    OBJECT,
    OPERATION,
    REF,
    REF_LOG,
    SESSION,
    SESSION_CANDIDATE,
    SESSION_LOG,
    SESSION_STANCE,
    JournalRow,
    Key,
    Reader,
    RefRow,
    Relation,
    Row,
    Snapshot,
)
from charter_persist.errors import CompactedError, IntegrityError, NotFoundError, NotSupportedError
from charter_persist.journal.ledger import BY_POSITION
from charter_persist.journal.tree import TILE_WIDTH
from charter_persist.model.text import POSITION_MAX, check_position
from charter_persist.repositories.bounds import EVERYTHING, Bounds
from charter_persist.repositories.compaction import BY_KEY, Compaction, compactions, is_record, known_from
from charter_persist.repositories.intent_change import BY_SUBJECT, PARTS
from charter_persist.repositories.kv_change import entry_row
from charter_persist.repositories.sessions import BY_VERSION, projection_of

_APPENDED: Final = frozenset(
    {
        *(OBJECT, REF_LOG, AUDIT, METADATA_LOG, SESSION_LOG, KV_CHANGE, INTENT_LOG, INTENT_EDGE_LOG),
        *(ARCHIVE_ENTRY, ARCHIVE_HEAD, EVENT, EXECUTION, JOURNAL),
    }
)
_PARTS: Final = {part.table: part for part in PARTS}
_TILES: Final = frozenset({JOURNAL_TILE, JOURNAL_TILE_ROOT})
_LOGS: Final[Mapping[Relation[Any], tuple[Relation[Any], tuple[str, ...]]]] = {
    REF: (REF_LOG, ("name", "position")),
    SESSION: (SESSION_LOG, BY_VERSION),
    SESSION_CANDIDATE: (SESSION_LOG, BY_VERSION),
    SESSION_STANCE: (SESSION_LOG, BY_VERSION),
    KV_ENTRY: (KV_CHANGE, BY_KEY),
    **{part.table: (part.log, BY_SUBJECT) for part in PARTS},
}
"""For each table of the present state the log it follows from, in the order that keeps a subject's rows together."""


class PastReader:
    """`contract.Reader` over another one, as it was right after a revision.

    Operations that changed nothing have no place in the journal, so every past has them; the others are there from
    their revision on.
    """

    def __init__(self, below: Reader, revision: int) -> None:
        """Find where the revision ends.

        Args:
            below: the present.
            revision: 0, before the first unit, to the newest one.

        Raises:
            InvalidInputError: ``revision`` is not an integer of 0 or more.
            NotFoundError: there is no such revision yet.
            IntegrityError: a journal entry is missing.

        Spec: GOV-15
        """
        self._below = below
        self._revision = check_position(revision, field="as_of")
        self._position = last_position(below, self._revision)
        self._compactions: dict[Relation[Any], list[Compaction]] = {}

    def get(self, relation: Relation[Row], key: Key) -> Row | None:
        """The row of that key, or None."""
        if relation in _LOGS:
            return next(self.scan(relation, relation.key, prefix=key), None)
        self._check_kept(relation, (), EVERYTHING)
        was_there = self._filter(relation)
        row = self._below.get(relation, key)
        return row if row is not None and was_there(row) else None

    def get_many(self, relation: Relation[Row], keys: Sequence[Key]) -> list[Row]:
        """The rows that exist among the keys."""
        if relation in _LOGS:
            return [row for key in keys if (row := self.get(relation, key)) is not None]
        self._check_kept(relation, (), EVERYTHING)
        return list(filter(self._filter(relation), self._below.get_many(relation, keys)))

    def scan(
        self,
        relation: Relation[Row],
        order: tuple[str, ...],
        *,
        prefix: Key = (),
        after: Key | None = None,
        start: Key | None = None,
        stop: Key | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> Iterator[Row]:
        """Rows in order."""
        bounds = Bounds(prefix, after, start, stop, reverse)
        if relation in _LOGS:
            return islice(self._derived(relation, order, bounds), limit)
        self._check_kept(relation, order, bounds)
        was_there = self._filter(relation)
        if order[len(prefix) :] == BY_POSITION:
            end = (self._position + 1,)
            stop = end if stop is None else min(stop, end)
            return self._below.scan(
                relation, order, prefix=prefix, after=after, start=start, stop=stop, reverse=reverse, limit=limit
            )
        rows = self._below.scan(relation, order, prefix=prefix, after=after, start=start, stop=stop, reverse=reverse)
        return islice(filter(was_there, rows), limit)

    def _filter(self, relation: Relation[Any]) -> Callable[[Any], bool]:
        """Tells which rows of a relation were there already.

        Raises:
            NotSupportedError: the past of the relation is not known.
        """
        position, revision = self._position, self._revision
        if relation in _TILES:
            return lambda tile: (tile.tile + 1) * TILE_WIDTH ** (tile.level + 1) <= position
        if relation is OPERATION:
            return lambda row: row.revision is None or row.revision <= revision
        if relation not in _APPENDED:
            raise NotSupportedError(f"{relation.name} cannot be read as of a past revision; read the present")
        return lambda row: row.position <= position

    def _check_kept(self, log: Relation[Any], order: tuple[str, ...], bounds: Bounds) -> None:
        """Refuse to read what a compaction dropped since then.

        Raises:
            CompactedError: the log was compacted beyond the revision, of keys that may be within the bounds.
        """
        if log not in (METADATA_LOG, KV_CHANGE):
            return
        if log not in self._compactions:
            self._compactions[log] = compactions(self._below, log)
        for found in self._compactions[log]:
            position, revision = known_from(self._below, log, found)
            if self._position < position and (order != BY_KEY or bounds.meet(found.prefix)):
                raise CompactedError(
                    f"{log.name} was compacted and is not known as of revision {self._revision} any more; "
                    f"read it as of {revision} or later",
                    oldest=revision,
                )

    def _derived(self, relation: Relation[Any], order: tuple[str, ...], bounds: Bounds) -> Iterator[Any]:
        """Rows of a table of the present state, from its log."""
        columns = _columns(relation, order)
        subjects: Iterable[list[Any]]
        if order[0] == relation.key[0]:
            subjects = (_rows(relation, newest) for newest in self._newest(relation, bounds))
        else:
            everything = self._newest(relation, Bounds((), None, None, None, bounds.reverse))
            subjects = [list(chain.from_iterable(_rows(relation, newest) for newest in everything))]
        for rows in subjects:
            for row in sorted(rows, key=columns, reverse=bounds.reverse):
                if bounds.admit(columns(row)):
                    yield row

    def _newest(self, relation: Relation[Any], bounds: Bounds) -> Iterator[Any]:
        """The newest log row of each subject that may have rows within the bounds, in the direction of the scan."""
        log, order = _LOGS[relation]
        if bounds.prefix:
            yield from self.scan(log, order, prefix=bounds.prefix[:1], reverse=True, limit=1)
            return

        def around(bound: Key | None, place: int) -> Key | None:
            return None if bound is None else (bound[0], place)

        # A bound may lie within a subject, so the subject itself is always read.
        rows = self.scan(
            log,
            order,
            after=around(bounds.after, POSITION_MAX if bounds.reverse else 0),
            start=around(bounds.start, 0),
            stop=around(bounds.stop, POSITION_MAX),
            reverse=bounds.reverse,
        )
        for _, changes in groupby(rows, key=attrgetter(order[0])):
            yield max(changes, key=attrgetter("position"))


class PastSnapshot(PastReader):
    """`contract.Snapshot` over another one, which is closed with it and left open where it cannot be made."""

    def __init__(self, below: Snapshot, revision: int) -> None:
        super().__init__(below, revision)
        self._snapshot = below

    def head(self) -> None:
        """Nothing was kept beside the journal of then."""

    def close(self) -> None:
        """Give the snapshot back."""
        self._snapshot.close()


def last_position(reader: Reader, revision: int) -> int:
    """The last journal position of a revision, by bisection: positions and revisions grow together.

    Raises:
        NotFoundError: there is no such revision yet.
        IntegrityError: a journal entry is missing.
    """
    last = _last_entry(reader)
    size, newest = (last.position, last.revision) if last else (0, 0)
    if revision > newest:
        raise NotFoundError(f"there is no revision {revision}; the newest is {newest}", newest=newest)
    return bisect_right(range(1, size + 1), revision, key=lambda position: _entry(reader, position).revision)


def last_position_before(reader: Reader, moment: int) -> int:
    """The last journal position that was recorded before a time, by bisection; 0 where there is none.

    Where the clock went backwards it is one of those that fit.

    Args:
        reader: of the journal.
        moment: microseconds since 1970 UTC.

    Raises:
        IntegrityError: a journal entry is missing.
    """
    last = _last_entry(reader)
    places = range(1, last.position + 1 if last else 1)
    return bisect_left(places, moment, key=lambda position: _entry(reader, position).recorded_at)


def _last_entry(reader: Reader) -> JournalRow | None:
    return next(reader.scan(JOURNAL, BY_POSITION, reverse=True, limit=1), None)


def _entry(reader: Reader, position: int) -> JournalRow:
    entry = reader.get(JOURNAL, (position,))
    if entry is None:
        raise IntegrityError(f"the journal entry {position} is missing; run `charter verify`", position=position)
    return entry


def _columns(relation: Relation[Any], order: tuple[str, ...]) -> Callable[[Any], Key]:
    """What an order sorts a row by."""
    places = relation.places[order]
    return lambda row: tuple([row[place] for place in places])


def _rows(relation: Relation[Any], newest: Any) -> list[Any]:
    """The rows of a table of the present state that follow from the newest log row of a subject."""
    if relation is KV_ENTRY:
        row = None if is_record(KV_CHANGE, newest.key) else entry_row(newest)
        return [] if row is None else [row]
    if relation in _PARTS:
        state = _PARTS[relation].row_of(newest)
        return [] if state is None else [state]
    if relation is REF:
        deleted = newest.digest is None
        return [] if deleted else [RefRow(newest.name, newest.digest, newest.version, newest.revision, newest.position)]
    return [row for (of, _), row in projection_of(newest).items() if of is relation]
