"""What executions cache, as rows: no journal entry stands for any of it. Source: ENA-3, DESIGN 4."""

from __future__ import annotations

from typing import NamedTuple

from charter_persist.backends.contract.relation import Relation


class SnapshotRow(NamedTuple):
    """The newest snapshot of an execution; ``sequence_number`` is that of the event it reflects."""

    execution_id: str
    tenant_id: str
    sequence_number: int
    data: bytes


class StateValueRow(NamedTuple):
    """A cached value; from ``expires_at`` on it is absent, in microseconds since 1970-01-01T00:00:00Z."""

    key: str
    expires_at: int
    value: bytes


STATE_SNAPSHOT = Relation(
    "state_snapshot",
    SnapshotRow,
    ("execution_id",),
    (("execution_id",), ("tenant_id", "execution_id")),
    mutable=True,
    payload="data",
)

STATE_VALUE = Relation(
    "state_value", StateValueRow, ("key",), (("key",), ("expires_at", "key")), mutable=True, payload="value"
)
