"""The conformance suite: for people who write a backend, and run on every backend of this package.

Subclass `LedgerConformance`, give it the fixtures ``open_store`` and ``backdoor``, and load the plugin
``charter_persist.testing.plugin``; ``docs/how-to/write-a-backend.md`` shows how. Needs the extra ``testing``.

The package stands beside the house: it may import everything, and nothing imports it.
"""

# First of all: it asks pytest to explain the assertions of the others.
from charter_persist.testing.assertions import contents, nothing_written, refused

# isort: split
from charter_persist.testing.archive import ArchiveConformance, LedgerArchiveConformance
from charter_persist.testing.as_of import AsOfConformance
from charter_persist.testing.audit import AuditStoreConformance
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.backdoors import MemoryBackDoor, PostgresBackDoor, SqliteBackDoor
from charter_persist.testing.batches import BatchConformance
from charter_persist.testing.charter_machine import governance_machine
from charter_persist.testing.delegating import DelegatingBackend, SharedBackend
from charter_persist.testing.event_history import EventErasureConformance, EventUpcastingConformance
from charter_persist.testing.events import EventInputConformance, EventStoreConformance
from charter_persist.testing.fixtures import (
    OpenStore,
    Place,
    PlaceFixtures,
    Requirement,
    StoreFixtures,
    open_over,
    requires,
)
from charter_persist.testing.history import record_history
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
from charter_persist.testing.lying import EVERYTHING, NOTHING, LyingBackend, RandomCapabilities
from charter_persist.testing.machine import store_machine
from charter_persist.testing.messages import (
    MessageErasureConformance,
    MessageInputConformance,
    MessageStoreConformance,
)
from charter_persist.testing.metadata import MetadataCompactionConformance, MetadataStoreConformance
from charter_persist.testing.names import NameConformance, NameLimitConformance
from charter_persist.testing.object_lists import ObjectBulkConformance, ObjectLookupConformance
from charter_persist.testing.objects import ObjectStoreConformance
from charter_persist.testing.places import (
    MemoryPlaces,
    Places,
    PostgresPlaces,
    PrivatePlaces,
    SqlitePlaces,
    places_for,
)
from charter_persist.testing.races import RaceConformance
from charter_persist.testing.refs import RefStoreConformance
from charter_persist.testing.relations import ErasureConformance, RelationConformance
from charter_persist.testing.runs import RunConformance, TimeLimitConformance
from charter_persist.testing.session_ends import SessionEndConformance
from charter_persist.testing.sessions import SessionStoreConformance
from charter_persist.testing.sources import CountingSources
from charter_persist.testing.states import StateCacheConformance, StateInputConformance, StateStoreConformance
from charter_persist.testing.suite import KeyStoreConformance, LedgerConformance
from charter_persist.testing.units import UnitConformance
from charter_persist.testing.vectors import VectorConformance, VectorInputConformance, VectorSearchConformance
from charter_persist.testing.watch import WatchCompactionConformance, WatchConformance, WatchStoresConformance
from charter_persist.testing.watch_ends import WatchEndConformance
from charter_persist.testing.watch_executions import WatchExecutionConformance

__all__ = [
    "EVERYTHING",
    "NOTHING",
    "ArchiveConformance",
    "AsOfConformance",
    "AuditStoreConformance",
    "BackDoor",
    "BadValueConformance",
    "BatchConformance",
    "CountingSources",
    "DelegatingBackend",
    "ElectionConformance",
    "ErasureConformance",
    "EventErasureConformance",
    "EventInputConformance",
    "EventStoreConformance",
    "EventUpcastingConformance",
    "IntentConformance",
    "IntentInputConformance",
    "InterruptConformance",
    "JournalConformance",
    "KeyStoreConformance",
    "KeyValueCompactionConformance",
    "KeyValueConformance",
    "KeyValueErasureConformance",
    "KeyValueInputConformance",
    "KeyValuePageConformance",
    "KeyValueTransactionConformance",
    "KeyValueUnitConformance",
    "LeaseConformance",
    "LedgerArchiveConformance",
    "LedgerConformance",
    "LimitConformance",
    "LyingBackend",
    "MemoryBackDoor",
    "MemoryPlaces",
    "MessageErasureConformance",
    "MessageInputConformance",
    "MessageStoreConformance",
    "MetadataCompactionConformance",
    "MetadataStoreConformance",
    "NameConformance",
    "NameLimitConformance",
    "ObjectBulkConformance",
    "ObjectLookupConformance",
    "ObjectStoreConformance",
    "OpenStore",
    "Place",
    "PlaceFixtures",
    "Places",
    "PostgresBackDoor",
    "PostgresPlaces",
    "PrivatePlaces",
    "RaceConformance",
    "RandomCapabilities",
    "RefStoreConformance",
    "RelationConformance",
    "Requirement",
    "RunConformance",
    "SessionEndConformance",
    "SessionStoreConformance",
    "SharedBackend",
    "SqliteBackDoor",
    "SqlitePlaces",
    "StateCacheConformance",
    "StateInputConformance",
    "StateStoreConformance",
    "StoreFixtures",
    "TimeLimitConformance",
    "UnitConformance",
    "VectorConformance",
    "VectorInputConformance",
    "VectorSearchConformance",
    "WatchCompactionConformance",
    "WatchConformance",
    "WatchEndConformance",
    "WatchExecutionConformance",
    "WatchStoresConformance",
    "contents",
    "governance_machine",
    "nothing_written",
    "open_over",
    "places_for",
    "record_history",
    "refused",
    "requires",
    "store_machine",
]
