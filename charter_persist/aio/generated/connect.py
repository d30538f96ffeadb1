"""Opening a store for asyncio. Made by `tools/make_async_facade.py`; do not edit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Literal

from charter_persist.aio.store import AsyncStore, open_async
from charter_persist.model.limits import DEFAULT_OPTIONS, Options
from charter_persist.store import connect


async def connect_async(
    url: str,
    *,
    migrate: Literal["check", "upgrade"] = "check",
    read_only: bool = False,
    air_gapped: bool = False,
    blobs: str | None = None,
    blob_threshold_bytes: int = 1048576,
    unit_timeout_s: float = 30.0,
    batching: bool = True,
    options: Options = DEFAULT_OPTIONS,
    clock: Callable[[], datetime] | None = None,
    new_id: Callable[[], str] | None = None,
    nonce: Callable[[], bytes] | None = None,
) -> AsyncStore:
    """Async form of `connect`; differences: the store belongs to the running event loop."""
    open_store = partial(
        connect,
        url,
        migrate=migrate,
        read_only=read_only,
        air_gapped=air_gapped,
        blobs=blobs,
        blob_threshold_bytes=blob_threshold_bytes,
        unit_timeout_s=unit_timeout_s,
        batching=batching,
        options=options,
        clock=clock,
        new_id=new_id,
        nonce=nonce,
    )
    return await open_async(open_store, timeout_s=unit_timeout_s)
