"""Configuration and counters: the current value of a key over a log of its changes.

Cost of `set`: one look-up, two rows. `compact` drops older rows and never a current value.

Source: STO-3.4.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from charter_persist.backends.contract import METADATA_LOG, MetadataRow
from charter_persist.errors import NotFoundError, VersionConflictError
from charter_persist.model.canonical import canonical_bytes, load_canonical
from charter_persist.model.records import MetadataEntry
from charter_persist.model.text import POSITION_MAX, check_position, check_prefix, check_text, prefix_end
from charter_persist.repositories import compaction
from charter_persist.repositories.base import ReadContext, WriteContext
from charter_persist.repositories.compaction import BY_KEY


class MetadataReader:
    """Reads of metadata."""

    def __init__(self, context: ReadContext) -> None:
        self._context = context

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or ``default`` where it has none.

        Args:
            key: at most ``key_bytes_max`` bytes.
            default: returned where the key was never set or is deleted.

        Raises:
            InvalidKeyError: the key does not follow the grammar.
        """
        entry = self.entry(key)
        return default if entry is None else entry.value

    def require(self, key: str) -> Any:
        """Return the value of a key.

        Raises:
            NotFoundError: the key has no value.
            InvalidKeyError: the key does not follow the grammar.
        """
        entry = self.entry(key)
        if entry is None:
            raise NotFoundError(f"metadata has no key {key}", key=key)
        return entry.value

    def entry(self, key: str) -> MetadataEntry | None:
        """Return value, version and revision of a key, or None where it has no value."""
        row = self._newest(self._key(key))
        return None if row is None or row.value is None else _entry(row)

    def exists(self, key: str) -> bool:
        """Whether the key has a value."""
        return self.entry(key) is not None

    def iter(self, prefix: str = "") -> Iterator[MetadataEntry]:
        """Yield the current value of each key that begins with ``prefix``, by the UTF-8 bytes of the keys."""
        check_prefix(prefix)
        end = prefix_end(prefix) if prefix else None
        after: str | None = None
        while True:
            # From one key to the next: each step reads one row, whatever the length of the log.
            start = (prefix, 0) if after is None else None
            beyond = None if after is None else (after, POSITION_MAX)
            row = next(self._context.reader.scan(METADATA_LOG, BY_KEY, start=start, after=beyond, limit=1), None)
            if row is None or (end is not None and row.key >= end):
                return
            after = row.key
            newest = self._newest(row.key)
            if not compaction.is_record(METADATA_LOG, row.key) and newest is not None and newest.value is not None:
                yield _entry(newest)

    def history(self, key: str) -> Iterator[MetadataEntry]:
        """Yield the kept changes of a key, oldest first."""
        return map(_entry, self._context.reader.scan(METADATA_LOG, BY_KEY, prefix=(self._key(key),)))

    def _newest(self, key: str) -> MetadataRow | None:
        return next(self._context.reader.scan(METADATA_LOG, BY_KEY, prefix=(key,), reverse=True, limit=1), None)

    def _key(self, key: str) -> str:
        return check_text(key, field="metadata key", limit="key_bytes_max", maximum=self._context.options.key_bytes_max)


class MetadataRepository(MetadataReader):
    """Metadata of a unit of work."""

    _context: WriteContext

    def __init__(self, context: WriteContext) -> None:
        super().__init__(context)

    def set(self, key: str, value: Any, *, expected: int | None = None) -> int:
        """Give a key a value and return its new version; the change is logged.

        Args:
            key: at most ``key_bytes_max`` bytes.
            value: any JSON value of at most ``object_bytes_max`` bytes.
            expected: the version the key has now, 0 where it has no value; None where that is not to be checked.

        Raises:
            VersionConflictError: the key has another version.
            NotCanonicalError: the value has no canonical form.
            LimitExceededError: key or value are too large.
            InvalidKeyError: the key does not follow the grammar.

        Spec: STO-3.4
        """
        data = canonical_bytes(value, options=self._context.options)
        version = self._next_version(key, expected)
        self._write(key, "set", data, version)
        return version

    def delete(self, key: str, *, expected: int | None = None) -> None:
        """Take the value of a key away; the log keeps what it was until it is compacted.

        Raises:
            NotFoundError: the key has no value.
            VersionConflictError: the key has another version.
        """
        version = self._next_version(key, expected)
        if self.entry(key) is None:
            raise NotFoundError(f"metadata has no key {key}", key=key)
        self._write(key, "delete", None, version)

    def compact(self) -> int:
        """Drop every logged change that a newer one of the same key replaced; returns how many were dropped.

        Current values stay, and so do the journal entries of what was dropped, so proofs still verify. The
        compaction is itself a journal entry.

        Spec: STO-3.4
        """
        work = self._context
        upto = work.journal.position
        with work.whole():
            dropped = compaction.drop_replaced(work.write, METADATA_LOG, upto)
            if dropped:
                key = compaction.record_key("")
                self._write(key, compaction.OPERATION, compaction.record_value(upto), self._next(key))
                compaction.drop_older_records(work.write, METADATA_LOG, "")
        return dropped

    def _next(self, key: str) -> int:
        newest = self._newest(key)
        return newest.version + 1 if newest else 1

    def _next_version(self, key: str, expected: int | None) -> int:
        newest = self._newest(self._key(key))
        actual = newest.version if newest is not None and newest.value is not None else 0
        if expected is not None:
            check_position(expected, field="expected")
            if expected != actual:
                raise VersionConflictError(
                    f"metadata key {key} has version {actual}, expected was {expected}; read it and decide anew",
                    expected=expected,
                    actual=actual,
                )
        return newest.version + 1 if newest else 1

    def _write(self, key: str, operation: str, data: bytes | None, version: int) -> None:
        work = self._context
        row = MetadataRow(0, key, data, version, work.journal.revision)
        position = work.record_value("metadata", key, operation, metadata_bytes(row))
        work.write.put(METADATA_LOG, row._replace(position=position), size=len(data or b""))


def metadata_bytes(row: MetadataRow) -> bytes:
    """What the journal commits to for a row of the log; nothing for a deletion."""
    if row.value is None:
        return b""
    head = canonical_bytes({"key": row.key, "revision": row.revision})
    tail = canonical_bytes({"version": row.version})
    # The value is canonical already, and "value" sorts between "revision" and "version".
    return head[:-1] + b',"value":' + row.value + b"," + tail[1:]


def _entry(row: MetadataRow) -> MetadataEntry:
    deleted = row.value is None
    value = None if row.value is None else load_canonical(row.value)
    return MetadataEntry(row.key, value, deleted, row.version, row.revision)
