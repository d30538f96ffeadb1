"""Archives in an S3 bucket: ``prefix/<type>/aa/bb/<hash>.json``, the layout of the file backend without its index.

Every object is written by one conditional request, ``If-None-Match: *``, so of racing writers exactly one is told that
it was new. An answer that was lost is not guessed: the object is read back. An endpoint that ignores the condition
would let anybody replace what is kept, so it is refused when the archive is opened.

Cost: `put` one request where the entity is new, two where it is there; `get` one; a listing one for each thousand. To
open for writing costs two, for reading one. Imports ``backends.contract``, ``model.archive`` and ``errors``.

Source: CCOS-2, RELIABILITY 4.6, P15.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from charter_persist.backends.contract import BackendCapabilities, Diagnosis
from charter_persist.backends.contract.single import Stored
from charter_persist.backends.s3.address import S3Address
from charter_persist.backends.s3.client import Kept, S3Client
from charter_persist.errors import BackendError, ConnectionLostError, NotSupportedError, ReadOnlyError
from charter_persist.model.archive import is_content_hash, is_entity_type

_PROBE: Final = ".charter-probe"
_SUFFIX: Final = ".json"


class S3Archive:
    """`ArchiveBackend` over a bucket."""

    name = "s3"
    requires_network = True
    capabilities = BackendCapabilities(
        supports_transactions=False, supports_ordering=True, supports_append_only=False, supports_snapshots=False
    )

    def __init__(self, address: S3Address, *, read_only: bool = False, timeout_s: float = 30.0) -> None:
        """Open a place in a bucket, and see that the endpoint can be relied on.

        Args:
            address: of the place.
            read_only: nothing is written, the probe neither.
            timeout_s: that a call may take, with all its attempts.

        Raises:
            NotSupportedError: obstore is not installed, or the endpoint ignores conditions.
            UnavailableError: there is no such bucket, or we have no right to it.
            ConnectionLostError: it does not answer.
        """
        self._address = address
        self._read_only = read_only
        self._client = S3Client(address, timeout_s=timeout_s)
        if read_only:
            self._client.page(self._key(""), None)
        else:
            self._probe()

    def put(self, kind: str, content_hash: str, data: bytes) -> bool:
        """Keep bytes; durable on return. Where the answer was lost and they are there, they count as not new."""
        self._check_writable()
        key = self._place(kind, content_hash)
        interrupted = False

        def once() -> bool:
            nonlocal interrupted
            # After a lost answer what is there counts, and it may be our own.
            if interrupted and self._client.read(key) == data:
                return False
            try:
                new = self._client.create(key, data)
                if not new and self._client.read(key) != data:
                    self._client.replace(key, data)
            except ConnectionLostError:
                interrupted = True
                raise
            return new

        try:
            return self._client.repeated(once)
        except ConnectionLostError as error:
            error.applied = "unknown"
            raise

    def renew(self, kind: str, content_hash: str, data: bytes) -> None:
        """Write bytes whatever is in their place; durable on return."""
        self._check_writable()
        key = self._place(kind, content_hash)
        try:
            self._client.repeated(lambda: self._client.replace(key, data))
        except ConnectionLostError as error:
            error.applied = "unknown"
            raise

    def get(self, kind: str, content_hash: str) -> bytes | None:
        """The bytes as they are now, unchecked, or None."""
        return self._client.read(self._place(kind, content_hash))

    def stat(self, kind: str, content_hash: str) -> Stored | None:
        """What is known of them without reading them, or None."""
        found = self._client.look(self._place(kind, content_hash))
        return None if found is None else Stored(content_hash, found.size, found.stored_at)

    def scan(self, kind: str, *, after: str = "") -> Iterator[Stored]:
        """All of a kind behind a hash, by hash: keys come in the order of their bytes."""
        start = self._place(kind, after) if after else None
        for found in self._objects(self._key(kind), start):
            content_hash = self._hash_of(kind, found.key)
            if content_hash is not None:
                yield Stored(content_hash, found.size, found.stored_at)

    def strays(self, kind: str) -> Iterator[str]:
        """The places where something lies that is not under a hash."""
        folder = self._key(kind)
        for found in self._objects(folder, None):
            if self._hash_of(kind, found.key) is None:
                yield found.key.removeprefix(f"{folder}/")

    def kinds(self) -> list[str]:
        """The kinds that something is kept of, in order."""
        folders = filter(is_entity_type, self._client.folders(self._key("")))
        return [kind for kind in folders if next(self.scan(kind), None) is not None]

    def delete(self, kind: str, content_hash: str) -> bool:
        """Remove bytes; durable on return. A bucket that keeps versions keeps the old one."""
        self._check_writable()
        key = self._place(kind, content_hash)
        if self._client.look(key) is None:
            return False
        try:
            self._client.remove(key)
        except ConnectionLostError as error:
            error.applied = "unknown"
            raise
        return True

    def diagnose(self) -> Diagnosis:
        """Ask for one page; reads only."""
        problems = []
        try:
            self._client.page(self._key(""), None)
        except BackendError as error:
            problems.append(error.message)
        facts: dict[str, str | int | bool] = {
            "bucket": self._address.bucket,
            "prefix": self._address.prefix,
            "endpoint": self._address.endpoint or "amazon",
            "read_only": self._read_only,
        }
        return Diagnosis(tuple(problems), facts)

    def close(self) -> None:
        """Nothing is held open; a second call does nothing."""

    def _probe(self) -> None:
        """Write the same object twice where there is none: the second time there is one, so it must be refused.

        The object stays, so that the probe needs no right to remove anything.

        Raises:
            NotSupportedError: it was not refused.
        """
        key = self._key(_PROBE)
        written = [self._client.repeated(lambda: self._client.create(key, b"{}")) for _ in range(2)]
        if written[1]:
            raise NotSupportedError(
                f"{self._address.endpoint or 'S3'} ignores If-None-Match, so writers would replace each other's objects "
                "unseen; use an object store that has conditional writes"
            )

    def _check_writable(self) -> None:
        if self._read_only:
            raise ReadOnlyError(f"the archive in the bucket {self._address.bucket} is open for reading only")

    def _key(self, name: str) -> str:
        return "/".join(part for part in (self._address.prefix, name) if part)

    def _place(self, kind: str, content_hash: str) -> str:
        return self._key(f"{kind}/{content_hash[:2]}/{content_hash[2:4]}/{content_hash}{_SUFFIX}")

    def _hash_of(self, kind: str, key: str) -> str | None:
        """The content hash of a key, or None where it is none of ours."""
        content_hash = key.rpartition("/")[2].removesuffix(_SUFFIX)
        return content_hash if is_content_hash(content_hash) and self._place(kind, content_hash) == key else None

    def _objects(self, folder: str, after: str | None) -> Iterator[Kept]:
        while page := self._client.page(folder, after):
            yield from page
            after = page[-1].key
