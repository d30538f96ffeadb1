"""The async face: the sync package, run in threads, for one event loop. See `connect_async`."""

from charter_persist.aio.election import AsyncLeadership
from charter_persist.aio.generated.charter import AsyncCharter, AsyncQueries
from charter_persist.aio.generated.connect import connect_async
from charter_persist.aio.generated.views import AsyncReadView, AsyncUnitOfWork
from charter_persist.aio.lease import AsyncLease
from charter_persist.aio.store import AsyncStore
from charter_persist.aio.watch import AsyncWatch

__all__ = [
    "AsyncCharter",
    "AsyncLeadership",
    "AsyncLease",
    "AsyncQueries",
    "AsyncReadView",
    "AsyncStore",
    "AsyncUnitOfWork",
    "AsyncWatch",
    "connect_async",
]
