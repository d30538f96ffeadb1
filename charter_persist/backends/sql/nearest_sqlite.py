"""Distances on SQLite by the extension sqlite-vec, where the interpreter loads extensions and the package is installed.

It is loaded into the connections that need it, when they first do, and loading is switched off again at once: no SQL
can load anything, before or after. Source: ENA-5, docs/decisions/0022-vectors.md.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from charter_persist.backends.sql.faults import sqlite_fault
from charter_persist.backends.sql.nearest import Distances
from charter_persist.backends.sql.statements import Statements


def find_distances(statements: Statements) -> Distances | None:
    """Those of sqlite-vec; None where it is not installed, or the interpreter was built to load no extensions."""
    if not hasattr(sqlite3.Connection, "enable_load_extension") or (folder := package_folder()) is None:
        return None
    return Distances.of(f"sqlite-vec {version('sqlite-vec')}", _distance, statements, library=str(folder / "vec0"))


@cache
def package_folder() -> Path | None:
    """Where the package is, or None; it is not imported, for that would import NumPy into every process with a store."""
    spec = find_spec("sqlite_vec")
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def load(connection: sqlite3.Connection, library: str) -> None:
    """Load an extension into a connection.

    Raises:
        BackendError: SQLite refused it.
    """
    connection.enable_load_extension(True)
    try:
        connection.load_extension(library)
    except sqlite3.Error as exc:
        raise sqlite_fault(exc) from exc
    finally:
        connection.enable_load_extension(False)


def _distance(embedding: sa.ColumnElement[Any], query: sa.ColumnElement[Any]) -> sa.ColumnElement[float]:
    return sa.func.vec_distance_L2(embedding, query, type_=sa.Double())
