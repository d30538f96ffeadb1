"""Threads and messages as they stand now, and every change of them, as rows.

What is needed to find them and to build the present from the logs stands in columns of its own, so it outlives the
erasure of what they say. Source: ENA-4, DESIGN 4.
"""

from __future__ import annotations

from typing import NamedTuple

from charter_persist.backends.contract.relation import Relation


class ThreadRow(NamedTuple):
    """A thread now; ``ordinal`` and ``position`` are those of its first and its newest row in the log."""

    thread_id: str
    tenant_id: str
    user_id: str
    ordinal: int
    version: int
    position: int
    deleted: int


class ThreadLogRow(NamedTuple):
    """A thread after one change; ``data`` is its canonical JSON, None where it was erased, and ``nonce`` empty then."""

    position: int
    thread_id: str
    tenant_id: str
    user_id: str
    version: int
    revision: int
    deleted: int
    nonce: bytes
    data: bytes | None


class MessageRow(NamedTuple):
    """A message now, as `ThreadRow`; ``parent_id`` is empty where it answers none."""

    message_id: str
    thread_id: str
    parent_id: str
    ordinal: int
    version: int
    position: int
    deleted: int


class MessageLogRow(NamedTuple):
    """A message after one change, as `ThreadLogRow`."""

    position: int
    message_id: str
    thread_id: str
    parent_id: str
    version: int
    revision: int
    deleted: int
    nonce: bytes
    data: bytes | None


THREAD = Relation(
    "thread",
    ThreadRow,
    ("thread_id",),
    (("thread_id",), ("tenant_id", "ordinal"), ("tenant_id", "user_id", "ordinal")),
    mutable=True,
)

THREAD_LOG = Relation(
    "thread_log",
    ThreadLogRow,
    ("position",),
    (("position",), ("thread_id", "version")),
    payload="data",
    erasable=True,
)

MESSAGE = Relation(
    "message",
    MessageRow,
    ("message_id",),
    (("message_id",), ("thread_id", "ordinal"), ("parent_id", "ordinal")),
    mutable=True,
)

MESSAGE_LOG = Relation(
    "message_log",
    MessageLogRow,
    ("position",),
    (("position",), ("message_id", "version")),
    payload="data",
    erasable=True,
)
