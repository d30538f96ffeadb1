"""Archives: entities by their content hash, apart for each type; the same rules on ledgers, files and S3.

What keeps the bytes is an `ArchiveReading`: a relation with its journal (``archive_ledger``), or a backend of its own
(``archive_backend``). The hash is computed and checked here, so no backend is trusted with it.

Cost: `store` canonical JSON, one hash, one look-up, and what its backend needs to write; `retrieve` one read and one hash,
for every read is verified. `stats` and `list_hashes` go over all entities without their JSON, `verify_integrity` reads
every byte.

Imports ``backends.contract``, ``model`` and ``errors``. Source: CCOS-1, CCOS-2, CCOS-7, RELIABILITY P22 and P32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from itertools import islice
from typing import Any, Protocol

from charter_persist.backends.contract.single import ArchiveReading, Stored
from charter_persist.errors import (
    CorruptStoreError,
    DigestMismatchError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
)
from charter_persist.model.archive import (
    Archivable,
    ArchiveFinding,
    ArchiveReport,
    ArchiveStats,
    ContentHash,
    check_entity_type,
    hash_of_content,
    parse_content_hash,
)
from charter_persist.model.canonical import canonical_bytes, load_canonical
from charter_persist.model.limits import Options
from charter_persist.model.records import Page
from charter_persist.model.text import check_text
from charter_persist.model.time import from_micros
from charter_persist.repositories.base import page_size
from charter_persist.repositories.cursors import decode_name, encode_name


class ArchiveWriting(ArchiveReading, Protocol):
    """What entities of a unit of work go to; all of it becomes durable when the unit has committed."""

    def add(self, kind: str, content_hash: str, entity_id: str, data: bytes) -> None:
        """Keep an entity; nothing is done where it is kept already."""
        ...

    def remove(self, kind: str, content_hash: str) -> bool:
        """Erase an entity; whether it was there."""
        ...


class ArchiveReader:
    """Reads of the entities of one type."""

    def __init__(
        self, archive: ArchiveReading, options: Options, revision: Callable[[], int], entity_type: str
    ) -> None:
        """Read a type.

        Args:
            archive: what keeps the bytes.
            options: limits.
            revision: that is read; 0 on a backend that has none.
            entity_type: a lower-case letter, then lower-case letters, digits, ``_``; at most 64 characters.

        Raises:
            InvalidInputError: the type does not follow the grammar.
        """
        self.entity_type = check_entity_type(entity_type)
        self._archive = archive
        self._options = options
        self._revision = revision

    def retrieve(self, content_hash: str, *, decode: Callable[[Any], Any] | None = None) -> Any:
        """Return the JSON of an entity, or None where there is none; what is returned has that hash.

        Args:
            content_hash: 64 lower-case hexadecimal characters.
            decode: makes an entity of the JSON.

        Raises:
            InvalidInputError: ``content_hash`` is not a content hash.
            DigestMismatchError: the stored bytes do not have this hash.
            IntegrityError: they do, and are not a JSON object.

        Spec: CCOS-2
        """
        value = self._value(content_hash)
        return value if value is None or decode is None else decode(value)

    def require(self, content_hash: str, *, decode: Callable[[Any], Any] | None = None) -> Any:
        """As `retrieve`, of an entity that must be there.

        Raises:
            NotFoundError: there is none.
        """
        value = self._value(content_hash)
        if value is None:
            raise NotFoundError(f"no {self.entity_type} has the content hash {content_hash}", content_hash=content_hash)
        return value if decode is None else decode(value)

    def exists(self, content_hash: str) -> bool:
        """Whether an entity of that hash is stored; its bytes are not read.

        Raises:
            InvalidInputError: ``content_hash`` is not a content hash.
        """
        return self._archive.stat(self.entity_type, parse_content_hash(content_hash)) is not None

    def stats(self) -> ArchiveStats:
        """Count the entities and their bytes, and tell when the first and the last of them were stored."""
        count = size = newest = 0
        oldest: int | None = None
        for stored in self._stored():
            count += 1
            size += stored.size
            newest = max(newest, stored.stored_at)
            oldest = stored.stored_at if oldest is None else min(oldest, stored.stored_at)
        if oldest is None:
            return ArchiveStats(0, 0, None, None)
        return ArchiveStats(count, size, from_micros(oldest), from_micros(newest))

    def verify_integrity(self) -> ArchiveReport:
        """Read every byte of this type and compare it with its hash; nothing is changed.

        Returns:
            A report that is true where all is well. It names each entity whose bytes are not those of its hash, are
            not a JSON object or cannot be read, and everything that lies among the entities and is none.

        Raises:
            BackendError: the backend cannot be reached.

        Spec: CCOS-2
        """
        findings: list[ArchiveFinding] = []
        checked = checked_bytes = 0
        for stored in self._stored():
            try:
                data = self._archive.get(self.entity_type, stored.content_hash)
                if data is None:
                    continue  # erased since it was listed
                checked += 1
                checked_bytes += len(data)
                self._opened(stored.content_hash, data)
                if stored.size != len(data):
                    findings.append(ArchiveFinding(stored.content_hash, f"{len(data)} bytes, recorded: {stored.size}"))
            except (IntegrityError, CorruptStoreError) as error:
                findings.append(ArchiveFinding(stored.content_hash, error.message))
        for place in self._archive.strays(self.entity_type):
            findings.append(
                ArchiveFinding(place, "nothing is read from here; move it away, or to the name that it has")
            )
        return ArchiveReport(checked, checked_bytes, tuple(findings))

    def list_hashes(self, *, after: str | None = None) -> Iterator[ContentHash]:
        """Yield the content hashes in their own order, lazily.

        Args:
            after: only hashes behind this one.

        Raises:
            InvalidInputError: ``after`` is not a content hash.
        """
        behind = "" if after is None else parse_content_hash(after)
        return (ContentHash(stored.content_hash) for stored in self._stored(behind))

    def list(self, *, limit: int = 100, cursor: str | None = None) -> Page[ContentHash]:
        """Return one page of content hashes in their own order; the next page goes on behind it, whatever was stored.

        Args:
            limit: 1 to ``page_items_max``.
            cursor: of the page before; None for the first page.

        Raises:
            LimitExceededError: the page is too large.
            InvalidInputError: limit or cursor are not valid.
        """
        size = page_size(limit, self._options)
        hashes = list(islice(self.list_hashes(after=decode_name(cursor)), size + 1))
        more = encode_name(hashes[size - 1]) if len(hashes) > size else None
        return Page(tuple(hashes[:size]), more, self._revision())

    def _stored(self, after: str = "") -> Iterator[Stored]:
        return self._archive.scan(self.entity_type, after=after)

    def _value(self, content_hash: str) -> dict[str, Any] | None:
        name = parse_content_hash(content_hash)
        data = self._archive.get(self.entity_type, name)
        return None if data is None else self._opened(name, data)

    def _opened(self, content_hash: str, data: bytes) -> dict[str, Any]:
        """The JSON of stored bytes, which are verified before they are parsed."""
        if sha256(data).hexdigest() != content_hash:
            raise DigestMismatchError(
                f"the stored bytes of {self.entity_type} {content_hash} do not have that hash; restore them from a copy",
                entity_type=self.entity_type,
                content_hash=content_hash,
            )
        value = load_canonical(data)
        if type(value) is not dict:
            raise IntegrityError(f"the {self.entity_type} {content_hash} is no JSON object; nothing of ours wrote it")
        return value


class ArchiveRepository(ArchiveReader):
    """Entities of one type in a unit of work."""

    _archive: ArchiveWriting

    def __init__(
        self, archive: ArchiveWriting, options: Options, revision: Callable[[], int], entity_type: str
    ) -> None:
        super().__init__(archive, options, revision, entity_type)

    def store(self, entity: Archivable | Mapping[str, Any]) -> ContentHash:
        """Keep an entity under its content hash; a second time changes nothing. Durable when the unit has committed.

        Args:
            entity: an `Archivable` of this type, or a JSON object with its id under ``<type>_id`` or ``id``.

        Returns:
            The content hash, the same in every archive: SHA-256 over the canonical JSON.

        Raises:
            NotCanonicalError: the entity has no canonical JSON form.
            LimitExceededError: it is too large or nested too deep, or its id is too long.
            InvalidInputError: it is of another type, has no id, or names another hash than its JSON has.
            DigestMismatchError: a ledger has other bytes under its hash.

        Spec: CCOS-1, CCOS-2
        """
        content, entity_id = self._taken_apart(entity)
        data = canonical_bytes(content, options=self._options)
        content_hash = hash_of_content(data)
        if isinstance(entity, Archivable) and entity.content_hash() != content_hash:
            raise InvalidInputError(
                f"the {self.entity_type} {entity_id} says its content hash is {entity.content_hash()!r}, and its JSON has "
                f"{content_hash}; let content_hash() be that of to_json()",
                content_hash=content_hash,
            )
        self._archive.add(self.entity_type, content_hash, entity_id, data)
        return content_hash

    def erase(self, content_hash: str) -> bool:
        """Remove an entity; nothing of it can be read any more, and it can be stored again.

        On a ledger the journal entries stay, so every proof over them still verifies, and the erasure is one itself;
        call `Store.scrub` after the commit, so that no file of the database holds the JSON. The content hash, the id,
        the size and the time stay. Backups that were made before still have the entity.

        Returns:
            Whether it was there; where it was not, nothing is recorded.

        Raises:
            InvalidInputError: ``content_hash`` is not a content hash.

        Spec: P28
        """
        return self._archive.remove(self.entity_type, parse_content_hash(content_hash))

    def _taken_apart(self, entity: Archivable | Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """The JSON object of an entity, and its id."""
        if isinstance(entity, Mapping):
            content = dict(entity)
            own_id = content.get(f"{self.entity_type}_id", content.get("id"))
            if own_id is None:
                raise InvalidInputError(f"a {self.entity_type} must have its id under {self.entity_type}_id or id")
        elif isinstance(entity, Archivable):
            if entity.entity_type() != self.entity_type:
                raise InvalidInputError(
                    f"this archive keeps entities of type {self.entity_type}, not {entity.entity_type()!r}"
                )
            content, own_id = dict(entity.to_json()), entity.entity_id()
        else:
            raise InvalidInputError(f"an entity is Archivable or a JSON object, got {type(entity).__name__}")
        return content, check_text(own_id, field="entity id")


class Archives:
    """The archives of a view, by type."""

    def __init__(self, archive: ArchiveReading, options: Options, revision: Callable[[], int]) -> None:
        self._made_of = archive, options, revision

    def __call__(self, entity_type: str) -> ArchiveReader:
        """The entities of one type.

        Raises:
            InvalidInputError: the type is not a lower-case letter with lower-case letters, digits and ``_`` behind it.
        """
        return ArchiveReader(*self._made_of, entity_type)


class WritableArchives:
    """The archives of a unit of work, by type."""

    def __init__(self, archive: ArchiveWriting, options: Options, revision: Callable[[], int]) -> None:
        self._made_of = archive, options, revision

    def __call__(self, entity_type: str) -> ArchiveRepository:
        """The entities of one type, to be changed.

        Raises:
            InvalidInputError: the type is not a lower-case letter with lower-case letters, digits and ``_`` behind it.
        """
        return ArchiveRepository(*self._made_of, entity_type)
