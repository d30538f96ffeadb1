"""Entities of an archive, and their content hash: SHA-256 over nothing but the canonical JSON.

The scheme is named `CONTENT_SCHEME`. It is not that of a `Digest`, which hashes a header with the type and the length
as well: a content hash is what ``sha256sum`` says of the canonical JSON in a file, and no object has it as its digest.

Imports ``errors``, ``model.canonical``, ``model.limits`` and ``model.time``. Source: CCOS-1, REQUIREMENTS 8.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from hashlib import sha256
from typing import Any, ClassVar, Final, NewType, Protocol, runtime_checkable

from charter_persist.errors import InvalidInputError
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.limits import DEFAULT_OPTIONS, Options
from charter_persist.model.time import format_time

ContentHash = NewType("ContentHash", str)
"""The identity of an entity in an archive: 64 lower-case hexadecimal characters."""

CONTENT_SCHEME: Final = "sha256-rfc8785"
"""The name of the scheme: SHA-256 over RFC 8785 JSON, without any header."""

_CONTENT_HASH: Final = re.compile(r"[0-9a-f]{64}")
_ENTITY_TYPE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


@runtime_checkable
class Archivable(Protocol):
    """What can be kept in an archive."""

    def content_hash(self) -> str:
        """The SHA-256 of the canonical JSON of the entity, as 64 hexadecimal characters; equal entities have equal ones."""
        ...

    def entity_id(self) -> str:
        """What the entity is called where it comes from; it need not be unique."""
        ...

    def entity_type(self) -> str:
        """A lower-case letter, then lower-case letters, digits, ``_``; at most 64 characters."""
        ...

    def to_json(self) -> Mapping[str, Any]:
        """The entity as a JSON object; the hash is that of its canonical form."""
        ...


class ArchivableEntity:
    """Base of frozen dataclasses that are `Archivable`: every field is part of the content, times as RFC 3339 text.

    Attributes:
        ENTITY_TYPE: the type of all entities of the class.
        ID_FIELD: name of the field that identifies an entity.
    """

    __slots__ = ()

    ENTITY_TYPE: ClassVar[str]
    ID_FIELD: ClassVar[str]

    def content_hash(self) -> str:
        """The SHA-256 of the canonical JSON, the same in every process and on every machine.

        Raises:
            NotCanonicalError: a field has no canonical form.

        Spec: CCOS-1
        """
        return hash_of_content(canonical_bytes(self.to_json()))

    def entity_id(self) -> str:
        """The value of the field that identifies it."""
        return str(getattr(self, self.ID_FIELD))

    def entity_type(self) -> str:
        """The type of the class."""
        return self.ENTITY_TYPE

    def to_json(self) -> dict[str, Any]:
        """All fields, those without a value as null."""
        named: Any = self
        return {field.name: _plain(getattr(self, field.name)) for field in fields(named)}


@dataclass(frozen=True, slots=True)
class ArchiveStats:
    """How much an archive keeps of one type.

    Attributes:
        total_entities: how many.
        total_size_bytes: of their canonical JSON together.
        oldest_timestamp: when the first of those that are there was stored, aware; None where there is none.
        newest_timestamp: when the last one was.
    """

    total_entities: int
    total_size_bytes: int
    oldest_timestamp: datetime | None
    newest_timestamp: datetime | None


@dataclass(frozen=True, slots=True)
class ArchiveFinding:
    """Something in an archive that is not as it should be.

    Attributes:
        subject: the content hash that it is stored under, or its place where it is not under a hash at all.
        message: what is wrong with it.
    """

    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class ArchiveReport:
    """What `verify_integrity` found; true where all is well.

    Attributes:
        checked: how many entities were read.
        checked_bytes: how many bytes that were.
        findings: everything that is wrong, by content hash.
    """

    checked: int
    checked_bytes: int
    findings: tuple[ArchiveFinding, ...]

    def __bool__(self) -> bool:
        return not self.findings


def hash_of_content(canonical: bytes) -> ContentHash:
    """The content hash of bytes that are canonical already."""
    return ContentHash(sha256(canonical).hexdigest())


def content_hash(entity: Mapping[str, Any], *, options: Options = DEFAULT_OPTIONS) -> ContentHash:
    """Compute the content hash of a JSON object; the same content has the same hash in every archive.

    Args:
        entity: a value with a canonical JSON form, see `canonical_bytes`.
        options: limits; ``object_bytes_max`` and ``nesting_max`` apply.

    Raises:
        NotCanonicalError: it has no canonical form.
        LimitExceededError: it is nested too deep or too large.

    Spec: CCOS-1
    """
    return hash_of_content(canonical_bytes(entity, options=options))


def parse_content_hash(text: object) -> ContentHash:
    """Check that a text is a content hash in its one spelling.

    Raises:
        InvalidInputError: anything else, upper-case letters and surrounding space included.
    """
    if type(text) is not str or _CONTENT_HASH.fullmatch(text) is None:
        raise InvalidInputError(f"a content hash is 64 lower-case hexadecimal characters, got {str(text)[:80]!r}")
    return ContentHash(text)


def is_content_hash(text: str) -> bool:
    """Whether a text is a content hash in its one spelling."""
    return _CONTENT_HASH.fullmatch(text) is not None


def check_entity_type(entity_type: object) -> str:
    """Return the type of entities if it follows the grammar; it can then be the name of a folder.

    Raises:
        InvalidInputError: it is not a lower-case letter with up to 63 lower-case letters, digits and ``_`` behind it.
    """
    if type(entity_type) is not str or _ENTITY_TYPE.fullmatch(entity_type) is None:
        raise InvalidInputError(
            f"an entity type is 1 to 64 lower-case letters, digits, '_', a letter first, got {str(entity_type)[:80]!r}"
        )
    return entity_type


def is_entity_type(text: str) -> bool:
    """Whether a text is the type of entities."""
    return _ENTITY_TYPE.fullmatch(text) is not None


def _plain(value: Any) -> Any:
    """A field as JSON."""
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value
