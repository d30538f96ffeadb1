"""RESTORE: a bundle into a store that knows nothing of its areas, byte for byte, or not at all.

Cost: where the store knows the first objects of the bundle, one more pass, which ends at the first line that is not here.

Source: GOV-12, NEIGHBOURS 2.7, RELIABILITY P39.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from charter_persist.backends.contract import AUDIT, OBJECT, REF
from charter_persist.errors import ConflictError
from charter_persist.repositories.audit import read_event
from charter_persist.transfer.bundle import split_event, split_object
from charter_persist.transfer.report import AreaImport, Case
from charter_persist.transfer.writing import CHUNK, Import


def restore(run: Import) -> tuple[AreaImport, ...]:
    """Write everything that the bundle holds; where all of it is here already, nothing.

    Raises:
        ConflictError: an area, a label, a ref or a session of the bundle is here, and is another one; ``areas`` says
            which, with the ids here and there.
        AlreadyExistsError: an audit event of the bundle is here, and not all of the bundle is.
        BundleError: the bundle leads to what is neither in it nor here, or tells of an area that is not in it.

    Spec: GOV-12
    """
    header = run.checked.header
    if _is_here(run):
        run.totals.objects_known, run.totals.refs_left = header.objects, header.refs
        run.totals.events_left = header.audit_events
    else:
        _refuse_known_areas(run)
        run.check_surroundings()
        run.check_sessions(session_id for session_id, _ in run.checked.decisions.sessions())
        lines = run.lines()
        run.put_objects(lines)
        for ref in run.refs(lines):
            run.put_ref(ref)
        for line in lines:
            run.put_event(split_event(line))
    return tuple(AreaImport(area.area_id, Case.A) for area in run.checked.index.areas())


def _refuse_known_areas(run: Import) -> None:
    lookups = run.work.lookups
    taken: list[dict[str, Any]] = []
    for area in run.checked.index.areas():
        here = lookups.area(area.area_id) or lookups.area_labelled(area.label)
        if here is not None:
            taken.append({"here": here.area_id, "there": area.area_id, "label": area.label})
    if taken:
        first = taken[0]
        raise ConflictError(
            f"area {first['there']} ({first['label']}) meets area {first['here']}, which is here already; "
            "consolidate the bundle, or restore it into another store",
            areas=taken,
        )


def _is_here(run: Import) -> bool:
    """Whether the store holds every line of the bundle."""
    lines = run.lines()
    try:
        return all(_chunks_are_here(run, lines))
    finally:
        lines.close()  # type: ignore[attr-defined]  # it is a generator


def _chunks_are_here(run: Import, lines: Iterator[bytes]) -> Iterator[bool]:
    reader, header = run.work.uow.rows, run.checked.header
    objects = islice(lines, header.objects)
    while chunk := [(split_object(line).digest,) for line in islice(objects, CHUNK)]:
        yield len(reader.get_many(OBJECT, chunk)) == len(chunk)
    for ref in run.refs(lines):
        row = reader.get(REF, (ref.name,))
        yield row is not None and row.digest.hex() == ref.digest
    for line in lines:
        data = split_event(line)
        event = reader.get(AUDIT, (read_event(data, run.work.uow.options).event_id,))
        yield event is not None and event.data == data
