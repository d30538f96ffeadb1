"""Stored rows as an index takes them in: verified, parsed, and read by the form of their type.

Cost: one hash, one parse and one look at each field of an object. What is wrong with a row is a finding, never an
exception, and a row whose bytes do not have its digest is read all the same: what it claims must be seen.

Imports ``backends.contract``, ``model`` and ``errors``. Source: IDX-9, RELIABILITY P32.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from charter_persist.backends.contract import JOURNAL, OBJECT, ObjectRow, Reader
from charter_persist.errors import IntegrityError, InvalidInputError, NotSupportedError
from charter_persist.index import findings
from charter_persist.model.adoption import ImportRecord, ImportReview, Rehash
from charter_persist.model.area import Area, AreaRetirement
from charter_persist.model.canonical import load_canonical
from charter_persist.model.digest import Digest, hash_version
from charter_persist.model.finding import Finding
from charter_persist.model.forms import FORMS
from charter_persist.model.lifecycle import Transition
from charter_persist.model.resolution import Resolution

SESSION: Final = "session"
TYPES: Final = (
    Rehash.object_type,
    ImportRecord.object_type,
    ImportReview.object_type,
    Area.object_type,
    AreaRetirement.object_type,
    SESSION,
    Resolution.object_type,
    Transition.object_type,
)
"""What an index is made of, in the order in which it is read."""


class StoredObject(NamedTuple):
    """An object as it is stored.

    Attributes:
        digest: that it is stored under.
        type: that it is stored under.
        value: of the model; None where the content is not of its form.
        problems: what is wrong with it; empty where all is well.
    """

    digest: Digest
    type: str
    value: Any
    problems: tuple[Finding, ...] = ()


def read_object(row: ObjectRow) -> StoredObject:
    """Verify and read one row; it never raises for what is stored there."""
    digest = Digest(row.digest.hex())
    problems = []
    try:
        if hash_version(row.hash_version).digest_bytes(row.type, row.data) != row.digest:
            problems.append(findings.hash_mismatch(digest))
    except NotSupportedError as exc:
        problems.append(findings.unknown_kind(digest, exc.message))
    value = None
    try:
        value = FORMS[row.type](load_canonical(row.data))
    except (InvalidInputError, IntegrityError) as exc:
        problems.append(findings.corrupt(digest, row.type, exc.message))
    return StoredObject(digest, row.type, value, tuple(problems))


def read_objects(reader: Reader) -> Iterator[StoredObject]:
    """Every object that an index is made of, type by type, in constant memory."""
    for object_type in TYPES:
        yield from map(read_object, reader.scan(OBJECT, ("type", "position"), prefix=(object_type,)))


def last_position(reader: Reader) -> int:
    """The last journal position that a reader sees; one row."""
    last = next(reader.scan(JOURNAL, ("position",), reverse=True, limit=1), None)
    return 0 if last is None else last.position
