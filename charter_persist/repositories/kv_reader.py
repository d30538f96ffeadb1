"""Reads of keys and values: one key, a listing, a page that stays at the revision of its first one.

The rules of reading, whatever keeps the keys. Cost: `get` one look-up; a page one scan, of the past where something was
recorded since its first page.

Imports ``backends.contract`` and ``model``. Source: KV-2, KV-4, KV-9.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from charter_persist.backends.contract import SCHEMA_VERSION, KvEntryRow
from charter_persist.backends.contract.single import KeyReader
from charter_persist.errors import InvalidInputError, NotFoundError
from charter_persist.model.entry import Entry
from charter_persist.model.key import SCHEMA_VERSION_KEY, SEPARATOR, check_key, check_key_prefix
from charter_persist.model.limits import Options
from charter_persist.model.records import Page
from charter_persist.repositories.base import page_size
from charter_persist.repositories.cursors import decode_place, encode_place
from charter_persist.repositories.kv_change import entry_of

# Times of no unit: the release made it.
_SCHEMA_ROW: Final = KvEntryRow(SCHEMA_VERSION_KEY, b"%d" % SCHEMA_VERSION, SCHEMA_VERSION, 0, 0, 0, 0)


class KeyValueReader:
    """Reads of keys."""

    def __init__(self, keys: KeyReader, options: Options) -> None:
        self._keys = keys
        self._options = options

    def get(self, key: str) -> Entry | None:
        """Return what a key holds, or None where it is absent.

        Args:
            key: starts with ``/``, has no empty segment; at most ``key_bytes_max`` bytes of UTF-8.

        Raises:
            InvalidKeyError: the key does not follow the grammar.
            LimitExceededError: it is too long.
            CompactedError: this is a view of the past, and what the key held then was compacted since.

        Spec: KV-2
        """
        row = self._current(self._key(key))
        return None if row is None else entry_of(row)

    def require(self, key: str) -> Entry:
        """Return what a key holds.

        Raises:
            NotFoundError: the key is absent.
            InvalidKeyError: the key does not follow the grammar.
        """
        entry = self.get(key)
        if entry is None:
            raise absent(key)
        return entry

    def exists(self, key: str) -> bool:
        """Whether a key holds anything."""
        return self._current(self._key(key)) is not None

    def version(self, key: str) -> int:
        """Return the version of a key; 0 where it is absent."""
        row = self._current(self._key(key))
        return 0 if row is None else row.version

    @property
    def revision(self) -> int:
        """That is read; inside a unit its own."""
        return self._keys.revision

    def iter(self, prefix: str = "", *, after: str | None = None) -> Iterator[Entry]:
        """Yield what keys that begin with ``prefix`` hold, by the UTF-8 bytes of the keys, in constant memory.

        Args:
            prefix: taken literally and case-sensitively; empty for all keys.
            after: only keys behind this one.

        Raises:
            InvalidKeyError: no key can begin so, or ``after`` is no key.
        """
        behind = None if after is None else self._key(after)
        return map(entry_of, self._rows(check_key_prefix(prefix), behind, None))

    def list(self, prefix: str = "", *, limit: int = 100, cursor: str | None = None) -> Page[Entry]:
        """Return one page; all pages that follow from one first page show the keys as they were at its revision.

        Args:
            prefix: taken literally and case-sensitively; empty for all keys.
            limit: 1 to ``page_items_max``.
            cursor: of the page before, in this view or any later one; None for the first page.

        Returns:
            The page, by the UTF-8 bytes of the keys. Inside a unit its own changes are on it.

        Raises:
            LimitExceededError: the page is too large.
            InvalidKeyError: no key can begin so.
            InvalidInputError: limit or cursor are not valid, or the cursor is of another listing.
            CompactedError: the revision of the first page was compacted since; begin again.

        Spec: KV-4
        """
        size = page_size(limit, self._options)
        start = check_key_prefix(prefix)
        revision, after = decode_place(cursor) or (self._keys.revision, None)
        if after is not None and not after.startswith(start):
            raise InvalidInputError(f"{cursor!r} is a cursor of another prefix; use it with its own")
        rows = list(islice(self._rows_at(revision, start, after, size + 1), size + 1))
        more = encode_place(revision, rows[size - 1].key) if len(rows) > size else None
        return Page(tuple(map(entry_of, rows[:size])), more, revision)

    def _rows_at(self, revision: int, prefix: str, after: str | None, limit: int) -> Iterator[KvEntryRow]:
        """Rows as of a revision, which is the present one unless somebody wrote between two pages."""
        now = self._keys.revision
        if revision == now:
            return self._rows(prefix, after, limit)
        if revision > now:
            raise InvalidInputError(f"the cursor is of revision {revision}, and the newest is {now}; begin again")
        return self._keys.at(revision).scan(prefix or SEPARATOR, after=after, limit=limit)

    def _rows(self, prefix: str, after: str | None, limit: int | None) -> Iterator[KvEntryRow]:
        return self._keys.scan(prefix or SEPARATOR, after=after, limit=limit)

    def _current(self, key: str) -> KvEntryRow | None:
        if key == SCHEMA_VERSION_KEY:
            return _SCHEMA_ROW
        return self._keys.get(key)

    def _key(self, key: str) -> str:
        return check_key(key, maximum=self._options.key_bytes_max)


def absent(key: str) -> NotFoundError:
    """The error that names an absent key."""
    return NotFoundError(f"there is no key {key}", key=key)
