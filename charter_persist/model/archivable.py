"""Entities that agents archive: plans, actions, checkpoints. Their fields are those of NEIGHBOURS 3.5.

Imports ``model.archive``. Source: CCOS-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from charter_persist.model.archive import ArchivableEntity


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivablePlan(ArchivableEntity):
    """A plan as it was drawn up.

    Attributes:
        body: its text, or the legacy form ``{"steps", "preconditions", "postconditions"}``.
        status: Draft, Active, Completed, Failed, Paused, Aborted, Archived or PendingSynthesis.
    """

    ENTITY_TYPE: ClassVar[str] = "plan"
    ID_FIELD: ClassVar[str] = "plan_id"

    plan_id: str
    body: str | Mapping[str, Any]
    created_at: datetime
    name: str | None = None
    intent_ids: tuple[str, ...] = ()
    language: str = "Rtfs20"
    status: str = "Draft"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    input_schema: Any = None
    output_schema: Any = None
    policies: Mapping[str, Any] = field(default_factory=dict)
    capabilities_required: tuple[str, ...] = ()
    annotations: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivableAction(ArchivableEntity):
    """One step that was taken.

    Attributes:
        status: Success, Failure or Pending.
    """

    ENTITY_TYPE: ClassVar[str] = "action"
    ID_FIELD: ClassVar[str] = "action_id"

    action_id: str
    action_type: str
    created_at: datetime
    parent_action_id: str | None = None
    plan_id: str | None = None
    intent_id: str | None = None
    status: str = "Pending"
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRecord(ArchivableEntity):
    """Where an execution can go on.

    Attributes:
        serialized_context: whatever the executor wrote, as text.
    """

    ENTITY_TYPE: ClassVar[str] = "checkpoint"
    ID_FIELD: ClassVar[str] = "checkpoint_id"

    checkpoint_id: str
    plan_id: str
    intent_id: str
    serialized_context: str
    created_at: datetime
    metadata: Mapping[str, Any] = field(default_factory=dict)
    missing_capabilities: tuple[str, ...] = ()
    auto_resume_enabled: bool = False
