"""Immutable objects by their digest.

Cost of `put`: canonical JSON, one hash, one look-up, two rows; nothing of what was staged is read or sent. `put_many` looks a whole chunk up at once. `get` costs
one look-up and one hash, for every read is verified.

Source: STO-3.1, HASH-1 to HASH-4, RELIABILITY P22 and P32.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from charter_persist.backends.contract import OBJECT, ObjectRow
from charter_persist.errors import (
    AmbiguousError,
    DigestMismatchError,
    InvalidInputError,
    LimitExceededError,
    NotFoundError,
)
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.digest import (
    HASH_VERSION,
    Digest,
    Envelope,
    check_object_type,
    digest_bytes,
    hash_version,
    open_envelope,
    parse_digest,
)
from charter_persist.model.items import check_iterable
from charter_persist.model.records import Page
from charter_persist.model.text import check_position
from charter_persist.repositories.base import ReadContext, WriteContext, page_size
from charter_persist.repositories.cursors import decode_position, encode_position

CHUNK: Final = 500
CANDIDATES_MAX: Final = 20
_PREFIX: Final = re.compile(r"[0-9a-f]{1,64}")


class ObjectReader:
    """Reads of objects; every one is verified against its digest."""

    def __init__(self, context: ReadContext) -> None:
        self._context = context

    def get(self, digest: str) -> Envelope | None:
        """Return the object of a digest, or None; what is returned has that digest.

        Args:
            digest: 64 lower-case hexadecimal characters.

        Raises:
            InvalidInputError: ``digest`` is not a digest.
            DigestMismatchError: the stored bytes do not have this digest.
            ContentMissingError: they should lie beside the ledger and are not there.

        Spec: STO-3.1
        """
        row = self._context.reader.get(OBJECT, (bytes.fromhex(parse_digest(digest)),))
        return None if row is None else self._envelope(row)

    def require(self, digest: str) -> Envelope:
        """Return the object of a digest.

        Raises:
            NotFoundError: there is none.
            InvalidInputError: ``digest`` is not a digest.
            DigestMismatchError: the stored bytes do not have this digest.
        """
        envelope = self.get(digest)
        if envelope is None:
            raise NotFoundError(f"no object has the digest {digest}", digest=digest)
        return envelope

    def exists(self, digest: str) -> bool:
        """Whether an object of that digest is stored.

        Raises:
            InvalidInputError: ``digest`` is not a digest.
        """
        return self._context.reader.get(OBJECT, (bytes.fromhex(parse_digest(digest)),)) is not None

    def find(self, prefix: str) -> Envelope:
        """Return the one object whose digest begins with ``prefix``.

        Args:
            prefix: 1 to 64 lower-case hexadecimal characters.

        Raises:
            NotFoundError: no digest begins so.
            AmbiguousError: several do; ``candidates`` names up to 20 of them.
            InvalidInputError: ``prefix`` is not hexadecimal.

        Spec: HASH-4
        """
        if type(prefix) is not str or _PREFIX.fullmatch(prefix) is None:
            raise InvalidInputError(f"a digest prefix is 1 to 64 lower-case hexadecimal characters, got {prefix!r}")
        start = bytes.fromhex(prefix.ljust(64, "0"))
        # Just behind the last digest that begins so, even where that is the last of all.
        stop = bytes.fromhex(prefix.ljust(64, "f")) + b"\0"
        rows = self._context.reader.scan(OBJECT, ("digest",), start=(start,), stop=(stop,), limit=CANDIDATES_MAX + 1)
        found = list(rows)
        if not found:
            raise NotFoundError(f"no object has a digest that begins with {prefix}", prefix=prefix)
        if len(found) > 1:
            names = [row.digest.hex() for row in found[:CANDIDATES_MAX]]
            raise AmbiguousError(f"{prefix} begins several digests: {', '.join(names)}", candidates=names)
        return self._envelope(found[0])

    def iter(self, object_type: str | None = None, *, after: int = 0) -> Iterator[Envelope]:
        """Yield objects in the order they were put, lazily and in constant memory.

        Args:
            object_type: only objects of this type.
            after: only objects behind this journal position.

        Raises:
            InvalidInputError: the type does not follow its grammar, or ``after`` is not a position.
            DigestMismatchError: stored bytes do not have their digest.
        """
        for row in self._rows(object_type, after):
            yield self._envelope(row)

    def list(self, object_type: str | None = None, *, limit: int = 100, cursor: str | None = None) -> Page[Envelope]:
        """Return one page of objects in the order they were put.

        Args:
            object_type: only objects of this type.
            limit: 1 to ``page_items_max``.
            cursor: of the page before; None for the first page.

        Raises:
            LimitExceededError: the page is too large.
            InvalidInputError: limit, cursor or type are not valid.
        """
        size = page_size(limit, self._context.options)
        rows = list(islice(self._rows(object_type, decode_position(cursor), limit=size + 1), size + 1))
        more = encode_position(rows[size - 1].position) if len(rows) > size else None
        return Page(tuple(map(self._envelope, rows[:size])), more, self._context.revision())

    def _envelope(self, row: ObjectRow) -> Envelope:
        return open_envelope(row.type, row.digest, self._context.contents.data_of(row), row.hash_version)

    def _rows(self, object_type: str | None, after: int, limit: int | None = None) -> Iterator[ObjectRow]:
        scan = self._context.reader.scan
        after = check_position(after, field="after")
        if object_type is None:
            return scan(OBJECT, ("position",), after=(after,), limit=limit)
        check_object_type(object_type)
        return scan(OBJECT, ("type", "position"), prefix=(object_type,), after=(after,), limit=limit)


class ObjectRepository(ObjectReader):
    """Objects of a unit of work."""

    _context: WriteContext

    def __init__(self, context: WriteContext) -> None:
        super().__init__(context)

    def put(self, object_type: str, content: Any) -> Digest:
        """Store an object; a second put of the same content changes nothing. Durable when the unit has committed.

        Args:
            object_type: a letter, then letters, digits, ``_``, ``.``, ``-``; at most 64 characters.
            content: a JSON value without its own hash.

        Returns:
            The digest, the same in every store.

        Raises:
            NotCanonicalError: the content has no canonical form.
            LimitExceededError: it is too large or nested too deep.
            InvalidInputError: the type does not follow its grammar.
            NotStagedError: it belongs beside the ledger and was not staged.

        Spec: STO-3.1, HASH-1
        """
        data = canonical_bytes(content, options=self._context.options)
        raw = digest_bytes(object_type, data)
        self._insert(object_type, raw, data, self._context.reader.get(OBJECT, (raw,)))
        return Digest(raw.hex())

    def put_many(self, items: Iterable[tuple[str, Any]]) -> list[Digest]:
        """Store many objects, a chunk at a time, in constant memory but for the digests that it returns.

        Args:
            items: pairs of type and content; may be a generator; at most ``batch_objects_max``.

        Returns:
            The digests, in order.

        Raises:
            LimitExceededError: there are too many objects, or one is too large.
            NotCanonicalError: a content has no canonical form.
            InvalidInputError: a type does not follow its grammar.
            NotStagedError: one belongs beside the ledger and was not staged.

        When it raises, the unit of work can no longer commit.
        """
        digests: list[Digest] = []
        maximum = self._context.options.batch_objects_max
        source = check_iterable(items, field="items")
        try:
            while chunk := list(islice(source, CHUNK)):
                if len(digests) + len(chunk) > maximum:
                    raise LimitExceededError(
                        limit="batch_objects_max", maximum=maximum, actual=len(digests) + len(chunk)
                    )
                digests += self._put_chunk(chunk)
        except BaseException as exc:
            self._context.failed = exc
            raise
        return digests

    def _put_chunk(self, chunk: list[tuple[str, Any]]) -> list[Digest]:
        options = self._context.options
        encoded = [(kind, canonical_bytes(content, options=options)) for kind, content in chunk]
        raws = [digest_bytes(kind, data) for kind, data in encoded]
        stored = self._stored(raws)
        for raw, (kind, data) in zip(raws, encoded, strict=True):
            stored[raw] = self._insert(kind, raw, data, stored.get(raw))
        return [Digest(raw.hex()) for raw in raws]

    def adopt_many(self, items: Sequence[tuple[str, str, bytes]]) -> list[bool]:
        """Store objects whose canonical bytes are at hand, under the hash version that each names.

        A digest is computed here and never taken over. All of them go into their rows, however large.

        Args:
            items: type, hash version, and bytes that were verified to be canonical; at most ``batch_objects_max``.

        Returns:
            For each object, in order, whether it was new.

        Raises:
            NotSupportedError: a hash version is unknown.
            InvalidInputError: a type does not follow its grammar.
            LimitExceededError: there are too many objects.

        When it raises, the unit of work can no longer commit.

        Spec: GOV-12, HASH-6
        """
        maximum = self._context.options.batch_objects_max
        if len(items) > maximum:
            raise LimitExceededError(limit="batch_objects_max", maximum=maximum, actual=len(items))
        try:
            raws = [hash_version(version).digest_bytes(kind, data) for kind, version, data in items]
            stored = self._stored(raws)
            new = []
            for raw, (kind, version, data) in zip(raws, items, strict=True):
                before = stored.get(raw)
                new.append(before is None)
                stored[raw] = self._insert(kind, raw, data, before, version=version, inside=True)
        except BaseException as exc:
            self._context.failed = exc
            raise
        return new

    def _stored(self, raws: Iterable[bytes]) -> dict[bytes, ObjectRow]:
        return {row.digest: row for row in self._context.reader.get_many(OBJECT, [(raw,) for raw in set(raws)])}

    def _insert(
        self,
        object_type: str,
        raw: bytes,
        data: bytes,
        stored: ObjectRow | None,
        *,
        version: str = HASH_VERSION,
        inside: bool = False,
    ) -> ObjectRow:
        if stored is not None:
            if stored.type != object_type or not self._context.contents.stands_for(stored, data):
                raise DigestMismatchError(f"other bytes are stored under the digest {raw.hex()}; run `charter verify`")
            return stored
        context = self._context
        kept = data if inside else context.contents.placed(object_type, raw, data)
        position = context.record("object", f"{object_type}/{raw.hex()}", "put", raw)
        row = ObjectRow(position, raw, version, object_type, len(data), kept)
        context.write.put(OBJECT, row, size=len(kept))
        return row
