"""What a forked child must never do with the connections it inherits: roll back, close, or free them.

The child has a copy of each connection and shares what is behind it: the log index of a SQLite file, the socket of a
Postgres session. Rolling back or closing the copy ends the parent's transaction or damages what it is writing, and
Python would do so by itself when the copy is collected.

Source: RELIABILITY 4.1-7, P57.
"""

from __future__ import annotations

import ctypes
import os
import sqlite3
import weakref
from typing import Any

import sqlalchemy as sa


class Connection(sqlite3.Connection):
    """A connection to SQLite that a forked child never frees."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        _OPEN.add(self)


_OPEN: weakref.WeakSet[Connection] = weakref.WeakSet()


class Process:
    """A process as those know it who opened something in it; asking it costs no call of the system."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = False  # True in a child that was forked from it


_here = Process()


def this_process() -> Process:
    """The one that runs now."""
    return _here


def _leave() -> None:
    """Begin a process, and take a reference to each connection that not even the end of the interpreter gives back."""
    global _here
    _here.left, _here = True, Process()
    for connection in _OPEN:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave)


def reset_in_this_process(engine: sa.Engine) -> sa.Engine:
    """Roll back what comes back to the pool (a view may have been dropped without close), but not in a forked child.

    The engine has ``pool_reset_on_return=None``.
    """
    process = this_process()

    @sa.event.listens_for(engine, "reset")
    def reset(driver: Any, _record: Any, state: sa.pool.PoolResetState) -> None:
        if not state.terminate_only and not process.left:
            driver.rollback()

    return engine
