"""Damage to a Postgres store as its owner: guards and checks stand aside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa


def address(url: str) -> str:
    """A database URL as libpq reads it."""
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def unguarded(url: str) -> Iterator[psycopg.Connection]:
    """A connection without guards and without checks; they are gone for good."""
    with psycopg.connect(address(url), autocommit=True) as connection:
        connection.execute("SET search_path TO charter")
        triggers = connection.execute(
            "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE c.relnamespace = 'charter'::regnamespace AND NOT t.tgisinternal"
        ).fetchall()
        for table, name in triggers:
            connection.execute(f"DROP TRIGGER {name} ON {table}".encode())
        checks = connection.execute(
            "SELECT c.relname, k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
            " WHERE k.connamespace = 'charter'::regnamespace AND k.contype = 'c'"
        ).fetchall()
        for table, name in checks:
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}".encode())
        yield connection
