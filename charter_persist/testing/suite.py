"""The whole suite as one class, for a backend author who wants one name to import."""

from __future__ import annotations

from charter_persist.testing.archive import ArchiveConformance, LedgerArchiveConformance
from charter_persist.testing.as_of import AsOfConformance
from charter_persist.testing.audit import AuditStoreConformance
from charter_persist.testing.batches import BatchConformance
from charter_persist.testing.event_history import EventErasureConformance, EventUpcastingConformance
from charter_persist.testing.events import EventInputConformance, EventStoreConformance
from charter_persist.testing.intent_input import IntentInputConformance
from charter_persist.testing.intents import IntentConformance
from charter_persist.testing.interrupts import InterruptConformance
from charter_persist.testing.journal import JournalConformance
from charter_persist.testing.kv import (
    KeyValueConformance,
    KeyValueInputConformance,
    KeyValueTransactionConformance,
    KeyValueUnitConformance,
)
from charter_persist.testing.kv_history import (
    KeyValueCompactionConformance,
    KeyValueErasureConformance,
    KeyValuePageConformance,
)
from charter_persist.testing.leases import ElectionConformance, LeaseConformance
from charter_persist.testing.limits import BadValueConformance, LimitConformance
from charter_persist.testing.messages import (
    MessageErasureConformance,
    MessageInputConformance,
    MessageStoreConformance,
)
from charter_persist.testing.metadata import MetadataCompactionConformance, MetadataStoreConformance
from charter_persist.testing.names import NameConformance, NameLimitConformance
from charter_persist.testing.object_lists import ObjectBulkConformance, ObjectLookupConformance
from charter_persist.testing.objects import ObjectStoreConformance
from charter_persist.testing.races import RaceConformance
from charter_persist.testing.refs import RefStoreConformance
from charter_persist.testing.relations import ErasureConformance, RelationConformance
from charter_persist.testing.runs import RunConformance, TimeLimitConformance
from charter_persist.testing.session_ends import SessionEndConformance
from charter_persist.testing.sessions import SessionStoreConformance
from charter_persist.testing.states import StateCacheConformance, StateInputConformance, StateStoreConformance
from charter_persist.testing.units import UnitConformance
from charter_persist.testing.vectors import VectorConformance, VectorInputConformance, VectorSearchConformance
from charter_persist.testing.watch import WatchCompactionConformance, WatchConformance, WatchStoresConformance
from charter_persist.testing.watch_ends import WatchEndConformance
from charter_persist.testing.watch_executions import WatchExecutionConformance


class LedgerConformance(
    RelationConformance,
    ErasureConformance,
    ObjectStoreConformance,
    ObjectLookupConformance,
    ObjectBulkConformance,
    RefStoreConformance,
    AuditStoreConformance,
    MetadataStoreConformance,
    MetadataCompactionConformance,
    KeyValueConformance,
    KeyValueUnitConformance,
    KeyValueTransactionConformance,
    KeyValueInputConformance,
    KeyValuePageConformance,
    KeyValueCompactionConformance,
    KeyValueErasureConformance,
    EventStoreConformance,
    EventInputConformance,
    EventUpcastingConformance,
    EventErasureConformance,
    StateStoreConformance,
    StateCacheConformance,
    StateInputConformance,
    MessageStoreConformance,
    MessageInputConformance,
    MessageErasureConformance,
    IntentConformance,
    IntentInputConformance,
    ArchiveConformance,
    LedgerArchiveConformance,
    WatchConformance,
    WatchStoresConformance,
    WatchCompactionConformance,
    WatchEndConformance,
    LeaseConformance,
    ElectionConformance,
    WatchExecutionConformance,
    VectorConformance,
    VectorSearchConformance,
    VectorInputConformance,
    SessionStoreConformance,
    SessionEndConformance,
    JournalConformance,
    UnitConformance,
    TimeLimitConformance,
    RunConformance,
    BatchConformance,
    AsOfConformance,
    InterruptConformance,
    BadValueConformance,
    LimitConformance,
    NameConformance,
    NameLimitConformance,
    RaceConformance,
):
    """Everything that a ledger backend must do. No test of one part hides one of another: their names differ."""


class KeyStoreConformance(
    KeyValueConformance,
    KeyValueUnitConformance,
    KeyValueTransactionConformance,
    KeyValueInputConformance,
    KeyValuePageConformance,
    WatchConformance,
    WatchEndConformance,
    LeaseConformance,
    ElectionConformance,
):
    """Everything that a backend must do that carries keys alone."""
