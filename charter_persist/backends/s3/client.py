"""The requests that an archive makes of S3, each within a time, with what went wrong as our errors.

Nothing is retried out of sight: a request whose answer was lost may have been carried out, and only the caller knows
how to find out. `ConnectionLostError` says so; all else is final.

Imports ``errors``, and obstore when a client is made. Source: RELIABILITY 4.6.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final, NamedTuple, TypeVar

import stamina

from charter_persist.backends.s3.address import S3Address
from charter_persist.errors import ConnectionLostError, NotSupportedError, UnavailableError

T = TypeVar("T")

ATTEMPTS: Final = 4
PAGE: Final = 1_000
_CONNECT_TIMEOUT_S: Final = 5.0


class Kept(NamedTuple):
    """An object of a listing; times in microseconds since 1970 UTC."""

    key: str
    size: int
    stored_at: int


class S3Client:
    """One bucket, through obstore. Safe for threads, and not for use after a fork."""

    def __init__(self, address: S3Address, *, timeout_s: float) -> None:
        """Make a client; nothing is sent yet.

        Args:
            address: of the bucket.
            timeout_s: that a call may take, with all its attempts; each of them gets a quarter.

        Raises:
            NotSupportedError: obstore is not installed.
            UnavailableError: the settings in the environment are not usable.
        """
        try:
            self._obstore: Any = importlib.import_module("obstore")
            stores: Any = importlib.import_module("obstore.store")
            self._errors: Any = importlib.import_module("obstore.exceptions")
        except ImportError as exc:
            raise NotSupportedError("an archive in S3 needs obstore; install charter-persist[s3]") from exc
        self._address = address
        self._timeout_s = timeout_s
        config: dict[str, Any] = {"conditional_put": "etag", "disable_bulk_delete": True}
        if address.endpoint is not None:
            config["endpoint"] = address.endpoint
        if address.region is not None:
            config["region"] = address.region
        share = timeout_s / ATTEMPTS
        with self._faults("open"):
            self._store = stores.S3Store(
                address.bucket,
                config=config,
                client_options={
                    "timeout": timedelta(seconds=share),
                    "connect_timeout": timedelta(seconds=min(_CONNECT_TIMEOUT_S, share)),
                    "allow_http": address.endpoint is not None and address.endpoint.startswith("http://"),
                },
                retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=share)},
            )

    def create(self, key: str, data: bytes) -> bool:
        """Write an object where there is none, by one conditional request; whether it was written.

        Raises:
            ConnectionLostError: it may have been written.
            UnavailableError: it is refused.
        """
        with self._faults("write"):
            try:
                self._obstore.put(self._store, key, data, mode="create", use_multipart=False)
            except (self._errors.AlreadyExistsError, self._errors.PreconditionError):
                return False
            return True

    def replace(self, key: str, data: bytes) -> None:
        """Write an object, whatever is there."""
        with self._faults("write"):
            self._obstore.put(self._store, key, data, use_multipart=False)

    def read(self, key: str) -> bytes | None:
        """The bytes of an object, or None."""

        def once() -> bytes | None:
            with self._faults("read"):
                try:
                    return bytes(self._obstore.get(self._store, key).bytes())
                except FileNotFoundError as exc:
                    self._refuse_missing_bucket(exc)
                    return None

        return self.repeated(once)

    def look(self, key: str) -> Kept | None:
        """Size and time of an object, or None; asked of the listing, for a HEAD does not tell a missing bucket."""
        found = self.page(key.rpartition("/")[0], key[:-1])
        return found[0] if found and found[0].key == key else None

    def page(self, folder: str, after: str | None) -> Sequence[Kept]:
        """Up to a thousand objects in a folder, by key, behind a key."""

        def once() -> Sequence[Kept]:
            with self._faults("list"):
                pages = self._obstore.list(self._store, folder or None, offset=after, chunk_size=PAGE)
                return [_kept(found) for found in next(iter(pages), ())]

        return self.repeated(once)

    def folders(self, folder: str) -> list[str]:
        """The names of the folders in a folder."""

        def once() -> list[str]:
            with self._faults("list"):
                found = self._obstore.list_with_delimiter(self._store, folder or None)
                return sorted(path.rstrip("/").rpartition("/")[2] for path in found["common_prefixes"])

        return self.repeated(once)

    def remove(self, key: str) -> None:
        """Remove an object; one that is not there is none the less gone."""

        def once() -> None:
            with self._faults("remove"):
                try:
                    self._obstore.delete(self._store, key)
                except FileNotFoundError as exc:
                    self._refuse_missing_bucket(exc)

        self.repeated(once)

    def repeated(self, once: Callable[[], T]) -> T:
        """Do something again while its answer is lost, a few times and within the time; it must be harmless twice.

        Raises:
            ConnectionLostError: the last answer was lost as well.
        """
        for attempt in stamina.retry_context(
            on=ConnectionLostError, attempts=ATTEMPTS, timeout=self._timeout_s, wait_initial=0.1, wait_max=2.0
        ):
            with attempt:
                return once()
        raise AssertionError("stamina ends by a return or a raise")  # pragma: no cover

    def _refuse_missing_bucket(self, exc: BaseException) -> None:
        """A bucket that is missing is not an object that is missing, though both answer 404."""
        if "NoSuchBucket" in str(exc):
            raise UnavailableError(f"there is no bucket {self._address.bucket}; make it, or name another one") from exc

    @contextmanager
    def _faults(self, verb: str) -> Any:
        try:
            yield
        except (self._errors.PermissionDeniedError, self._errors.UnauthenticatedError) as exc:
            raise UnavailableError(
                f"S3 does not let us {verb} in the bucket {self._address.bucket}; see what rights an archive needs"
            ) from exc
        except self._errors.GenericError as exc:
            self._refuse_missing_bucket(exc)
            raise ConnectionLostError(
                f"S3 could not {verb} in the bucket {self._address.bucket}: {_first_line(exc)}"
            ) from exc
        except (self._errors.BaseError, FileNotFoundError) as exc:
            self._refuse_missing_bucket(exc)
            raise UnavailableError(f"the bucket {self._address.bucket} cannot be used: {_first_line(exc)}") from exc


def _kept(found: Any) -> Kept:
    return Kept(found["path"], found["size"], round(found["last_modified"].timestamp() * 1_000_000))


def _first_line(exc: BaseException) -> str:
    return str(exc).strip().partition("\n")[0][:200]
