"""What an execution cached of itself. Imports ``model`` only. Source: ENA-3, NEIGHBOURS 4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionSnapshot:
    """The state of an execution after one of its events; a cache, so ask `is_stale` before you trust it.

    Attributes:
        execution_id, tenant_id: that it is of.
        state: its state, in the words of whoever runs it.
        sequence_number: of the event that it reflects; 0 for none.
        timestamp: when it was taken, an aware datetime.
        user_id: for whom it runs, or None.
        current_step_id: the step it is at, or None.
        step_outputs: any JSON value by step.
        variables: any JSON value by name.
        latest: the newest event of the execution when the snapshot was loaded; None for one that was not loaded.
    """

    execution_id: str
    tenant_id: str
    state: str
    sequence_number: int
    timestamp: datetime
    user_id: str | None = None
    current_step_id: str | None = None
    step_outputs: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    latest: int | None = field(default=None, compare=False, metadata={"stored": False})

    @property
    def is_stale(self) -> bool:
        """Whether the events tell more than it does, or it tells of events that are not there."""
        return self.latest != self.sequence_number
