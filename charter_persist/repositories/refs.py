"""Named pointers to objects, changed by compare-and-set only, with their whole history.

Cost of `set`: one look-up of the ref, one of the object, three rows.

Source: STO-3.2, GOV-8, NEIGHBOURS 2.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from operator import attrgetter

from charter_persist.backends.contract import OBJECT, REF, REF_LOG, RefLogRow, RefRow
from charter_persist.errors import DanglingReferenceError, InvalidInputError, NotFoundError, VersionConflictError
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.digest import Digest, parse_digest
from charter_persist.model.records import Page, Ref
from charter_persist.model.text import check_position, check_prefix, check_ref_name, prefix_end
from charter_persist.repositories.base import ReadContext, WriteContext
from charter_persist.repositories.paging import page_by_name


class RefReader:
    """Reads of refs."""

    def __init__(self, context: ReadContext) -> None:
        self._context = context

    def get(self, name: str) -> Ref | None:
        """Return where a ref points, or None where there is no ref of that name.

        Raises:
            InvalidKeyError: the name does not follow the grammar.
            LimitExceededError: it is longer than ``ref_name_bytes_max``.
        """
        row = self._context.reader.get(REF, (self._name(name),))
        return None if row is None else _ref(row)

    def require(self, name: str) -> Ref:
        """Return where a ref points.

        Raises:
            NotFoundError: there is no ref of that name.
            InvalidKeyError: the name does not follow the grammar.
        """
        ref = self.get(name)
        if ref is None:
            raise NotFoundError(f"there is no ref {name}", name=name)
        return ref

    def exists(self, name: str) -> bool:
        """Whether there is a ref of that name."""
        return self.get(name) is not None

    def iter(self, prefix: str = "") -> Iterator[Ref]:
        """Yield the refs whose names begin with ``prefix``, by the UTF-8 bytes of their names."""
        return map(_ref, self._rows(check_prefix(prefix), None, None))

    def list(self, prefix: str = "", *, limit: int = 100, cursor: str | None = None) -> Page[Ref]:
        """Return one page of refs, by the UTF-8 bytes of their names.

        Args:
            prefix: what names begin with, taken literally.
            limit: 1 to ``page_items_max``.
            cursor: of the page before; None for the first page.

        Raises:
            LimitExceededError: the page is too large.
            InvalidInputError: limit or cursor are not valid.
        """
        rows = partial(self._rows, check_prefix(prefix))
        return page_by_name(self._context, limit, cursor, rows, name=attrgetter("name"), item=_ref)

    def history(self, name: str) -> Iterator[Ref]:
        """Yield each state a ref ever had, oldest first; a digest of None is a deletion."""
        rows = self._context.reader.scan(REF_LOG, ("name", "position"), prefix=(self._name(name),))
        return map(_ref, rows)

    def _rows(self, prefix: str, after: str | None, limit: int | None) -> Iterator[RefRow]:
        end = prefix_end(prefix) if prefix else None
        return self._context.reader.scan(
            REF,
            ("name",),
            after=None if after is None else (after,),
            start=(prefix,) if prefix else None,
            stop=None if end is None else (end,),
            limit=limit,
        )

    def _name(self, name: str) -> str:
        return check_ref_name(name, maximum=self._context.options.ref_name_bytes_max)


class RefRepository(RefReader):
    """Refs of a unit of work."""

    _context: WriteContext

    def __init__(self, context: WriteContext) -> None:
        super().__init__(context)

    def set(self, name: str, digest: str, *, expected: int) -> Ref:
        """Point a ref to an object if its version is the expected one; exactly one of racing callers wins.

        Args:
            name: segments divided by ``/``; at most ``ref_name_bytes_max`` bytes.
            digest: of a stored object.
            expected: the version the ref has now; 0 where it must not exist.

        Returns:
            The ref with its new version. Versions go on counting after a deletion.

        Raises:
            VersionConflictError: the ref has another version.
            DanglingReferenceError: no object has that digest.
            InvalidKeyError: the name does not follow the grammar.

        Spec: STO-3.2
        """
        version = self._next_version(name, expected)
        raw = bytes.fromhex(parse_digest(digest))
        if self._context.reader.get(OBJECT, (raw,)) is None:
            raise DanglingReferenceError(f"no object has the digest {digest}; put it first", digest=digest)
        row = self._log("set", RefLogRow(0, name, raw, version, self._context.journal.revision))
        self._context.write.put(REF, RefRow(name, raw, version, row.revision, row.position))
        return _ref(row)

    def delete(self, name: str, *, expected: int) -> None:
        """Remove a ref if its version is the expected one; the objects and its history stay.

        Args:
            name: of the ref.
            expected: the version it has now, 1 or more.

        Raises:
            VersionConflictError: the ref has another version.
            InvalidInputError: ``expected`` is 0: there is nothing to delete then.
        """
        if expected == 0:
            raise InvalidInputError("expected must be the version of the ref to delete, 1 or more")
        version = self._next_version(name, expected)
        self._log("delete", RefLogRow(0, name, None, version, self._context.journal.revision))
        self._context.write.delete(REF, (name,))

    def _log(self, operation: str, row: RefLogRow) -> RefLogRow:
        position = self._context.record_value("ref", row.name, operation, ref_bytes(row))
        logged = row._replace(position=position)
        self._context.write.put(REF_LOG, logged)
        return logged

    def _next_version(self, name: str, expected: int) -> int:
        check_position(expected, field="expected")
        current = self.get(name)
        actual = current.version if current else 0
        if actual != expected:
            raise VersionConflictError(
                f"ref {name} has version {actual}, expected was {expected}; read it and decide anew",
                expected=expected,
                actual=actual,
            )
        if current:
            return actual + 1
        last = next(
            self._context.reader.scan(REF_LOG, ("name", "position"), prefix=(name,), reverse=True, limit=1), None
        )
        return last.version + 1 if last else 1


def ref_bytes(row: RefLogRow) -> bytes:
    """What the journal commits to for a row of the log; nothing for a deletion."""
    return b"" if row.digest is None else canonical_bytes(_ref(row).to_json())


def _ref(row: RefRow | RefLogRow) -> Ref:
    return Ref(row.name, None if row.digest is None else Digest(row.digest.hex()), row.version, row.revision)
