"""Rehash: every object gets a digest of another hash version beside its own, and every ref points to the new one.

Nothing is removed: a copy of the same bytes is stored under the new digest, and `rehash` records, written before the
copies, say which is the same as which; there is a series of records for each area, so that an area can go on alone. The
records themselves are not rehashed. New objects go on in the first version; another rehash takes what came since.

Cost: one pass over all objects with two hashes each, one over the objects that have no copy yet, one over the refs; 64
bytes in memory for each new copy. All in one unit of work.

Imports ``unit_of_work`` and what it stands on. Source: HASH-6, NEIGHBOURS 2.1 and 2.3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from charter_persist.backends.contract import OBJECT, REF, ObjectRow, Reader, RefRow
from charter_persist.errors import DigestMismatchError, InvalidInputError
from charter_persist.model.adoption import Rehash
from charter_persist.model.area import GLOBAL, area_scope
from charter_persist.model.digest import HASH_VERSION, Digest, HashVersion, digest_bytes, hash_version
from charter_persist.model.time import format_micros
from charter_persist.transfer.selection import area_of
from charter_persist.unit_of_work import UnitOfWork, Units

CHUNK: Final = 500
PART_PAIRS_MAX: Final = 10_000
UNIT_S: Final = 3_600.0
"""How long a rehash may hold the writer lock, in seconds."""
_DIGEST_BYTES: Final = 32
_PAIR_BYTES: Final = 2 * _DIGEST_BYTES


@dataclass(frozen=True, slots=True)
class RehashReport:
    """What a rehash did.

    Attributes:
        from_version, to_version: names of the hash versions.
        objects: how many objects got a second digest; 0 where all had one.
        refs: how many refs point to a new digest now.
    """

    from_version: str
    to_version: str
    objects: int
    refs: int


def rehash(units: Units, to_version: str, *, actor: str | None = None) -> RehashReport:
    """Migrate a store to another hash version, explicitly and audited; done again, it does what is left to do.

    Args:
        units: the store.
        to_version: name of a hash version other than that of new objects.
        actor: who does it, informational.

    Returns:
        What was done.

    Raises:
        NotSupportedError: the hash version is unknown.
        InvalidInputError: it is the version of new objects.
        DigestMismatchError: a stored object does not have its digest; nothing was written.

    Spec: HASH-6
    """
    to = hash_version(to_version)
    if to.name == HASH_VERSION:
        raise InvalidInputError(f"{to.name} is the hash version of every new object; name another one")
    with units.begin(timeout_s=UNIT_S) as uow:
        groups = _without_copy(uow.reader, to)
        for pairs in groups.values():
            _write_records(uow, to, pairs)
        for pairs in groups.values():
            _write_copies(uow, to, pairs)
        rebound = _rebind(uow, to)
        _audit(uow, to, {area_id: len(pairs) // _PAIR_BYTES for area_id, pairs in groups.items()}, rebound, actor)
    objects = sum(len(pairs) for pairs in groups.values()) // _PAIR_BYTES
    return RehashReport(HASH_VERSION, to.name, objects, rebound.total())


def _without_copy(reader: Reader, to: HashVersion) -> dict[str | None, bytearray]:
    """Old and new digest of each object that has no copy yet, by its area; in ascending order of the old one."""
    rows = (row for row in reader.scan(OBJECT, ("digest",)) if _is_first(row))
    groups: dict[str | None, bytearray] = {}
    while chunk := list(islice(rows, CHUNK)):
        new = [to.digest_bytes(row.type, row.data) for row in chunk]
        known = {row.digest for row in reader.get_many(OBJECT, [(digest,) for digest in new])}
        for row, digest in zip(chunk, new, strict=True):
            if digest not in known:
                groups.setdefault(area_of(reader, row), bytearray()).extend(row.digest + digest)
    return groups


def _is_first(row: ObjectRow) -> bool:
    """Whether an object is one to rehash; its bytes are verified first."""
    if row.hash_version != HASH_VERSION or row.type == Rehash.object_type:
        return False
    if digest_bytes(row.type, row.data) != row.digest:
        raise DigestMismatchError(
            f"the stored bytes of {row.type!r} {row.digest.hex()} do not have that digest; run `charter verify`",
            object_type=row.type,
            digest=row.digest.hex(),
        )
    return True


def _pairs(pairs: bytearray) -> Iterator[tuple[bytes, bytes]]:
    for start in range(0, len(pairs), _PAIR_BYTES):
        middle = start + _DIGEST_BYTES
        yield bytes(pairs[start:middle]), bytes(pairs[middle : start + _PAIR_BYTES])


def _write_records(uow: UnitOfWork, to: HashVersion, pairs: bytearray) -> None:
    """The records of one area."""
    parts = -(-len(pairs) // (_PAIR_BYTES * PART_PAIRS_MAX))
    waiting = _pairs(pairs)
    for part in range(1, parts + 1):
        record = Rehash(
            from_version=HASH_VERSION,
            to_version=to.name,
            pairs=tuple((Digest(a.hex()), Digest(b.hex())) for a, b in islice(waiting, PART_PAIRS_MAX)),
            part=part,
            parts=parts,
            rehashed_at=format_micros(uow.now),
        )
        uow.objects.put(Rehash.object_type, record.to_content())


def _write_copies(uow: UnitOfWork, to: HashVersion, pairs: bytearray) -> None:
    """The same bytes under the new digests."""
    waiting = _pairs(pairs)
    while chunk := [(old,) for old, _ in islice(waiting, CHUNK)]:
        rows = {row.digest: row for row in uow.reader.get_many(OBJECT, chunk)}
        uow.objects.adopt_many([(rows[old].type, to.name, rows[old].data) for (old,) in chunk])


def _rebind(uow: UnitOfWork, to: HashVersion) -> Counter[str | None]:
    """Point each ref to the copy of its object; how many of each area, None for those of none."""
    rebound: Counter[str | None] = Counter()
    after: tuple[str] | None = None
    while refs := list(uow.reader.scan(REF, ("name",), after=after, limit=CHUNK)):
        after = (refs[-1].name,)
        rows = {
            row.digest: row for row in uow.reader.get_many(OBJECT, [(digest,) for digest in {r.digest for r in refs}])
        }
        for ref in refs:
            row = rows.get(ref.digest)
            if row is not None and _is_first(row):
                uow.refs.set(ref.name, to.digest_bytes(row.type, row.data).hex(), expected=ref.version)
                rebound[_area_of_ref(uow.reader, ref, row)] += 1
    return rebound


def _area_of_ref(reader: Reader, ref: RefRow, row: ObjectRow) -> str | None:
    """The area whose ref it is: that of its target, where the name says so too."""
    area_id = area_of(reader, row)
    return area_id if area_id is not None and ref.name.startswith(f"area/{area_id}/") else None


def _audit(
    uow: UnitOfWork, to: HashVersion, objects: dict[str | None, int], refs: Counter[str | None], actor: str | None
) -> None:
    """One event in GLOBAL and one in each area that was touched; none where there was nothing to do."""

    def append(scope: str, object_count: int, ref_count: int) -> None:
        details: dict[str, Any] = {
            "from_version": HASH_VERSION,
            "to_version": to.name,
            "objects": object_count,
            "refs_rebound": ref_count,
        }
        uow.audit.append("HASH_MIGRATED", scope=scope, subject=("hash_version", to.name), actor=actor, details=details)

    if not objects and not refs:
        return
    append(GLOBAL, sum(objects.values()), refs.total())
    for area_id in sorted(filter(None, {*objects, *refs})):
        append(area_scope(area_id), objects.get(area_id, 0), refs[area_id])
