"""The system of record for decisions: see `connect`, `upgrade`, `Store` and `Charter`."""

from typing import TYPE_CHECKING, Any

from charter_persist.engine.acceptance import Acceptance
from charter_persist.engine.charter import Charter
from charter_persist.errors import CharterError
from charter_persist.model.canonical import canonical_bytes, parse_json
from charter_persist.model.digest import Digest, Envelope, digest
from charter_persist.model.entry import CheckRevision, CheckVersion, Delete, Entry, Set
from charter_persist.model.limits import Options
from charter_persist.store import Store, connect, upgrade
from charter_persist.unit_of_work import Outcome, ReadView, Receipt, UnitOfWork
from charter_persist.watch.delivery import Watch
from charter_persist.watch.event import WatchBatch, WatchEvent

if TYPE_CHECKING:
    from charter_persist.aio import AsyncCharter, AsyncReadView, AsyncStore, AsyncUnitOfWork, AsyncWatch, connect_async

__all__ = [
    "Acceptance",
    "AsyncCharter",
    "AsyncReadView",
    "AsyncStore",
    "AsyncUnitOfWork",
    "AsyncWatch",
    "Charter",
    "CharterError",
    "CheckRevision",
    "CheckVersion",
    "Delete",
    "Digest",
    "Entry",
    "Envelope",
    "Options",
    "Outcome",
    "ReadView",
    "Receipt",
    "Set",
    "Store",
    "UnitOfWork",
    "Watch",
    "WatchBatch",
    "WatchEvent",
    "canonical_bytes",
    "connect",
    "connect_async",
    "digest",
    "parse_json",
    "upgrade",
]


def __getattr__(name: str) -> Any:
    """The async face, loaded when it is first used: most programs do without, and so does the tool that makes it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from charter_persist import aio

    return getattr(aio, name)
