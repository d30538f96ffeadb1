"""CONSOLIDATE: a bundle beside what is here, area by area; nothing that is in force changes.

An area that is unknown here comes whole and in force. Into a known area come objects alone, and an import record lists
them: resolutions wait for review, and nothing else of it counts (GOV-14). Sessions of the area that are ACTIVE are paused,
so that somebody looks. Refs and audit of a known area stay as they are, and what differs is reported.

Cost: that of the second pass, and the digests of what is listed in memory.

Source: GOV-12, GOV-14, NEIGHBOURS 2.7.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Final

from charter_persist.engine.deliberation import pause
from charter_persist.errors import ConflictError
from charter_persist.index.lookups import AreaEntry, Lookups
from charter_persist.model.adoption import ImportRecord
from charter_persist.model.area import GLOBAL, Area, authority_ref, scope_ref
from charter_persist.model.digest import HASH_VERSION, Digest
from charter_persist.model.session import SessionState
from charter_persist.repositories.audit import read_event
from charter_persist.transfer.bundle import ObjectLine, RefLine, split_event
from charter_persist.transfer.checking import area_ids_in
from charter_persist.transfer.report import AreaImport, Case, Divergence
from charter_persist.transfer.writing import Import

PART_OBJECTS_MAX: Final = 10_000


def consolidate(run: Import) -> tuple[AreaImport, ...]:
    """Write what the bundle adds to the store.

    Raises:
        ConflictError: an area has the label of another area here, or is another one under the same id, or a session of
            an unknown area has the id of one here.
        BundleError: the bundle leads to what is neither in it nor here, or tells of an area that is not in it.

    Spec: GOV-12
    """
    run.check_surroundings()
    areas = {area.area_id: _meet(run, area) for area in run.checked.index.areas()}
    new = frozenset(area_id for area_id, area in areas.items() if area.case is Case.A)
    decisions = run.checked.decisions
    run.check_sessions(session_id for session_id, area_id in decisions.sessions() if area_id in new)
    listed: defaultdict[str, list[Digest]] = defaultdict(list)

    def took(line: ObjectLine) -> None:
        name = Digest(line.digest.hex())
        area_id = decisions.area_of(name) if line.version == HASH_VERSION else None
        if area_id is not None and area_id not in new:
            listed[area_id].append(name)

    lines = run.lines()
    run.put_objects(lines, took)
    for ref in run.refs(lines):
        _take_ref(run, ref, new)
    for line in lines:
        _take_event(run, split_event(line), new)
    return tuple(_adopt(run, area, listed.get(area_id, [])) for area_id, area in sorted(areas.items()))


def _meet(run: Import, area: AreaEntry) -> AreaImport:
    """Which case an area is."""
    lookups = run.work.lookups
    here = lookups.area(area.area_id)
    if here is None:
        other = lookups.area_labelled(area.label)
        if other is not None:
            raise _collision(other, area, f"area {other.area_id} has the label {area.label} here")
        return AreaImport(area.area_id, Case.A)
    if here.digest != area.digest:
        raise _collision(here, area, f"area {area.area_id} is another one here, created as {here.digest}")
    names = (authority_ref(area.area_id), scope_ref(area.area_id))
    refs = {name: run.work.uow.refs.get(name) for name in names}
    standing = {name: _first(lookups, ref.digest) for name, ref in refs.items() if ref is not None}
    coming = {
        name: _first(run.checked.index, run.checked.governing[name]) for name in names if name in run.checked.governing
    }
    if not standing.keys() & coming.keys():
        return AreaImport(area.area_id, Case.B)
    if standing == coming:
        return AreaImport(area.area_id, Case.C)
    return AreaImport(area.area_id, Case.D, divergences=tuple(_differences(area.area_id, standing, coming)))


def _collision(here: AreaEntry, there: AreaEntry, why: str) -> ConflictError:
    areas = [{"here": here.area_id, "there": there.area_id, "label": there.label}]
    return ConflictError(f"{why}; nothing was imported", areas=areas)


def _first(lookups: Lookups, name: str | None) -> str | None:
    """The first digest of a resolution."""
    entry = None if name is None else lookups.resolution(name)
    return name if entry is None else entry.digest


def _differences(
    area_id: str, standing: Mapping[str, str | None], coming: Mapping[str, str | None]
) -> Iterator[Divergence]:
    for name in sorted({*standing, *coming}):
        if standing.get(name) != coming.get(name):
            yield Divergence(area_id, name, standing.get(name), coming.get(name))


def _take_ref(run: Import, ref: RefLine, new: frozenset[str]) -> None:
    if new.isdisjoint(area_ids_in(ref.name)):
        run.totals.refs_left += 1
    else:
        run.put_ref(ref)


def _take_event(run: Import, data: bytes, new: frozenset[str]) -> None:
    event = read_event(data, run.work.uow.options)
    about = event.subject[1] if event.subject[0] == Area.object_type else None
    area_id = about if event.scope == GLOBAL else event.scope.partition(":")[2]
    if area_id in new:
        run.put_event(data)
    else:
        run.totals.events_left += 1


def _adopt(run: Import, area: AreaImport, listed: list[Digest]) -> AreaImport:
    """Record what came into a known area, and pause what goes on there."""
    if not listed:
        return area
    import_id = run.work.uow.new_id()
    parts = range(0, len(listed), PART_OBJECTS_MAX)
    names = sorted(listed)
    for part, start in zip(count(1), parts):
        record = ImportRecord(
            import_id=import_id,
            bundle_digest=run.checked.header.content_digest,
            area_ids=(area.area_id,),
            objects=tuple(names[start : start + PART_OBJECTS_MAX]),
            part=part,
            parts=len(parts),
            imported_at=run.work.now,
        )
        run.work.uow.objects.put(ImportRecord.object_type, record.to_content())
    resolutions = sum(run.checked.index.resolution(name) is not None for name in names)
    if resolutions:
        details = {"import_id": import_id, "resolutions": resolutions}
        run.work.audit_area("RESOLUTION_IMPORTED_UNDER_REVIEW", area.area_id, ("area", area.area_id), details)
    active = list(run.work.uow.sessions.iter(area_id=area.area_id, state=SessionState.ACTIVE))
    for session in active:
        pause(run.work, session.session_id)
    return AreaImport(area.area_id, area.case, resolutions, import_id, len(active), area.divergences)
