"""Export: the content of one view as a bundle, the same bytes from every backend.

What a bundle carries is content: objects by digest, refs by name, audit events in their order. It has no positions,
revisions, times of recording or of export; no metadata, keys or open sessions; and no GLOBAL event that tells of what
was done to this store alone (`LOCAL_EVENTS`).

Cost: two passes over one snapshot, the first for counts and content digest with a hash of every object, the second to
write; in constant memory. A file needs two fsyncs.

Imports ``unit_of_work`` and what it stands on, ``files`` and ``errors``. Source: GOV-12, HASH-4, RELIABILITY P38, P39.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from charter_persist.backends.contract import AUDIT, OBJECT, REF, AuditRow, ObjectRow, RefRow
from charter_persist.errors import CharterError, DigestMismatchError, IntegrityError
from charter_persist.files import new_file
from charter_persist.model.area import GLOBAL
from charter_persist.model.digest import Digest, hash_version
from charter_persist.transfer.bundle import Header, ObjectLine, event_line, object_line, ref_line
from charter_persist.transfer.selection import Selection
from charter_persist.unit_of_work import ReadView

LOCAL_EVENTS: Final = ("IMPORT_", "FSCK_", "HASH_")
"""How the types of GLOBAL events begin that are about this store and not about its content."""

PROGRESS_EVERY: Final = 4_096


def export_bundle(
    view: ReadView,
    write: Callable[[bytes], object],
    *,
    areas: Iterable[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Header:
    """Write the content of a view as a bundle; nothing is written before all of it was read and verified once.

    Equal content gives equal bytes, whatever the backend, the revision and the day.

    Args:
        view: of a store, present or past.
        write: takes each line.
        areas: only what belongs to the areas of these ids; None for everything.
        progress: called now and then with the lines done and the lines in all, in the second pass.

    Returns:
        The header.

    Raises:
        DigestMismatchError: an object does not have its digest; nothing was written.
        NotFoundError: there is no such area.
        InvalidInputError: an area can only be exported together with another one.
        BackendError: the store could not be read.

    Spec: GOV-12, P39
    """
    selection = None if areas is None else Selection(view.reader, areas)
    header = _summary(view, selection)
    tell = progress or (lambda _done, _total: None)
    content = sha256()
    write(header.line())
    for done, (_, line) in enumerate(_lines(view, selection, verified=True), 1):
        content.update(line)
        write(line)
        if done % PROGRESS_EVERY == 0:
            tell(done, header.records)
    if content.hexdigest() != header.content_digest:
        raise IntegrityError("the store gave other rows when it was read again; run `charter verify`")
    tell(header.records, header.records)
    return header


def export_file(
    view: ReadView,
    path: Path,
    *,
    areas: Iterable[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Header:
    """As `export_bundle`, into a file that appears whole and durable, or not at all; one of that name is replaced.

    Raises:
        StorageFullError: there is no space left.
        UnavailableError: the file cannot be written.

    Spec: P38
    """
    with new_file(path) as file:
        return export_bundle(view, file.write, areas=areas, progress=progress)


def is_local(event_type: str, scope: str) -> bool:
    """Whether an event tells of what was done to one store, so that no bundle carries it."""
    return scope == GLOBAL and event_type.startswith(LOCAL_EVENTS)


def _summary(view: ReadView, selection: Selection | None) -> Header:
    """The first pass: the header."""
    content = sha256()
    counts: Counter[str] = Counter()
    for kind, line in _lines(view, selection, verified=False):
        content.update(line)
        counts[kind] += 1
    return Header(
        None if selection is None else selection.areas,
        counts[OBJECT.name],
        counts[REF.name],
        counts[AUDIT.name],
        Digest(content.hexdigest()),
    )


def _lines(view: ReadView, selection: Selection | None, *, verified: bool) -> Iterator[tuple[str, bytes]]:
    """Every line behind the header, with the name of the relation that it is of."""
    reader = view.reader
    objects: Iterable[ObjectRow] = reader.scan(OBJECT, ("digest",))
    refs: Iterable[RefRow] = reader.scan(REF, ("name",))
    events: Iterable[AuditRow] = reader.scan(AUDIT, ("position",))
    if not verified:
        objects = map(_checked, objects)
    if selection is not None:
        objects, refs, events = filter(selection.object, objects), selection.refs(), filter(selection.event, events)
    for row in objects:
        yield OBJECT.name, object_line(ObjectLine(row.digest, row.hash_version, row.type, row.data))
    for ref in refs:
        yield REF.name, ref_line(ref.name, ref.digest)
    for event in events:
        if not is_local(event.event_type, event.scope):
            yield AUDIT.name, event_line(event.data)


def _checked(row: ObjectRow) -> ObjectRow:
    """The row if its bytes have its digest."""
    try:
        sound = hash_version(row.hash_version).digest_bytes(row.type, row.data) == row.digest
    except CharterError:  # a type or version that no writer can have written
        sound = False
    if not sound:
        raise DigestMismatchError(
            f"the stored bytes of {row.type!r} {row.digest.hex()} do not have that digest; run `charter verify`",
            object_type=row.type,
            digest=row.digest.hex(),
        )
    return row
