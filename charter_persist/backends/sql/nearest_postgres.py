"""Distances on Postgres by pgvector, where the administrator has run ``vectors.sql``: it needs the rights of a superuser.

Source: ENA-5, docs/decisions/0022-vectors.md.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import sqlalchemy as sa

from charter_persist.backends.sql.nearest import Distances
from charter_persist.backends.sql.statements import Statements

# What a disk gives while a statement may run; reading a collection takes many statements.
BYTES_MAX: Final = 2 * 1024 * 1024 * 1024
_CONVERSION: Final = "embedding_vector"
# The version and the schema of pgvector, where the store has the function, and this role may call it.
_FIND: Final = sa.text(
    "SELECT extversion, v.nspname FROM pg_extension JOIN pg_namespace v ON v.oid = extnamespace"
    " WHERE extname = 'vector' AND EXISTS (SELECT FROM pg_proc p JOIN pg_namespace s ON s.oid = pronamespace"
    " WHERE proname = :name AND s.nspname = :schema AND has_function_privilege(p.oid, 'EXECUTE'))"
)


def find_distances(connection: sa.Connection, schema: str, statements: Statements) -> Distances | None:
    """Those of pgvector; None where the database does not have it, or the schema no function that makes its vectors."""
    row = connection.execute(_FIND, {"name": _CONVERSION, "schema": schema}).one_or_none()
    if row is None:
        return None
    version, of_vector = row
    return Distances.of(f"pgvector {version}", partial(_distance, schema, of_vector), statements, bytes_max=BYTES_MAX)


def _distance(
    schema: str, of_vector: str, embedding: sa.ColumnElement[Any], query: sa.ColumnElement[Any]
) -> sa.ColumnElement[float]:
    vector, functions = getattr(getattr(sa.func, schema), _CONVERSION), getattr(sa.func, of_vector)
    once = sa.select(vector(query)).scalar_subquery()
    distance: sa.ColumnElement[float] = functions.l2_distance(vector(embedding), once, type_=sa.Double())
    return distance
