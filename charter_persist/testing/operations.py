"""What the state machine does inside a unit of work: one small value for each verb, and how they are drawn.

An operation is data, so that a failing run prints as a list of them, and another process can be told to do the same.
Names come from small pools, so that operations meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

from charter_persist.errors import CharterError
from charter_persist.model.digest import digest
from charter_persist.model.entry import CheckVersion, Delete, Set
from charter_persist.testing import machine_archives, machine_events, machine_messages, machine_states, machine_vectors
from charter_persist.testing.machine_values import VALUES
from charter_persist.unit_of_work import UnitOfWork

REFS: Final = ("a", "A", "\ufb33", "\U0001f600")
KEYS: Final = ("k", "K", "\U0001f600")
KV_KEYS: Final = ("/a", "/a/b", "/A", "/\U0001f600")
SESSIONS: Final = ("s0", "s1")
CANDIDATES: Final = ("c0", "c1")
OPERATION_IDS: Final = ("op0", "op1", "op2")

Operation = Callable[[UnitOfWork], Any]
"""Does something in a unit of work and returns what can be compared."""


@dataclass(frozen=True)
class Put:
    """Put an object."""

    content: Any

    def __call__(self, uow: UnitOfWork) -> Any:
        """Digest."""
        return uow.objects.put("doc", self.content)


@dataclass(frozen=True)
class PutMany:
    """Put a range of objects, which may cross a tile of the journal or the buffer of a unit."""

    first: int
    count: int

    def __call__(self, uow: UnitOfWork) -> Any:
        """Number of different digests, and the last one."""
        digests = uow.objects.put_many(("bulk", n) for n in range(self.first, self.first + self.count))
        return len(set(digests)), digests[-1:]


@dataclass(frozen=True)
class SetRef:
    """Point a ref to an object, put first or not, with the right version or another one."""

    name: str
    content: Any
    put: bool
    expected: int | None

    def __call__(self, uow: UnitOfWork) -> Any:
        """The ref."""
        if self.put:
            uow.objects.put("doc", self.content)
        current = uow.refs.get(self.name)
        right = current.version if current else 0
        return uow.refs.set(
            self.name, digest("doc", self.content), expected=right if self.expected is None else self.expected
        )


@dataclass(frozen=True)
class DeleteRef:
    """Delete a ref, with the right version or another one."""

    name: str
    expected: int | None

    def __call__(self, uow: UnitOfWork) -> Any:
        """Nothing."""
        current = uow.refs.get(self.name)
        right = current.version if current else 0
        uow.refs.delete(self.name, expected=right if self.expected is None else self.expected)


@dataclass(frozen=True)
class SetKey:
    """Set a metadata key."""

    key: str
    value: Any
    expected: int | None

    def __call__(self, uow: UnitOfWork) -> Any:
        """Version."""
        return uow.metadata.set(self.key, self.value, expected=self.expected)


@dataclass(frozen=True)
class DeleteKey:
    """Delete a metadata key."""

    key: str
    expected: int | None

    def __call__(self, uow: UnitOfWork) -> Any:
        """Nothing."""
        uow.metadata.delete(self.key, expected=self.expected)


@dataclass(frozen=True)
class Compact:
    """Compact the metadata."""

    def __call__(self, uow: UnitOfWork) -> Any:
        """How many rows were dropped."""
        return uow.metadata.compact()


@dataclass(frozen=True)
class KvSet:
    """Give a key a value."""

    key: str
    value: bytes

    def __call__(self, uow: UnitOfWork) -> Any:
        """Version."""
        return uow.kv.set(self.key, self.value)


@dataclass(frozen=True)
class KvCompareAndSet:
    """Give a key a value, with the right version or revision or another one."""

    key: str
    value: bytes
    expected: int | None
    by_revision: bool

    def __call__(self, uow: UnitOfWork) -> Any:
        """Version."""
        current = uow.kv.get(self.key)
        right = 0 if current is None else current.revision if self.by_revision else current.version
        expected = right if self.expected is None else self.expected
        if self.by_revision:
            return uow.kv.compare_and_set(self.key, self.value, expected_revision=expected)
        return uow.kv.compare_and_set(self.key, self.value, expected=expected)


@dataclass(frozen=True)
class KvCreate:
    """Create a key."""

    key: str
    value: bytes

    def __call__(self, uow: UnitOfWork) -> Any:
        """Version."""
        return uow.kv.create_if_not_exists(self.key, self.value)


@dataclass(frozen=True)
class KvDelete:
    """Delete a key."""

    key: str
    missing_ok: bool

    def __call__(self, uow: UnitOfWork) -> Any:
        """Whether it was there."""
        return uow.kv.delete(self.key, missing_ok=self.missing_ok)


@dataclass(frozen=True)
class KvTransaction:
    """Move a value from one key to another, if the version of the first one is as expected."""

    source: str
    target: str
    expected: int

    def __call__(self, uow: UnitOfWork) -> Any:
        """Nothing."""
        entry = uow.kv.get(self.source)
        value = b"" if entry is None else entry.value
        check = CheckVersion(self.source, self.expected)
        uow.kv.transaction([check, Delete(self.source), Set(self.target, value)])


@dataclass(frozen=True)
class KvCompact:
    """Compact the keys, up to a revision that may not be there."""

    upto: int
    prefix: str

    def __call__(self, uow: UnitOfWork) -> Any:
        """How many changes were dropped."""
        return uow.kv.compact(upto=self.upto, prefix=self.prefix)


@dataclass(frozen=True)
class KvErase:
    """Erase a key."""

    key: str

    def __call__(self, uow: UnitOfWork) -> Any:
        """How many changes were removed."""
        return uow.kv.erase(self.key)


@dataclass(frozen=True)
class Append:
    """Append an audit event, with an id of its own or one that may be taken."""

    scope: str
    event_id: str | None
    details: Any

    def __call__(self, uow: UnitOfWork) -> Any:
        """The event."""
        return uow.audit.append(
            "NOTED", scope=self.scope, subject=("doc", "x"), event_id=self.event_id, details=self.details
        )


@dataclass(frozen=True)
class Create:
    """Create a session."""

    session: str

    def __call__(self, uow: UnitOfWork) -> Any:
        """The session."""
        return uow.sessions.create(session_id=self.session, area_id=self.session[-1], problem_statement="why")


@dataclass(frozen=True)
class Begin:
    """Create a session and bring it to the point where stances can be recorded."""

    session: str

    def __call__(self, uow: UnitOfWork) -> Any:
        """The session."""
        Create(self.session)(uow)
        for candidate in CANDIDATES:
            uow.sessions.add_candidate(self.session, candidate, candidate_id=candidate)
        return uow.sessions.set_state(self.session, "ACTIVE")


@dataclass(frozen=True)
class AddCandidate:
    """Add a candidate."""

    session: str
    candidate: str | None

    def __call__(self, uow: UnitOfWork) -> Any:
        """The candidate."""
        return uow.sessions.add_candidate(self.session, {"text": "this"}, candidate_id=self.candidate)


@dataclass(frozen=True)
class RecordStance:
    """Record a stance."""

    session: str
    actor: str
    candidate: str
    stance: str

    def __call__(self, uow: UnitOfWork) -> Any:
        """The stance."""
        return uow.sessions.record_stance(
            self.session, actor_id=self.actor, candidate_id=self.candidate, stance=self.stance
        )


@dataclass(frozen=True)
class SetState:
    """Move a session to another state."""

    session: str
    state: str

    def __call__(self, uow: UnitOfWork) -> Any:
        """The session."""
        return uow.sessions.set_state(self.session, self.state)


@dataclass(frozen=True)
class Snapshot:
    """Take a snapshot of a session."""

    session: str

    def __call__(self, uow: UnitOfWork) -> Any:
        """Version."""
        return uow.sessions.snapshot(self.session)


@dataclass(frozen=True)
class Rollback:
    """Roll a session back to a version, which may never have been."""

    session: str
    to: int

    def __call__(self, uow: UnitOfWork) -> Any:
        """The session."""
        return uow.sessions.rollback(self.session, to=self.to)


@dataclass(frozen=True)
class Seal:
    """Seal a session."""

    session: str
    state: str
    accepted: tuple[str, ...]

    def __call__(self, uow: UnitOfWork) -> Any:
        """Digest."""
        return uow.sessions.seal(self.session, self.state, accepted=self.accepted)


@dataclass(frozen=True)
class Flush:
    """Write what was changed so far."""

    def __call__(self, uow: UnitOfWork) -> Any:
        """The provisional receipt."""
        receipt = uow.flush()
        return receipt and (receipt, receipt.root)


@dataclass(frozen=True)
class Look:
    """Read the changes of the unit itself, which makes it pass them on."""

    def __call__(self, uow: UnitOfWork) -> Any:
        """All current values."""
        return list(uow.refs.iter()), list(uow.metadata.iter()), list(uow.sessions.iter()), uow.kv.list("/", limit=3)


_RIGHT: Final = st.sampled_from([None, None, None, None, -1, 0, 1, 2])
_CHECKED: Final = st.sampled_from([None, None, None, 0, 1, 2])
_SESSION: Final = st.sampled_from(SESSIONS)
_CANDIDATE: Final = st.sampled_from(CANDIDATES)

_OBJECTS: Final = st.one_of(
    st.builds(Put, VALUES),
    st.builds(PutMany, st.integers(0, 400), st.sampled_from([0, 1, 2, 3, 5, 40, 130, 300])),
)
_REFS: Final = st.one_of(
    st.builds(
        SetRef, st.sampled_from([*REFS, "x//y"]), st.integers(0, 5), st.sampled_from([True, True, False]), _RIGHT
    ),
    st.builds(DeleteRef, st.sampled_from(REFS), _RIGHT),
)
_METADATA: Final = st.one_of(
    st.builds(SetKey, st.sampled_from([*KEYS, *KEYS, ""]), VALUES, _CHECKED),
    st.builds(SetKey, st.sampled_from(KEYS), VALUES, st.none()),
    st.builds(DeleteKey, st.sampled_from(KEYS), _CHECKED),
    st.builds(Compact),
)
_KV_VALUES: Final = st.sampled_from([b"", b"0", b"1", b"\xff\x00", b"x" * 5_000])
_KV_KEY: Final = st.sampled_from(KV_KEYS)
_KV: Final = st.one_of(
    st.builds(KvSet, st.sampled_from([*KV_KEYS, "/a/"]), _KV_VALUES),
    st.builds(KvSet, _KV_KEY, _KV_VALUES),
    st.builds(KvCompareAndSet, _KV_KEY, _KV_VALUES, _RIGHT, st.booleans()),
    st.builds(KvCreate, _KV_KEY, _KV_VALUES),
    st.builds(KvDelete, _KV_KEY, st.booleans()),
    st.builds(KvTransaction, _KV_KEY, _KV_KEY, st.integers(0, 3)),
    st.builds(KvCompact, st.integers(0, 12), st.sampled_from(["", "", "/a", "/\U0001f600"])),
    st.builds(KvErase, _KV_KEY),
)
_AUDIT: Final = st.builds(
    Append, st.sampled_from(["GLOBAL", "AREA:x", "x"]), st.sampled_from([None, None, None, "e0", "e1"]), VALUES
)
_SESSIONS: Final = st.one_of(
    st.builds(Begin, _SESSION),
    st.builds(Create, _SESSION),
    st.builds(AddCandidate, _SESSION, st.one_of(st.none(), _CANDIDATE)),
    st.builds(
        RecordStance, _SESSION, st.sampled_from(["ana", "bob"]), _CANDIDATE, st.sampled_from(["ACCEPT", "ABSTAIN"])
    ),
    st.builds(SetState, _SESSION, st.sampled_from(["ACTIVE", "PAUSED", "BLOCKED"])),
    st.builds(Snapshot, _SESSION),
    st.builds(Rollback, _SESSION, st.integers(0, 4)),
    st.builds(Seal, _SESSION, st.sampled_from(["ACCEPTED", "CLOSED"]), st.sampled_from([(), ("c0",), ("c1", "c2")])),
)
_UNIT: Final = st.one_of(st.builds(Flush), st.builds(Look))

_PARTS: Final = (machine_events, machine_messages, machine_states, machine_archives, machine_vectors)
"""Stores whose operations have a file of their own."""

OPERATIONS: Final[st.SearchStrategy[Operation]] = st.one_of(
    *(_OBJECTS, _REFS, _METADATA, _KV, _AUDIT, _SESSIONS, _SESSIONS, _UNIT),
    *(part.DRAWN for part in _PARTS),
)
"""One operation."""

BEGINNING: Final[tuple[Operation, ...]] = (
    *(Put(number) for number in range(3)),
    *(SetRef(name, 0, True, 0) for name in REFS[:2]),
    *(SetKey(key, key, 0) for key in KEYS[:2]),
    *(KvSet(key, key.encode()) for key in KV_KEYS[:2]),
    Append("GLOBAL", "e0", None),
    Begin(SESSIONS[0]),
    *(operation for part in _PARTS for operation in part.BEGINNING),
)
"""What a store may begin with, so that the first operations of a run find something."""


def perform(operations: Iterable[Operation], uow: UnitOfWork) -> list[Any]:
    """Do them in order; an error of ours is a result like any other, and the unit goes on.

    Returns:
        For each what it returned, or the type and the message of its error.
    """
    results = []
    for operation in operations:
        try:
            results.append(operation(uow))
        except CharterError as exc:
            results.append((type(exc).__name__, exc.message))
    return results
