"""Restoring to SQLite: a new file beside the wanted one, and the swap of the two.

The file at the path is, at any moment, the old one or the new one; a new one takes the name in one system call. What
is replaced is kept beside it under another name. A store that any process has open is never replaced, because what
that process records next would be lost.

Cost of the swap: two fsyncs. Source: RELIABILITY P38, 4.1-6.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from charter_persist.backends.sql.faults import sqlite_fault
from charter_persist.backends.sql.migrate import create_sqlite
from charter_persist.backends.sql.sqlite import SqliteBackend
from charter_persist.errors import AlreadyExistsError, BackendError, CorruptStoreError, SchemaError, StoreBusyError
from charter_persist.files import file_faults, sync_file, sync_folder

# What SQLite keeps beside a file, and would take for that of a new file of the same name.
_BESIDE: Final = ("-wal", "-shm", "-journal")


class SqliteTarget:
    """A path that a store is restored to.

    Args:
        path: of the database file.
        replace: what is at the path may be replaced.

    Attributes:
        record: where the record of the restore goes.
    """

    def __init__(self, path: Path, *, replace: bool) -> None:
        self._path = path.resolve()
        self._replace = replace
        token = secrets.token_hex(4)
        self._new = self._path.with_name(f"{self._path.name}.restore-{token}")
        self._old = self._path.with_name(f"{self._path.name}.before-{token}")
        self.record = self._path.with_name(self._path.name + ".restored.json")

    def check(self) -> None:
        """Refuse a path that cannot be restored to, before any work is done.

        Raises:
            AlreadyExistsError: there is something, and it is not to be replaced.
            StoreBusyError: a process has the store open.
            UnavailableError: the folder is not there or cannot be used.
        """
        with file_faults(self._path):
            if not self._replace:
                self._refuse_what_is_there()
            with _nobody_has_it_open(self._path):
                return

    def create(self, store_id: str) -> SqliteBackend:
        """Make the new store, empty and beside the wanted path."""
        create_sqlite(self._new, store_id=store_id)
        return SqliteBackend(self._new)

    def swap(self) -> str | None:
        """Put the new store in place, durable; returns where the old file is kept, if there was one.

        Raises:
            AlreadyExistsError: something came to the path meanwhile.
            StoreBusyError: a process has the old store open.
            StorageFullError, UnavailableError: the file system refused.
        """
        with file_faults(self._path):
            if Path(f"{self._new}-wal").exists():
                raise BackendError(f"SQLite left a log beside {self._new}; the restore cannot be completed")
            sync_file(self._new)
            if self._replace:
                kept = self._put_over()
            else:
                self._put_where_nothing_is()
                kept = None
            sync_folder(self._path.parent)
        return kept

    def discard(self) -> None:
        """Remove the new store, wherever the restore failed."""
        with file_faults(self._new):
            for suffix in ("", *_BESIDE):
                Path(f"{self._new}{suffix}").unlink(missing_ok=True)

    def _refuse_what_is_there(self) -> None:
        for suffix in ("", *_BESIDE):
            if os.path.lexists(f"{self._path}{suffix}"):
                raise AlreadyExistsError(
                    f"{self._path}{suffix} exists; restore elsewhere, or ask for it to be replaced"
                )

    def _put_where_nothing_is(self) -> None:
        self._refuse_what_is_there()
        try:
            os.link(self._new, self._path)  # unlike a rename, it never takes the place of another file
        except FileExistsError as exc:
            raise AlreadyExistsError(f"{self._path} exists now; restore elsewhere") from exc
        self._new.unlink()

    def _put_over(self) -> str | None:
        with _nobody_has_it_open(self._path):
            there = self._path.exists()
            # None is left of a sound store. Of a damaged one they are kept, and must be gone before the name changes.
            for suffix in _BESIDE:
                if Path(f"{self._path}{suffix}").exists():
                    Path(f"{self._path}{suffix}").rename(f"{self._old}{suffix}")
            if there:
                self._take_over_rights()
                os.link(self._path, self._old)
            self._new.replace(self._path)
        return str(self._old) if there else None

    def _take_over_rights(self) -> None:
        """Give the new file the mode and the owner of the old one."""
        old, new = self._path.stat(), self._new.stat()
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            os.chown(self._new, old.st_uid, old.st_gid)
        shutil.copymode(self._path, self._new)


@contextmanager
def _nobody_has_it_open(path: Path) -> Iterator[None]:
    """Hold a store alone while the block runs, with its log moved into its file; a damaged file cannot be held."""
    if not path.exists():
        yield
        return
    uri = f"file:{quote(str(path))}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)) as connection:
        try:
            # Leaving WAL takes the file alone, moves the log into it and removes what stands beside it. With the journal
            # in memory it changes one sector and no other file, so no crash leaves what only a writer could repair.
            (mode,) = connection.execute("PRAGMA journal_mode = MEMORY").fetchone()
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as exc:
            fault = sqlite_fault(exc)
            if not isinstance(fault, CorruptStoreError | SchemaError):
                raise fault from exc
        else:
            if mode != "memory":
                raise StoreBusyError(f"a process has {path} open; stop the programs that use it, then try again")
        yield
