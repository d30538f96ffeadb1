"""Events of executions as rows, and which executions there are. Source: ENA-2, DESIGN 4."""

from __future__ import annotations

from typing import NamedTuple

from charter_persist.backends.contract.relation import Relation


class EventRow(NamedTuple):
    """One event; ``data`` is its canonical JSON, None where it was erased, and ``nonce`` is empty then."""

    position: int
    execution_id: str
    sequence: int
    tenant_id: str
    type: str
    revision: int
    recorded_at: int
    nonce: bytes
    data: bytes | None


class ExecutionRow(NamedTuple):
    """An execution that has events; ``position`` is that of its first one, which fixed the tenant."""

    execution_id: str
    tenant_id: str
    position: int


EVENT = Relation(
    "event", EventRow, ("position",), (("position",), ("execution_id", "sequence")), payload="data", erasable=True
)

EXECUTION = Relation(
    "execution", ExecutionRow, ("execution_id",), (("execution_id",), ("tenant_id", "execution_id")), mutable=True
)
