"""Where the bytes of an object are: in its row, or beside the ledger under its digest.

A row without bytes says that they lie beside: canonical JSON is never empty. They are uploaded by `Contents.stage`
before the unit that names them, so no unit uploads while it holds the writer lock, and an upload that is
never named is all that a failure can leave behind.

Cost: `stage` of something new one durable write of the backend beside; `placed` a look into a table in memory; a read of
an object that lies beside one read there. Memory: the digests that were staged last.

Imports ``backends.contract``, ``model`` and ``errors``. Source: CCOS-3, DESIGN 3.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from charter_persist.backends.contract import OBJECT, Key, ObjectRow, Reader, Relation, Row
from charter_persist.backends.contract.single import ContentBackend, Stored
from charter_persist.errors import ContentMissingError, CorruptStoreError, NotStagedError
from charter_persist.model.forms import FORMS

KIND: Final = "object"
"""Under which a backend keeps them."""
ABANDONED_S: Final = 24 * 3_600.0
"""An upload of this age that no object names is left over."""
STAGED_S: Final = ABANDONED_S / 2
"""So long a unit may name what was staged: what it names is never taken for left over meanwhile."""
RENEWED_S: Final = 3_600.0
"""An upload of this age is written again when it is staged again, so that its age begins anew."""
STAGED_MAX: Final = 65_536
BESIDE: Final = b""
"""The bytes of a row whose own lie beside."""
MISSING: Final = "its content lies beside the ledger, and is not there or cannot be reached: is blobs= given?"
"""What is said of such a row where they cannot be had."""


class Contents:
    """The contents of one store's objects. Safe for several threads.

    Args:
        backend: keeps what is large; None where everything is in its row.
        threshold_bytes: contents of more bytes of canonical JSON lie beside.
        now: seconds since 1970 UTC, by which the backend dates what it keeps.
    """

    def __init__(
        self,
        backend: ContentBackend | None = None,
        threshold_bytes: int = 0,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.backend = backend
        self._threshold = threshold_bytes
        self._now = now
        self._mutex = threading.Lock()
        self._staged: OrderedDict[bytes, float] = OrderedDict()  # when, the newest last

    def stage(self, object_type: str, digest: bytes, data: bytes) -> None:
        """Upload what is too large for a row; durable on return, and to be named within 12 hours."""
        if self.backend is None or not self._is_for_beside(object_type, data):
            return
        name = digest.hex()
        there = self.backend.stat(KIND, name)
        if there is not None and self._age_s(there) > RENEWED_S:
            self.backend.renew(KIND, name, data)
        else:
            self.backend.put(KIND, name, data)
        with self._mutex:
            self._staged[digest] = self._now()  # what was there stays until then, for who names it meanwhile
            self._staged.move_to_end(digest)
            if len(self._staged) > STAGED_MAX:
                self._staged.popitem(last=False)

    def placed(self, object_type: str, digest: bytes, data: bytes) -> bytes:
        """What the row of a new object holds of its bytes.

        Raises:
            NotStagedError: they belong beside the ledger and are not known to be there.
        """
        if self.backend is None or not self._is_for_beside(object_type, data):
            return data
        staged_at = self._staged.get(digest)
        if staged_at is None or self._now() - staged_at > STAGED_S:
            raise NotStagedError(digest=digest.hex(), size=len(data), threshold=self._threshold)
        return BESIDE

    def stands_for(self, row: ObjectRow, data: bytes) -> bool:
        """Whether a row is that of an object with these bytes, as far as it tells without a look beside the ledger."""
        if row.data == BESIDE and self.backend is not None:
            return row.size == len(data)
        return row.data == data

    def data_of(self, row: ObjectRow) -> bytes:
        """The bytes of an object, unchecked.

        Raises:
            ContentMissingError: they lie beside the ledger, and are not there or cannot be reached from here.
            BackendError: what lies beside could not be read.
        """
        if row.data != BESIDE:
            return row.data
        digest = row.digest.hex()
        if self.backend is None:
            message = f"the content of {digest} lies beside the ledger; connect with blobs=, and its URL"
            raise ContentMissingError(message, digest=digest)
        data = self.backend.get(KIND, digest)
        if data is None:
            raise ContentMissingError(digest=digest)
        return data

    def abandoned(self) -> Iterator[Stored]:
        """What lies beside and was uploaded so long ago that an object should name it."""
        if self.backend is not None:
            yield from (kept for kept in self.backend.scan(KIND) if self._age_s(kept) > ABANDONED_S)

    def _is_for_beside(self, object_type: str, data: bytes) -> bool:
        """Whether it is large, and not of governance: such objects are made and read within units."""
        return len(data) > self._threshold and object_type not in FORMS

    def _age_s(self, kept: Stored) -> float:
        return self._now() - kept.stored_at / 1_000_000


class WholeObjects:
    """A reader whose rows of objects have their bytes, wherever those lie.

    Args:
        rows: of the ledger.
        contents: of its objects.
        lenient: a row whose bytes cannot be had comes without them; else that is an error.
    """

    def __init__(self, rows: Reader, contents: Contents, *, lenient: bool = False) -> None:
        self._rows = rows
        self._contents = contents
        self._lenient = lenient

    def get(self, relation: Relation[Row], key: Key) -> Row | None:
        """As `Reader.get`."""
        row = self._rows.get(relation, key)
        return row if row is None or relation is not OBJECT else self._whole(row)

    def get_many(self, relation: Relation[Row], keys: Sequence[Key]) -> list[Row]:
        """As `Reader.get_many`."""
        found = self._rows.get_many(relation, keys)
        return list(map(self._whole, found)) if relation is OBJECT else found

    def scan(self, relation: Relation[Row], order: tuple[str, ...], **bounds: Any) -> Iterator[Row]:
        """As `Reader.scan`."""
        found = self._rows.scan(relation, order, **bounds)
        return map(self._whole, found) if relation is OBJECT else found

    def _whole(self, row: Any) -> Any:
        if row.data != BESIDE:
            return row
        try:
            return row._replace(data=self._contents.data_of(row))
        except (ContentMissingError, CorruptStoreError):
            if not self._lenient:
                raise
            return row
