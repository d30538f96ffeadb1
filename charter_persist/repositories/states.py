"""What executions cache: the newest snapshot of each, and values by key with a time to live. Never the source of truth.

No journal entry stands for any of it: a unit that changed nothing else has no receipt, a backup has none of it, no view
of the past shows it, and all of it may be dropped without loss. A value that has expired is absent; its row goes with a
later write.

Cost: one look-up a read, and one more for what tells whether a snapshot is stale. One row a write, and once in a unit
one look at what has expired.

Source: ENA-3, NEIGHBOURS 4 and 5.3, 6 row 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf
from operator import attrgetter
from typing import Any, Final

from charter_persist.backends.contract import STATE_SNAPSHOT, STATE_VALUE, Relation, SnapshotRow, StateValueRow
from charter_persist.errors import InvalidInputError, LimitExceededError, StoreClosedError
from charter_persist.model.canonical import canonical_bytes, load_canonical, parse_json
from charter_persist.model.plain import checked, from_json, to_json
from charter_persist.model.records import Page
from charter_persist.model.state import ExecutionSnapshot
from charter_persist.model.text import POSITION_MAX, check_position, check_text, prefix_end
from charter_persist.model.time import to_micros
from charter_persist.repositories.base import ReadContext, WriteContext
from charter_persist.repositories.events import EventReader
from charter_persist.repositories.paging import behind, page_by_name

NEVER: Final = POSITION_MAX
"""When a value expires that has no time to live."""
PURGED_WITH_A_WRITE: Final = 100
TTL_S_MAX: Final = 1e12
"""Beyond it nobody waits: some thirty thousand years."""
_BY_EXPIRY: Final = ("expires_at", "key")


class StateReader:
    """Reads of cached states."""

    def __init__(self, context: ReadContext) -> None:
        self._context = context
        self._events = EventReader(context)

    def load_snapshot(self, execution_id: str) -> ExecutionSnapshot | None:
        """Return the snapshot of an execution, or None; it says itself whether it is stale.

        Args:
            execution_id: that it is of.

        Raises:
            NotSupportedError: this is a view of the past.

        Spec: ENA-3
        """
        row = self._context.reader.get(STATE_SNAPSHOT, (_execution(execution_id),))
        return None if row is None else self._snapshot(row)

    def staleness(self, execution_id: str) -> int | None:
        """Return how many events the snapshot of an execution does not reflect; None where there is no snapshot.

        0 says that it reflects all of them; less than 0, that it tells of events which are not there.
        """
        row = self._context.reader.get(STATE_SNAPSHOT, (_execution(execution_id),))
        return None if row is None else self._events.latest(row.execution_id) - row.sequence_number

    def list_snapshots(self, tenant_id: str, *, limit: int = 100, cursor: str | None = None) -> Page[ExecutionSnapshot]:
        """Return one page of the snapshots of a tenant, by the UTF-8 bytes of their executions' ids.

        Args:
            tenant_id: that they belong to.
            limit: 1 to ``page_items_max``.
            cursor: of the page before; None for the first page.

        Raises:
            LimitExceededError: the page is too large.
            InvalidInputError: limit or cursor are not valid.
        """
        of_tenant = (check_text(tenant_id, field="tenant_id"),)

        def rows(after: str | None, count: int) -> Iterator[SnapshotRow]:
            order = ("tenant_id", "execution_id")
            return self._context.reader.scan(STATE_SNAPSHOT, order, prefix=of_tenant, after=behind(after), limit=count)

        name = attrgetter("execution_id")
        return page_by_name(self._context, limit, cursor, rows, name=name, item=self._snapshot)

    def get(self, key: str) -> bytes | None:
        """Return the value of a key; None where it was never set, was deleted, dropped or has expired.

        Args:
            key: taken as it is: ``a/b``, ``a_b`` and ``a:b`` are three keys.

        Raises:
            InvalidKeyError: the key is empty or holds a control character.
            LimitExceededError: it is longer than ``key_bytes_max``.
            NotSupportedError: this is a view of the past.

        Spec: ENA-3
        """
        row = self._context.reader.get(STATE_VALUE, (self._key(key),))
        return None if row is None or row.expires_at <= self._now() else row.value

    def get_json(self, key: str) -> Any:
        """Return the JSON value of a key; None where it is absent.

        Raises:
            NotCanonicalError: what it holds is no JSON.
        """
        value = self.get(key)
        return None if value is None else parse_json(value, limit="kv_value_bytes_max")

    def exists(self, key: str) -> bool:
        """Whether a key has a value that has not expired."""
        return self.get(key) is not None

    def _now(self) -> int:
        return to_micros(self._context.clock())

    def _key(self, key: str) -> str:
        return check_text(key, field="key", limit="key_bytes_max", maximum=self._context.options.key_bytes_max)

    def _snapshot(self, row: SnapshotRow) -> ExecutionSnapshot:
        found = from_json(ExecutionSnapshot, load_canonical(row.data))
        return replace(found, latest=self._events.latest(row.execution_id))


class StateRepository(StateReader):
    """Cached states of a unit of work; what it writes is seen with the commit, and lost at no one's cost."""

    _context: WriteContext

    def __init__(self, context: WriteContext) -> None:
        super().__init__(context)
        self._has_purged = False

    def save_snapshot(self, snapshot: ExecutionSnapshot) -> None:
        """Keep a snapshot in place of the one before of the same execution.

        Args:
            snapshot: at most ``object_bytes_max`` of canonical JSON.

        Raises:
            InvalidInputError: a field is not what it should be.
            NotCanonicalError: a value in it has no canonical JSON form.
            LimitExceededError: it is too large.

        Spec: ENA-3
        """
        if not isinstance(snapshot, ExecutionSnapshot):
            raise InvalidInputError(f"a snapshot must be an ExecutionSnapshot, got {type(snapshot).__name__}")
        name = _execution(snapshot.execution_id)
        tenant = check_text(snapshot.tenant_id, field="tenant_id")
        number = check_position(snapshot.sequence_number, field="sequence_number")
        data = canonical_bytes(to_json(checked(snapshot)), options=self._context.options)
        self._put(STATE_SNAPSHOT, SnapshotRow(name, tenant, number, data), len(data))

    def delete_snapshot(self, execution_id: str) -> bool:
        """Drop the snapshot of an execution; returns whether there was one."""
        row = self._context.write.get(STATE_SNAPSHOT, (_execution(execution_id),))
        return row is not None and bool(self._drop(STATE_SNAPSHOT, iter((row,))))

    def set(self, key: str, value: bytes, *, ttl_s: float | None = None) -> None:
        """Give a key a value, whatever it held.

        Args:
            key: as for `get`.
            value: opaque; at most ``kv_value_bytes_max`` bytes.
            ttl_s: from so many seconds on, by the store's clock, it is absent; None for never.

        Raises:
            InvalidInputError: the value is not ``bytes``, or the time to live is no number above 0.
            InvalidKeyError: the key is empty or holds a control character.
            LimitExceededError: key or value are too large.

        Spec: ENA-3
        """
        name = self._key(key)
        if type(value) is not bytes:
            raise InvalidInputError(f"a value must be bytes, got {type(value).__name__}")
        maximum = self._context.options.kv_value_bytes_max
        if len(value) > maximum:
            raise LimitExceededError(limit="kv_value_bytes_max", maximum=maximum, actual=len(value))
        row = StateValueRow(name, self._expiry(ttl_s), value)
        if not self._has_purged:
            self._has_purged = True
            self._drop(STATE_VALUE, self._expired(limit=PURGED_WITH_A_WRITE))
        self._put(STATE_VALUE, row, len(value))

    def set_json(self, key: str, value: Any, *, ttl_s: float | None = None) -> None:
        """As `set`, with the canonical JSON of a value.

        Raises:
            NotCanonicalError: it has no canonical form.
        """
        data = canonical_bytes(value, options=self._context.options, limit="kv_value_bytes_max")
        self.set(key, data, ttl_s=ttl_s)

    def delete(self, key: str) -> bool:
        """Drop the value of a key; returns whether there was one that had not expired."""
        row = self._context.write.get(STATE_VALUE, (self._key(key),))
        return row is not None and bool(self._drop(STATE_VALUE, iter((row,)))) and row.expires_at > self._now()

    def delete_execution(self, execution_id: str) -> int:
        """Drop the snapshot of an execution, and every key that begins with its id and ``/``.

        Returns:
            How many rows were dropped.
        """
        name = _execution(execution_id)
        start = f"{name}/"
        stop = prefix_end(start)
        keys = self._context.write.scan(
            STATE_VALUE, STATE_VALUE.key, start=(start,), stop=None if stop is None else (stop,)
        )
        return self._drop(STATE_VALUE, keys) + self.delete_snapshot(name)

    def purge_expired(self) -> int:
        """Drop every value that has expired; returns how many."""
        return self._drop(STATE_VALUE, self._expired())

    def drop_all(self) -> int:
        """Drop everything that is cached, of every execution; returns how many rows that were."""
        write = self._context.write
        return sum(self._drop(one, write.scan(one, one.key)) for one in (STATE_SNAPSHOT, STATE_VALUE))

    def _now(self) -> int:
        return self._context.now

    def _expiry(self, ttl_s: float | None) -> int:
        if ttl_s is None:
            return NEVER
        if type(ttl_s) not in (int, float) or not 0 < ttl_s < inf:
            raise InvalidInputError(f"ttl_s must be a number of seconds above 0, got {ttl_s!r}")
        return self._now() + int(min(ttl_s, TTL_S_MAX) * 1_000_000)

    def _expired(self, limit: int | None = None) -> Iterator[StateValueRow]:
        return self._context.write.scan(STATE_VALUE, _BY_EXPIRY, stop=(self._now() + 1, ""), limit=limit)

    def _put(self, relation: Relation[Any], row: Any, size: int) -> None:
        self._check_open()
        self._context.write.put(relation, row, size=size)
        self._pass_on()

    def _drop(self, relation: Relation[Any], rows: Iterator[Any]) -> int:
        self._check_open()
        dropped = 0
        for row in rows:
            self._context.write.delete(relation, relation.key_of(row))
            dropped += 1
            self._pass_on()
        return dropped

    def _pass_on(self) -> None:
        if self._context.write.full:
            self._context.write.flush()

    def _check_open(self) -> None:
        if self._context.ended:
            raise StoreClosedError("this unit of work has ended; begin a new one")
        self._context.check_time()


def _execution(execution_id: str) -> str:
    return check_text(execution_id, field="execution_id")
