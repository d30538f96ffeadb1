"""What decisions are made of, as rows: objects, refs, audit events, metadata, sessions. Source: DESIGN 4."""

from __future__ import annotations

from typing import NamedTuple

from charter_persist.backends.contract.relation import Relation


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
