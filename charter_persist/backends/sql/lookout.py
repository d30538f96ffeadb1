"""Looking for the commits of other processes, in one thread for each backend that somebody listens to.

SQLite: ``PRAGMA data_version`` of a connection that never commits, every 2 ms while something happens, else every
5 ms; a call takes microseconds and holds no lock in between. Postgres: a connection that listens. Both only ring: a
notification that is lost costs time, because readers look for themselves once in a while.

Imports ``errors`` and the drivers. Source: DESIGN 5, RELIABILITY P19.
"""

from __future__ import annotations

import select
import socket
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from psycopg import sql

from charter_persist.errors import CharterError

Pooled = Callable[[], sa.PoolProxiedConnection]
Ring = Callable[[], None]

PAUSE_MIN_S: Final = 0.002
PAUSE_MAX_S: Final = 0.005
# How long to wait before a connection that was lost is made again.
AGAIN_S: Final = 0.5


class Stop:
    """Ends a look-out from another thread; it can be waited for beside a socket."""

    def __init__(self) -> None:
        self._heard, self._told = socket.socketpair()

    def wait(self, timeout_s: float | None, *others: int) -> bool:
        """Wait until it is told, one of the file descriptors can be read, or the time is over; whether it was told."""
        told = self._heard.fileno()
        ready, _, _ = select.select([told, *others], [], [], timeout_s)
        return told in ready

    def tell(self) -> None:
        """End it."""
        self._told.send(b"\0")

    def close(self) -> None:
        """Give both ends back."""
        self._heard.close()
        self._told.close()


def start_thread(name: str, look_out: Callable[[Stop], None]) -> Callable[[], None]:
    """Run a look-out in a thread; what is returned ends it and waits for its end."""
    stop = Stop()
    thread = threading.Thread(target=look_out, args=(stop,), name=name, daemon=True)
    thread.start()

    def end() -> None:
        stop.tell()
        thread.join()
        stop.close()

    return end


def watch_file(pooled: Pooled, ring: Ring, stop: Stop) -> None:
    """Ring whenever another connection has committed to the SQLite file."""
    _repeat(pooled, ring, stop, _watch_file)


def hear_notifications(pooled: Pooled, channel: str, ring: Ring, stop: Stop) -> None:
    """Ring for each notification on a channel of Postgres."""

    def hear(driver: Any, ring: Ring, stop: Stop) -> None:
        driver.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        ring()
        while not stop.wait(None, driver.fileno()):
            driver.pgconn.consume_input()
            while driver.pgconn.notifies() is not None:
                pass
            ring()

    _repeat(pooled, ring, stop, hear)


def _watch_file(driver: Any, ring: Ring, stop: Stop) -> None:
    seen, pause = None, PAUSE_MIN_S
    while True:
        (version,) = driver.execute("PRAGMA data_version").fetchone()
        pause = PAUSE_MIN_S if version != seen else min(pause * 1.2, PAUSE_MAX_S)
        if version != seen:
            ring()
        seen = version
        if stop.wait(pause):
            return


def _repeat(pooled: Pooled, ring: Ring, stop: Stop, look: Callable[[Any, Ring, Stop], None]) -> None:
    """Look with a connection, and with a new one when it was lost, until told to stop.

    An error is not reported here: readers are woken, and meet it themselves if it lasts.
    """
    while True:
        try:
            connection = pooled()
            try:
                look(connection.driver_connection, ring, stop)
                return
            finally:
                connection.invalidate()
        except (CharterError, sa.exc.SQLAlchemyError, psycopg.Error, sqlite3.Error):
            ring()
            if stop.wait(AGAIN_S):
                return
