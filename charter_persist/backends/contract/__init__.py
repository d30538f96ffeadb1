"""What a backend must offer: relations read by key and in order, and a write set committed atomically.

A ledger backend is a set of ordered tables and nothing more. It knows no rule: immutability, compare-and-set,
sealing and order live in ``repositories``. So a backend is small, and a new store needs a new `Relation` and no new
backend code.

Imports ``errors`` only (through annotations). Source: ENG-STO-1, ENG-STO-2, DESIGN 1.3.
"""

from __future__ import annotations

from typing import Any, Final

from charter_persist.backends.contract.access import Changes, Head, Reader, Snapshot, Transaction
from charter_persist.backends.contract.event import EVENT, EXECUTION, EventRow, ExecutionRow
from charter_persist.backends.contract.journal import (
    JOURNAL,
    JOURNAL_TILE,
    JOURNAL_TILE_ROOT,
    OPERATION,
    HeadRow,
    JournalRow,
    OperationRow,
    TileRootRow,
    TileRow,
)
from charter_persist.backends.contract.kv import (
    KV_CHANGE,
    KV_ENTRY,
    KV_LEASE,
    LEASE,
    KvChangeRow,
    KvEntryRow,
    KvLeaseRow,
    LeaseRow,
)
from charter_persist.backends.contract.ledger import BackendCapabilities, Diagnosis, LedgerBackend, Listener
from charter_persist.backends.contract.message import (
    MESSAGE,
    MESSAGE_LOG,
    THREAD,
    THREAD_LOG,
    MessageLogRow,
    MessageRow,
    ThreadLogRow,
    ThreadRow,
)
from charter_persist.backends.contract.record import (
    AUDIT,
    METADATA_LOG,
    OBJECT,
    REF,
    REF_LOG,
    SESSION,
    SESSION_CANDIDATE,
    SESSION_LOG,
    SESSION_STANCE,
    AuditRow,
    CandidateRow,
    MetadataRow,
    ObjectRow,
    RefLogRow,
    RefRow,
    SessionLogRow,
    SessionRow,
    StanceRow,
)
from charter_persist.backends.contract.relation import Key, Relation, Row
from charter_persist.backends.contract.state import STATE_SNAPSHOT, STATE_VALUE, SnapshotRow, StateValueRow

__all__ = [
    "AUDIT",
    "EVENT",
    "EXECUTION",
    "JOURNAL",
    "JOURNAL_TILE",
    "JOURNAL_TILE_ROOT",
    "KV_CHANGE",
    "KV_ENTRY",
    "KV_LEASE",
    "LEASE",
    "MESSAGE",
    "MESSAGE_LOG",
    "METADATA_LOG",
    "OBJECT",
    "OPERATION",
    "REF",
    "REF_LOG",
    "RELATIONS",
    "SCHEMA_VERSION",
    "SESSION",
    "SESSION_CANDIDATE",
    "SESSION_LOG",
    "SESSION_STANCE",
    "STATE_SNAPSHOT",
    "STATE_VALUE",
    "THREAD",
    "THREAD_LOG",
    "AuditRow",
    "BackendCapabilities",
    "CandidateRow",
    "Changes",
    "Diagnosis",
    "EventRow",
    "ExecutionRow",
    "Head",
    "HeadRow",
    "JournalRow",
    "Key",
    "KvChangeRow",
    "KvEntryRow",
    "KvLeaseRow",
    "LeaseRow",
    "LedgerBackend",
    "Listener",
    "MessageLogRow",
    "MessageRow",
    "MetadataRow",
    "ObjectRow",
    "OperationRow",
    "Reader",
    "RefLogRow",
    "RefRow",
    "Relation",
    "Row",
    "SessionLogRow",
    "SessionRow",
    "Snapshot",
    "SnapshotRow",
    "StanceRow",
    "StateValueRow",
    "ThreadLogRow",
    "ThreadRow",
    "TileRootRow",
    "TileRow",
    "Transaction",
]

SCHEMA_VERSION: Final = 5
"""Of the relations below; every open store is at it."""

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
    KV_LEASE,
    LEASE,
    EVENT,
    EXECUTION,
    STATE_SNAPSHOT,
    STATE_VALUE,
    THREAD,
    THREAD_LOG,
    MESSAGE,
    MESSAGE_LOG,
    JOURNAL,
    JOURNAL_TILE,
    OPERATION,
)
