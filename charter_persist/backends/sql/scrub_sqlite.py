"""Scrubbing a SQLite file: what was removed leaves the write-ahead log too.

``secure_delete`` overwrites removed rows with zeros in the file; their old pages stay in the log until it begins anew.
A TRUNCATE checkpoint could run beside a commit (RELIABILITY 4.1-4), so the log is emptied in two steps that cannot: a
checkpoint under the writer lock, then a commit without content, which begins the log anew and cuts it behind itself.

Cost: a checkpoint and a commit of one page. Imports ``errors``. Source: RELIABILITY 1.8, P28.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from charter_persist.backends.sql.engine import apply_settings
from charter_persist.backends.sql.faults import sqlite_fault
from charter_persist.errors import StoreBusyError

RETRY_S: Final = 0.02
# Where the log's header keeps the number that changes when it begins anew.
SALT: Final = slice(16, 24)


def scrub_sqlite(path: Path, checkpoint: Callable[[], None], deadline: float) -> None:
    """Empty the log of a store; nobody else of this process writes meanwhile.

    Args:
        path: of the file.
        checkpoint: moves the log into the file under the writer lock, as far as readers let it.
        deadline: by ``time.monotonic``.

    Raises:
        StoreBusyError: a view, or another process, was in the way until the deadline.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            apply_settings(connection)
            connection.execute("PRAGMA journal_size_limit = 0")
            while True:
                checkpoint()
                if _begin_log_anew(connection, path):
                    return
                if time.monotonic() > deadline:
                    raise StoreBusyError("a view is open, or another process writes; end it, then scrub again")
                time.sleep(RETRY_S)
    except sqlite3.Error as exc:
        raise sqlite_fault(exc) from exc


def _begin_log_anew(connection: sqlite3.Connection, path: Path) -> bool:
    """Commit a page without content; whether the log began anew with it."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as exc:
        if isinstance(sqlite_fault(exc), StoreBusyError):
            return False
        raise
    before = _salt(path)
    generation = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute(f"PRAGMA user_version = {generation}")
    connection.execute("COMMIT")
    return _salt(path) != before


def _salt(path: Path) -> bytes:
    log = Path(f"{path}-wal")
    if not log.exists():
        return b""
    with log.open("rb") as file:
        return file.read(SALT.stop)[SALT]
