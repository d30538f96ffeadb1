"""The composition root: `connect` chooses a backend by its URL.

Source: DESIGN 1 and 3, REQUIREMENTS 8.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

import uuid_utils

from charter_persist.backends.contract import LedgerBackend
from charter_persist.backends.contract.single import ContentBackend
from charter_persist.backends.etcd import TIMEOUT_S as ETCD_TIMEOUT_S
from charter_persist.backends.etcd import open_etcd
from charter_persist.backends.files import FileArchive
from charter_persist.backends.memory import MemoryBackend
from charter_persist.backends.s3 import S3Archive, parse_address
from charter_persist.backends.sql import migrate as migrations
from charter_persist.backends.sql.engine import parse_target
from charter_persist.backends.sql.postgres import PostgresBackend
from charter_persist.backends.sql.restore_postgres import PostgresTarget
from charter_persist.backends.sql.restore_sqlite import SqliteTarget
from charter_persist.backends.sql.sqlite import SqliteBackend
from charter_persist.errors import (
    InvalidInputError,
    MigrationRequiredError,
    NotSupportedError,
    UnavailableError,
)
from charter_persist.journal.entry import NONCE_BYTES
from charter_persist.model.limits import DEFAULT_OPTIONS, Options
from charter_persist.model.time import check_seconds, utc_now
from charter_persist.repositories.base import Sources
from charter_persist.repositories.contents import Contents
from charter_persist.stores.archives import ArchiveStore
from charter_persist.stores.base import Health, Store
from charter_persist.stores.keys import KeyStore
from charter_persist.stores.ledger import LedgerStore
from charter_persist.transfer.restore import RestoreTarget

BLOB_THRESHOLD_BYTES: Final = 1_048_576

__all__ = ["Health", "Store", "connect", "restore_target", "upgrade"]


def connect(
    url: str,
    *,
    migrate: Literal["check", "upgrade"] = "check",
    read_only: bool = False,
    air_gapped: bool = False,
    blobs: str | None = None,
    blob_threshold_bytes: int = BLOB_THRESHOLD_BYTES,
    unit_timeout_s: float = 30.0,
    batching: bool = True,
    options: Options = DEFAULT_OPTIONS,
    clock: Callable[[], datetime] | None = None,
    new_id: Callable[[], str] | None = None,
    nonce: Callable[[], bytes] | None = None,
) -> Store:
    """Open a store. It never migrates by itself and never falls back to another backend.

    Args:
        url: ``sqlite:///file.db``, ``postgresql+psycopg://…`` (``?schema=`` names the schema, ``?pooler=true`` says
            that a transaction pooler stands between), ``sqlite://`` (a private temporary file), ``memory://``,
            ``etcd://[user:password@]host:port,host:port[/namespace][?ca=FILE&cert=FILE&key=FILE]`` (keys alone),
            ``file:///folder`` and ``s3://bucket/prefix?endpoint=…&region=…`` (archives alone).
        migrate: ``"check"`` refuses a schema that is not at head; ``"upgrade"`` brings it there first.
        read_only: refuse every write.
        air_gapped: refuse a backend that needs the network.
        blobs: where large contents of objects lie beside the ledger, ``file:///folder`` or ``s3://bucket/prefix``, for
            this store alone; they are uploaded by `Store.stage`. What sessions and decisions are made of stays in rows.
            None where every content is in its row.
        blob_threshold_bytes: contents of more bytes of canonical JSON lie there; 0 or more. A store keeps what it has
            wherever it is, so the threshold may change.
        unit_timeout_s: how long a unit may wait for the writer lock, and how long it may take; seconds, above 0.
        batching: False gives each `Store.run` a commit of its own; results are the same.
        options: limits, settable downwards.
        clock: gives the time, an aware datetime.
        new_id: gives a new identifier.
        nonce: gives 16 bytes nobody can guess.

    Returns:
        The open store.

    Raises:
        InvalidInputError: the URL or an argument is not valid.
        MigrationRequiredError: the schema is missing or older; the message says what to run.
        SchemaTooNewError: the schema is of a newer release.
        SchemaError: the database belongs to another application.
        UnavailableError: the file cannot be opened, or the server cannot be reached.
        NotSupportedError: no such backend, or it needs the network and ``air_gapped`` is set.
    """
    unit_timeout_s = check_seconds(unit_timeout_s, field="unit_timeout_s")
    if migrate not in ("check", "upgrade"):
        raise InvalidInputError(f'migrate must be "check" or "upgrade", got {migrate!r}')
    if blob_threshold_bytes < 0:
        raise InvalidInputError(f"blob_threshold_bytes must be 0 or more, got {blob_threshold_bytes}")
    sources = Sources(
        clock=clock or utc_now,
        new_id=new_id or (lambda: str(uuid_utils.uuid7())),
        nonce=nonce or (lambda: os.urandom(NONCE_BYTES)),
        options=options,
    )
    scheme = _scheme(url)
    if blobs is not None:
        _check_beside(scheme, blobs)
    if scheme == "etcd":
        _refuse_network("etcd", air_gapped)
        keys = open_etcd(url, timeout_s=min(unit_timeout_s, ETCD_TIMEOUT_S))
        return KeyStore(keys, sources, unit_timeout_s=unit_timeout_s, read_only=read_only)
    open_archives = partial(_archives, read_only=read_only, air_gapped=air_gapped, timeout_s=unit_timeout_s)
    if scheme in ("file", "s3"):
        return ArchiveStore(open_archives(url), sources, unit_timeout_s=unit_timeout_s, read_only=read_only)
    ledger = _ledger(url, migrate=migrate, read_only=read_only, air_gapped=air_gapped, timeout_s=unit_timeout_s)
    if blobs is not None:
        try:
            sources = replace(sources, contents=Contents(open_archives(blobs), blob_threshold_bytes))
        except BaseException:
            ledger.close()
            raise
    return LedgerStore(ledger, sources, unit_timeout_s=unit_timeout_s, batching=batching)


def upgrade(url: str) -> None:
    """Bring the schema of a database to head: created where it is missing, under a lock, in one transaction.

    Any number of processes may call it at once: one does the work and all succeed. It is the same as
    ``charter upgrade`` and as ``alembic upgrade head``.

    Args:
        url: as for `connect`.

    Raises:
        SchemaError: the database belongs to another application, or its schema is of a newer release.
        UnavailableError: the file cannot be opened, or the server cannot be reached.
        StoreBusyError: another process migrates for longer than the time limit.
    """
    if _scheme(url) in ("memory", "etcd") or _is_private(url):
        return  # such a store is at head from its beginning
    parse_target(url)
    migrations.upgrade(url)


def restore_target(url: str, *, replace: bool = False) -> RestoreTarget:
    """The place of a URL, for `transfer.restore.restore`; nothing is opened yet.

    Args:
        url: ``sqlite:///file.db`` or ``postgresql+psycopg://…``, as for `connect`.
        replace: what is there may be replaced; it is kept beside, under another name.

    Raises:
        InvalidInputError: the URL is not valid.
        NotSupportedError: nothing can be restored there.
    """
    if _scheme(url) in ("memory", "file", "s3", "etcd") or _is_private(url):
        raise NotSupportedError("a backup is restored to a SQLite file or a Postgres schema; give the URL of one")
    target = parse_target(url)
    if target.schema is not None:
        return PostgresTarget(target, replace=replace)
    return SqliteTarget(Path(target.url.database or ""), replace=replace)


def _scheme(url: str) -> str:
    if type(url) is not str or ":" not in url:
        raise InvalidInputError("that is not a database URL; an example is sqlite:///charter.db")
    return url.partition(":")[0]


def _refuse_network(backend: str, air_gapped: bool) -> None:
    if air_gapped:
        raise NotSupportedError(f"the {backend} backend needs the network and air_gapped is set; use SQLite")


def _is_private(url: str) -> bool:
    return url in ("sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite+pysqlite://")


def _check_beside(scheme: str, blobs: str) -> None:
    """Refuse what cannot lie beside a store of that scheme, before anything is opened."""
    if scheme in ("etcd", "file", "s3"):
        raise NotSupportedError(f"nothing can lie beside a store of {scheme}; give blobs with the URL of a ledger")
    if _scheme(blobs) not in ("file", "s3"):
        raise InvalidInputError("blobs must be the URL of a folder or of a bucket, such as file:///var/lib/blobs")


def _ledger(url: str, *, migrate: str, read_only: bool, air_gapped: bool, timeout_s: float) -> LedgerBackend:
    scheme = _scheme(url)
    if scheme == "memory":
        return MemoryBackend(read_only=read_only)
    if _is_private(url):
        return _private_sqlite()
    target = parse_target(url)
    if target.schema is not None:
        _refuse_network("postgresql", air_gapped)
    if migrate == "upgrade":
        migrations.upgrade(url)
    if target.schema is not None:
        return PostgresBackend(target, read_only=read_only, timeout_s=timeout_s)
    return SqliteBackend(_existing_file(Path(target.url.database or "")), read_only=read_only)


def _archives(url: str, *, read_only: bool, air_gapped: bool, timeout_s: float) -> ContentBackend:
    if _scheme(url) == "s3":
        _refuse_network("s3", air_gapped)
        return S3Archive(parse_address(url), read_only=read_only, timeout_s=timeout_s)
    parts = urlsplit(url)
    if parts.netloc or parts.query or parts.fragment or not parts.path.startswith("/"):
        raise InvalidInputError("an archive in files is named like file:///folder, by its absolute path")
    return FileArchive(Path(unquote(parts.path)), read_only=read_only)


def _existing_file(path: Path) -> Path:
    """The path of a database file that is there."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError as exc:
        raise MigrationRequiredError(
            f"there is no store at {path} yet; run `charter upgrade` (or upgrade(url))"
        ) from exc
    except OSError as exc:
        raise UnavailableError(f"{path} cannot be opened: {exc.strerror}") from exc
    if not stat.S_ISREG(kind):
        raise UnavailableError(f"{path} is not a file; give the path of a database file")
    return path


def _private_sqlite() -> SqliteBackend:
    """A new SQLite file in a folder of its own, removed at close."""
    folder = tempfile.mkdtemp(prefix="charter-")
    path = Path(folder) / "charter.db"
    migrations.create_sqlite(path)
    return SqliteBackend(path, private=True)
