"""An area: where decisions belong, and where authority and scope hold.

An area is never deleted. Retiring one is an object of its own. Source: GOV-1, GOV-7, NEIGHBOURS 2.5, 2.6, 2.11.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final

from charter_persist.model.shape import exact_fields, json_object, moment, optional_text
from charter_persist.model.text import check_text

GLOBAL: Final = "GLOBAL"


def area_scope(area_id: str) -> str:
    """The audit scope of an area."""
    return f"AREA:{area_id}"


def authority_ref(area_id: str) -> str:
    """Name of the ref to the authority in force (GOV-8)."""
    return f"area/{area_id}/authority"


def scope_ref(area_id: str) -> str:
    """Name of the ref to the scope in force (GOV-8)."""
    return f"area/{area_id}/scope"


@dataclass(frozen=True, slots=True)
class Area:
    """An area as it was created.

    Attributes:
        area_id: its identity.
        label: its short name, unique in the store.
        long_name: its full name, or None.
        annotations: any JSON object.
        created_at: RFC 3339 text.
    """

    object_type: ClassVar[str] = "area"
    FIELDS: ClassVar[frozenset[str]] = frozenset({"area_id", "label", "long_name", "annotations", "created_at"})

    area_id: str
    label: str
    long_name: str | None
    annotations: Mapping[str, Any]
    created_at: str

    def to_content(self) -> dict[str, Any]:
        """The content of the object."""
        return {**asdict(self), "annotations": dict(self.annotations)}

    @classmethod
    def from_content(cls, content: object) -> Area:
        """Read the content of an object.

        Raises:
            InvalidInputError: it is not the content of an area.
        """
        data = exact_fields(content, cls.FIELDS, form="an area")
        return cls(
            area_id=check_text(data["area_id"], field="area_id"),
            label=check_text(data["label"], field="label"),
            long_name=optional_text(data["long_name"], field="long_name"),
            annotations=json_object(data["annotations"], field="annotations"),
            created_at=moment(data["created_at"]),
        )


@dataclass(frozen=True, slots=True)
class AreaRetirement:
    """The end of an area: no session is started in it any more; what was decided stays.

    Attributes:
        area_id: of the area.
        reason: why, or None.
        retired_at: RFC 3339 text.
    """

    object_type: ClassVar[str] = "area_retirement"
    FIELDS: ClassVar[frozenset[str]] = frozenset({"area_id", "reason", "retired_at"})

    area_id: str
    reason: str | None
    retired_at: str

    def to_content(self) -> dict[str, Any]:
        """The content of the object."""
        return asdict(self)

    @classmethod
    def from_content(cls, content: object) -> AreaRetirement:
        """Read the content of an object.

        Raises:
            InvalidInputError: it is not the content of a retirement.
        """
        data = exact_fields(content, cls.FIELDS, form="the retirement of an area")
        return cls(
            area_id=check_text(data["area_id"], field="area_id"),
            reason=optional_text(data["reason"], field="reason"),
            retired_at=moment(data["retired_at"]),
        )
