"""Threads, and the messages in them, with what their making took.

Times are aware datetimes, money is a decimal text, so nothing is rounded. Imports ``model`` only.

Source: ENA-4, NEIGHBOURS 4.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class MessageRole(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class FinishReason(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    CANCELLED = "cancelled"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class MessagePart:
    """A part of a message: ``type`` says what it is, such as ``text`` or ``image``; ``data`` is any JSON value."""

    type: str
    data: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    """How many tokens a message took."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CostInfo:
    """What a message cost: a decimal number as text, and the currency."""

    amount: str
    currency: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionStats:
    """How much was done for a message."""

    steps: int = 0
    tool_calls: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageMetadata:
    """How a message came to be.

    Attributes:
        completed_at: milliseconds since 1970 UTC, or None.
        duration_ms: how long it took, or None.
        model, provider: who made it, or None.
        token_usage, stats, finish_reason, cost: what that took, each or None.
    """

    completed_at: int | None = None
    duration_ms: int | None = None
    model: str | None = None
    provider: str | None = None
    token_usage: TokenUsage | None = None
    stats: ExecutionStats | None = None
    finish_reason: FinishReason | None = None
    cost: CostInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A conversation after one change.

    Attributes:
        id: its identity, unique in the store.
        tenant_id, user_id: that it belongs to; they never change.
        title: or None.
        created_at, updated_at: aware UTC times of the units.
        deleted_at: when it was deleted; None while it stands.
        version: 1 at creation, one more with each change.
    """

    id: str
    tenant_id: str
    user_id: str
    created_at: datetime
    updated_at: datetime
    title: str | None = None
    deleted_at: datetime | None = None
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What somebody said in a thread, after one change.

    Attributes:
        id: its identity, unique in the store.
        thread_id: that it is in; it never changes.
        role: who speaks.
        content: the text.
        created_at: aware UTC time of the unit.
        execution_id: that it came from, or None.
        parent_id: the message of the same thread that it answers, or None; it never changes.
        parent_type: what it answers: ``thread`` where it answers no message.
        parts: what it is made of beside the text.
        metadata: how it came to be.
        updated_at: of the last change, or None.
        deleted_at: when it was deleted; None while it stands.
        version: 1 at creation, one more with each change.
    """

    id: str
    thread_id: str
    role: MessageRole
    content: str
    created_at: datetime
    execution_id: str | None = None
    parent_id: str | None = None
    parent_type: str = "thread"
    parts: tuple[MessagePart, ...] = ()
    metadata: MessageMetadata = field(default_factory=MessageMetadata)
    updated_at: datetime | None = None
    deleted_at: datetime | None = None
    version: int = 1
