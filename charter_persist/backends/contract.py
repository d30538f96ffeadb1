"""What a backend must offer: relations read by key and in order, and a write set committed atomically.

A ledger backend is a set of ordered tables and nothing more. It knows no rule: immutability, compare-and-set,
sealing and order live in ``repositories``. So a backend is small, and a new store needs a new `Relation` and no new
backend code.

Imports ``errors`` only (through annotations). Source: ENG-STO-1, ENG-STO-2, DESIGN 1.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

SCHEMA_VERSION: Final = 2
"""Of the relations below; every open store is at it."""

Row = TypeVar("Row", bound=tuple[Any, ...])
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class BackendCapabilities:
    """What a backend says of itself; a hint that chooses a faster way and never a different answer (STO-2)."""

    supports_transactions: bool
    supports_ordering: bool
    supports_append_only: bool
    supports_snapshots: bool


@dataclass(frozen=True, eq=False)
class Relation(Generic[Row]):
    """A table, or some columns of one, as everyone above the backends sees it.

    Attributes:
        name: its name, the same in every backend.
        row: the named tuple of its columns; bytes, str, int and None only.
        key: the columns that identify a row.
        orders: the column sequences that it can be scanned in; each identifies a row by itself.
        mutable: True where a row may be replaced; False where rows are only ever added.
        payload: the column that may be large, if there is one; it bounds the size of a page.
        columns: the names of the row.
        make: makes a row of its values in order.
        places: for the key and each order where its columns stand in a row.
    """

    name: str
    row: type[Row]
    key: tuple[str, ...]
    orders: tuple[tuple[str, ...], ...] = ()
    mutable: bool = False
    payload: str | None = None
    columns: tuple[str, ...] = field(init=False)
    make: Callable[[Iterable[Any]], Row] = field(init=False)
    places: Mapping[tuple[str, ...], tuple[int, ...]] = field(init=False)

    def __post_init__(self) -> None:
        kind: Any = self.row
        columns = kind._fields
        sequences = (self.key, *self.orders)
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "make", kind._make)
        object.__setattr__(self, "places", {s: tuple(columns.index(name) for name in s) for s in sequences})

    def key_of(self, row: Row) -> Key:
        """The key of a row."""
        return tuple([row[i] for i in self.places[self.key]])


class Head(Protocol):
    """Where the journal ends after a commit."""

    @property
    def revision(self) -> int:
        """Of the last unit of work."""
        ...

    @property
    def size(self) -> int:
        """Number of entries; the position of the last one."""
        ...

    @property
    def root(self) -> bytes:
        """Merkle root over all entries; computed when it is asked for."""
        ...


class ObjectRow(NamedTuple):
    """One immutable object; ``data`` is the canonical bytes that the digest was computed from."""

    position: int
    digest: bytes
    hash_version: str
    type: str
    size: int
    data: bytes


class RefRow(NamedTuple):
    """Where a ref points now."""

    name: str
    digest: bytes
    version: int
    revision: int
    position: int


class RefLogRow(NamedTuple):
    """One change of a ref; ``digest`` is None where it was deleted."""

    position: int
    name: str
    digest: bytes | None
    version: int
    revision: int


class AuditRow(NamedTuple):
    """One audit event; the columns before ``data`` are copies for queries."""

    position: int
    event_id: str
    event_type: str
    occurred_at: int
    actor: str | None
    scope: str
    subject_type: str
    subject_id: str
    context: str
    data: bytes


class MetadataRow(NamedTuple):
    """One change of a metadata key; ``value`` is canonical JSON, None is a tombstone."""

    position: int
    key: str
    value: bytes | None
    version: int
    revision: int


class SessionRow(NamedTuple):
    """The current state of a session; ``position`` is its newest row in the log."""

    session_id: str
    area_id: str
    state: str
    version: int
    digest: bytes | None
    position: int


class CandidateRow(NamedTuple):
    """A candidate as it stands now."""

    session_id: str
    candidate_id: str
    ordinal: int
    data: bytes


class StanceRow(NamedTuple):
    """An actor's stance on a candidate as it stands now."""

    session_id: str
    actor_id: str
    candidate_id: str
    stance: str
    data: bytes


class SessionLogRow(NamedTuple):
    """The whole session, in canonical bytes, after one change."""

    position: int
    session_id: str
    version: int
    revision: int
    nonce: bytes
    data: bytes


class KvEntryRow(NamedTuple):
    """A key and its value now; ``position`` is its newest row in the log."""

    key: str
    value: bytes
    version: int
    revision: int
    created_at: int
    updated_at: int
    position: int


class KvChangeRow(NamedTuple):
    """One change of a key; ``value`` is None where it was deleted, and ``nonce`` is empty then."""

    position: int
    key: str
    version: int
    revision: int
    nonce: bytes
    value: bytes | None
    created_at: int
    updated_at: int


class JournalRow(NamedTuple):
    """One change, as the journal records it.

    Attributes:
        position: place in the journal: 1, 2, 3, … without a gap, in commit order.
        revision: number of the unit of work that made the change, from 1.
        store: name of the store that was changed.
        subject: what was changed in it.
        operation: what was done to it.
        commitment: to the new value, 32 bytes.
        recorded_at: time of the unit, in microseconds since 1970-01-01T00:00:00Z.
        leaf: hash of all of these, 32 bytes: the leaf of the Merkle tree.
    """

    position: int
    revision: int
    store: str
    subject: str
    operation: str
    commitment: bytes
    recorded_at: int
    leaf: bytes


class TileRow(NamedTuple):
    """A complete tile of the Merkle tree: its 256 hashes, then the 128, 64, … 1 roots above them."""

    level: int
    tile: int
    root: bytes
    nodes: bytes


class TileRootRow(NamedTuple):
    """The root of a complete tile, read without its nodes."""

    level: int
    tile: int
    root: bytes


class OperationRow(NamedTuple):
    """What became of one named unit of work."""

    operation_id: str
    value: bytes
    revision: int | None
    first_position: int | None
    size: int | None
    root: bytes | None
    recorded_at: int
    digest: bytes


OBJECT = Relation("object", ObjectRow, ("digest",), (("position",), ("digest",), ("type", "position")), payload="data")
REF = Relation("ref", RefRow, ("name",), (("name",),), mutable=True)
REF_LOG = Relation("ref_log", RefLogRow, ("position",), (("position",), ("name", "position")))
AUDIT = Relation(
    "audit_event",
    AuditRow,
    ("event_id",),
    (
        ("position",),
        ("event_id",),
        ("scope", "position"),
        ("event_type", "position"),
        ("subject_type", "subject_id", "position"),
    ),
    payload="data",
)
METADATA_LOG = Relation(
    "metadata_log", MetadataRow, ("position",), (("position",), ("key", "position")), payload="value"
)
SESSION = Relation(
    "session", SessionRow, ("session_id",), (("session_id",), ("area_id", "state", "session_id")), mutable=True
)
SESSION_CANDIDATE = Relation(
    "session_candidate",
    CandidateRow,
    ("session_id", "candidate_id"),
    (("session_id", "candidate_id"),),
    mutable=True,
)
SESSION_STANCE = Relation(
    "session_stance",
    StanceRow,
    ("session_id", "actor_id", "candidate_id"),
    (("session_id", "actor_id", "candidate_id"),),
    mutable=True,
)
SESSION_LOG = Relation(
    "session_log", SessionLogRow, ("position",), (("position",), ("session_id", "version")), payload="data"
)
KV_ENTRY = Relation("kv_entry", KvEntryRow, ("key",), (("key",),), mutable=True, payload="value")
KV_CHANGE = Relation("kv_change", KvChangeRow, ("position",), (("position",), ("key", "position")), payload="value")
JOURNAL = Relation("journal", JournalRow, ("position",), (("position",),))
JOURNAL_TILE = Relation("journal_tile", TileRow, ("level", "tile"), (("level", "tile"),), payload="nodes")
JOURNAL_TILE_ROOT = Relation("journal_tile", TileRootRow, ("level", "tile"), (("level", "tile"),))
OPERATION = Relation("operation", OperationRow, ("operation_id",), (("operation_id",),))

RELATIONS: tuple[Relation[Any], ...] = (
    OBJECT,
    REF,
    REF_LOG,
    AUDIT,
    METADATA_LOG,
    SESSION,
    SESSION_CANDIDATE,
    SESSION_STANCE,
    SESSION_LOG,
    KV_ENTRY,
    KV_CHANGE,
    JOURNAL,
    JOURNAL_TILE,
    OPERATION,
)

# `JOURNAL_TILE_ROOT` is a narrower look at one of these tables, and not a table.


class HeadRow(NamedTuple):
    """Where a journal ends, as a backend keeps it beside the journal itself."""

    position: int
    revision: int
    root: bytes


Changes = Mapping[Relation[Any], Mapping[Key, Any]]
"""A write set: by relation and key the row to write, or None to delete it."""


class Reader(Protocol):
    """Reads of one snapshot: whatever is read through it was true at one and the same revision."""

    def get(self, relation: Relation[Row], key: Key) -> Row | None:
        """The row of that key, or None."""
        ...

    def get_many(self, relation: Relation[Row], keys: Sequence[Key]) -> list[Row]:
        """The rows that exist among the keys, in any order; one round trip for any number of keys."""
        ...

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
        """Rows in the order of the given columns, text by its UTF-8 bytes, fetched page by page in constant memory.

        Args:
            relation: what to read.
            order: one of ``relation.orders``.
            prefix: values that the first columns of the order must equal.
            after: values of the columns behind the prefix; only rows beyond them, in the direction of the scan.
            start: only rows at or above these values.
            stop: only rows below these values.
            reverse: from the end to the beginning.
            limit: at most so many rows.
        """
        ...


class Snapshot(Reader, Protocol):
    """A reader with an end."""

    def head(self) -> HeadRow | None:
        """What the backend keeps of the journal's end beside the journal; None where it keeps nothing.

        fsck compares it with the entries of the same snapshot.
        """
        ...

    def close(self) -> None:
        """Give the snapshot back; a second call does nothing."""
        ...


class Transaction(Reader, Protocol):
    """The one open write of a store: it holds the writer lock from its first moment to its end.

    Reads see what was applied before. A transaction that ends without `commit` leaves nothing.
    """

    @property
    def position(self) -> int:
        """The last journal position, read under the lock."""
        ...

    @property
    def revision(self) -> int:
        """The last revision, read under the lock."""
        ...

    def apply(self, changes: Changes) -> None:
        """Write the changes inside this transaction. When it raises, the transaction can only be rolled back."""
        ...

    def commit(self, changes: Changes, head: Head | None) -> None:
        """Apply the last changes and make all of it durable and visible at once; the transaction has ended then.

        Args:
            changes: what was not applied yet.
            head: where the journal ends now; None where it did not grow.

        Raises:
            CommitUnknownError: the answer to the commit was lost.
            BackendError: nothing was written.
        """
        ...

    def rollback(self) -> None:
        """End without a trace; harmless after the end."""
        ...


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a backend knows of its own condition.

    Attributes:
        problems: one sentence each, with what to do; empty where all is well.
        facts: versions, settings and sizes, by name.
        missing_guards: names of the guards that do not stand as they were made; each is among the problems too.
    """

    problems: tuple[str, ...]
    facts: Mapping[str, str | int | bool]
    missing_guards: tuple[str, ...] = ()


class Listener(Protocol):
    """Lets one reader wait for commits of any process. All of it is a hint: the journal alone says what was committed."""

    def wait(self, timeout_s: float) -> None:
        """Return when something may have been committed since the last return, or the time is over; or for nothing."""
        ...

    def wake(self) -> None:
        """Let `wait` return in whichever thread it is."""
        ...

    def close(self) -> None:
        """Listen no more; a second call does nothing."""
        ...


class LedgerBackend(Protocol):
    """A backend that carries every store and the journal."""

    name: str
    requires_network: bool
    capabilities: BackendCapabilities

    def store_id(self) -> str:
        """The identity that the store was given when it was made; the origin of its checkpoints."""
        ...

    def snapshot(self) -> Snapshot:
        """One consistent state, taken now, that neither waits for a writer nor makes one wait."""
        ...

    def transaction(self, timeout_s: float) -> Transaction:
        """Take the writer lock, waiting at most ``timeout_s`` seconds, and begin.

        Raises:
            StoreBusyError: the lock was not free in time.
            ReadOnlyError: the store was opened for reading only.
        """
        ...

    def listen(self) -> Listener:
        """Listen for commits from now on. One that is missed may cost its listener time and nothing else."""
        ...

    def join(self, connection: Any, timeout_s: float) -> Transaction:
        """Begin inside the caller's own transaction; its `commit` applies and leaves the commit to the caller.

        Raises:
            NotSupportedError: the backend has no such connections.
            InvalidInputError: the connection leads to another database.
        """
        ...

    def scrub(self, timeout_s: float) -> None:
        """Make sure that what committed units removed is in none of the files that are in the backend's hands.

        Raises:
            StoreBusyError: somebody read or wrote for longer than ``timeout_s``; what was removed may still be there.
        """
        ...

    def diagnose(self) -> Diagnosis:
        """Look at settings, guards and sizes; reads only."""
        ...

    def close(self) -> None:
        """Give back every connection; a second call does nothing."""
        ...
