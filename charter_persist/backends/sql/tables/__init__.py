"""The ORM-mapped classes: one source for the schema, the statements and people who query with SQLAlchemy."""

from charter_persist.backends.sql.tables.archive import ArchiveEntry
from charter_persist.backends.sql.tables.audit import AuditEvent
from charter_persist.backends.sql.tables.base import Base
from charter_persist.backends.sql.tables.event import Event, Execution
from charter_persist.backends.sql.tables.intent import Intent, IntentEdge, IntentEdgeLog, IntentLog
from charter_persist.backends.sql.tables.journal import Journal, JournalHead, JournalTile, Operation, StoreIdentity
from charter_persist.backends.sql.tables.kv import KvChange, KvEntry, KvLease, Lease
from charter_persist.backends.sql.tables.message import Message, MessageLog, Thread, ThreadLog
from charter_persist.backends.sql.tables.metadata import MetadataLog
from charter_persist.backends.sql.tables.object import Object
from charter_persist.backends.sql.tables.ref import Ref, RefLog
from charter_persist.backends.sql.tables.session import Session, SessionCandidate, SessionLog, SessionStance
from charter_persist.backends.sql.tables.state import StateSnapshot, StateValue
from charter_persist.backends.sql.tables.vector import VectorCollection, VectorDocument

__all__ = [
    "ArchiveEntry",
    "AuditEvent",
    "Base",
    "Event",
    "Execution",
    "Intent",
    "IntentEdge",
    "IntentEdgeLog",
    "IntentLog",
    "Journal",
    "JournalHead",
    "JournalTile",
    "KvChange",
    "KvEntry",
    "KvLease",
    "Lease",
    "Message",
    "MessageLog",
    "MetadataLog",
    "Object",
    "Operation",
    "Ref",
    "RefLog",
    "Session",
    "SessionCandidate",
    "SessionLog",
    "SessionStance",
    "StateSnapshot",
    "StateValue",
    "StoreIdentity",
    "Thread",
    "ThreadLog",
    "VectorCollection",
    "VectorDocument",
]
