"""Areas, their refs and their labels. Source: GOV-7, GOV-8, NEIGHBOURS 2.2 and 2.11."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from charter_persist.engine.work import Work
from charter_persist.errors import AlreadyExistsError, RuleError
from charter_persist.model.area import Area, AreaRetirement, authority_ref, scope_ref
from charter_persist.model.digest import Digest
from charter_persist.model.resolution import ResolutionType
from charter_persist.model.session import FINAL_STATES, SessionState
from charter_persist.model.shape import given_object

GOVERNING = {ResolutionType.AUTHORITY: authority_ref, ResolutionType.SCOPE: scope_ref}


def create_area(
    work: Work, label: str, long_name: str | None, annotations: Mapping[str, Any] | None, area_id: str | None
) -> Area:
    """Write the area and its GLOBAL event."""
    identity = work.uow.new_id() if area_id is None else area_id
    notes = given_object(annotations, field="annotations")
    area = Area.from_content(Area(identity, label, long_name, notes, work.now).to_content())
    if work.lookups.area(area.area_id) is not None:
        raise AlreadyExistsError(f"there is an area {area.area_id} already", area_id=area.area_id)
    if work.lookups.area_labelled(area.label) is not None:
        raise AlreadyExistsError(f"there is an area labelled {area.label} already", label=area.label)
    work.uow.objects.put(Area.object_type, area.to_content())
    work.audit_global("AREA_CREATED", ("area", area.area_id), {"label": area.label})
    return area


def retire_area(work: Work, area_id: str, reason: str | None) -> AreaRetirement:
    """Write the retirement and its GLOBAL event; an area with open sessions is refused."""
    require_open_area(work, area_id)
    for state in SessionState:
        if state in FINAL_STATES:
            continue
        session = next(work.uow.sessions.iter(area_id=area_id, state=state), None)
        if session is not None:
            raise RuleError(
                f"area {area_id} has the open session {session.session_id}; close it first", rule="NEIGHBOURS 2.11"
            )
    retirement = AreaRetirement.from_content(AreaRetirement(area_id, reason, work.now).to_content())
    work.uow.objects.put(AreaRetirement.object_type, retirement.to_content())
    work.audit_global("AREA_RETIRED", ("area", area_id), {"reason": reason})
    return retirement


def require_open_area(work: Work, area_id: str) -> None:
    """Refuse an area that is unknown or retired.

    Raises:
        NotFoundError: there is no such area.
        RuleError: it is retired.
    """
    if work.area(area_id).retired:
        raise RuleError(f"area {area_id} is retired; nothing is decided in it any more", rule="NEIGHBOURS 2.5")


def point(work: Work, area_id: str, name: str, digest: Digest) -> None:
    """Point a ref of an area to an object, whatever it pointed to, with its event."""
    before = work.uow.refs.get(name)
    after = work.uow.refs.set(name, digest, expected=0 if before is None else before.version)
    event = "REF_CREATED" if before is None else "REF_UPDATED"
    details = {"from": None if before is None else before.digest, "to": digest, "version": after.version}
    work.audit_area(event, area_id, ("ref", name), details)


def set_label(work: Work, area_id: str, label: str, resolution_id: str) -> None:
    """Point a free label of an area to one of its resolutions."""
    require_open_area(work, area_id)
    resolution = work.resolution(resolution_id)
    if resolution.area_id != area_id:
        raise RuleError(f"resolution {resolution.digest} belongs to another area, {resolution.area_id}", rule="IDX-6")
    point(work, area_id, label_ref(area_id, label), resolution.digest)


def delete_label(work: Work, area_id: str, label: str) -> None:
    """Delete a free label of an area."""
    require_open_area(work, area_id)
    name = label_ref(area_id, label)
    ref = work.uow.refs.require(name)
    work.uow.refs.delete(name, expected=ref.version)
    work.audit_area("REF_DELETED", area_id, ("ref", name), {"from": ref.digest, "to": None, "version": ref.version + 1})


def label_ref(area_id: str, label: str) -> str:
    """Name of the ref of a free label."""
    return f"area/{area_id}/label/{label}"
