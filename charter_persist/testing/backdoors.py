"""Back doors into the stores of this package: memory, SQLite and Postgres.

Imports ``backends.memory`` and SQLAlchemy, and nothing of ``backends.sql``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import sqlalchemy as sa

from charter_persist.backends.contract import RELATIONS, Key, Relation, Row
from charter_persist.backends.memory import MemoryBackend
from charter_persist.proofs import EMPTY_ROOT

_TYPES: Final[dict[type, sa.types.TypeEngine[Any]]] = {
    int: sa.BigInteger(),
    str: sa.Text(),
    bytes: sa.LargeBinary(),
}


class MemoryBackDoor:
    """Into the dictionaries of a memory backend."""

    def __init__(self, backend: MemoryBackend) -> None:
        self._backend = backend

    def raw_get(self, relation: Relation[Row], key: Key) -> Row | None:
        """The stored row of that key, or None."""
        row: Row | None = self._backend.tables[relation.name].read(self._backend.commits, key)
        return row

    def raw_rows(self, relation: Relation[Row]) -> list[Row]:
        """Every stored row."""
        keys = list(self._backend.tables[relation.name].versions)
        return [row for key in keys if (row := self.raw_get(relation, key)) is not None]

    def raw_put(self, relation: Relation[Any], row: tuple[Any, ...]) -> None:
        """Store a row in place of the one with its key."""
        self.raw_delete(relation, relation.key_of(row))
        self._backend.tables[relation.name].write(self._backend.commits, relation.key_of(row), row)

    def raw_delete(self, relation: Relation[Any], key: Key) -> None:
        """Remove the row of that key with all that it ever was."""
        self._backend.tables[relation.name].versions.pop(key, None)


@cache
def _table(relation: Relation[Any], schema: str | None) -> sa.TableClause:
    """The table of a relation, its columns typed as the rows are."""
    columns = []
    for name, kind in get_type_hints(relation.row).items():
        (plain,) = set(get_args(kind) or (kind,)) - {type(None)}
        columns.append(sa.column(name, _TYPES[plain]))
    return sa.table(relation.name, *columns, schema=schema)


class _SqlBackDoor:
    """Into the tables of a database, over connections of its own; guards stand aside for the one statement."""

    def __init__(self, engine: sa.Engine, schema: str | None) -> None:
        self._engine = engine
        self._schema = schema

    def raw_get(self, relation: Relation[Row], key: Key) -> Row | None:
        """The stored row of that key, or None."""
        with self._engine.connect() as connection:
            found = connection.execute(self._select(relation).where(*self._match(relation, key))).one_or_none()
        return None if found is None else relation.row(*found)

    def raw_rows(self, relation: Relation[Row]) -> list[Row]:
        """Every stored row."""
        with self._engine.connect() as connection:
            return [relation.row(*row) for row in connection.execute(self._select(relation))]

    def raw_put(self, relation: Relation[Any], row: tuple[Any, ...]) -> None:
        """Store a row in place of the one with its key."""
        values = dict(zip(relation.row._fields, row, strict=True))
        with self._unguarded(relation) as connection:
            connection.execute(sa.delete(self._table(relation)).where(*self._match(relation, relation.key_of(row))))
            connection.execute(sa.insert(self._table(relation)).values(values))

    def raw_delete(self, relation: Relation[Any], key: Key) -> None:
        """Remove the row of that key."""
        with self._unguarded(relation) as connection:
            connection.execute(sa.delete(self._table(relation)).where(*self._match(relation, key)))

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _table(self, relation: Relation[Any]) -> sa.TableClause:
        return _table(relation, self._schema)

    def _select(self, relation: Relation[Any]) -> sa.Select[Any]:
        return sa.select(*[self._table(relation).c[name] for name in relation.row._fields])

    def _match(self, relation: Relation[Any], key: Key) -> list[sa.ColumnElement[bool]]:
        return [self._table(relation).c[name] == value for name, value in zip(relation.key, key, strict=True)]

    @contextmanager
    def _unguarded(self, relation: Relation[Any]) -> Iterator[sa.Connection]:
        """A transaction in which the table has no guards; they are as they were when it commits."""
        with self._engine.connect() as connection:
            self._begin(connection)
            guards = self._guards(connection, relation.name)
            for aside, _ in guards:
                connection.exec_driver_sql(aside)
            yield connection
            for _, back in guards:
                connection.exec_driver_sql(back)
            connection.commit()

    def _begin(self, connection: sa.Connection) -> None:
        connection.begin()

    def _guards(self, connection: sa.Connection, table: str) -> list[tuple[str, str]]:
        """For each guard of a table the statement that puts it aside and the one that brings it back."""
        raise NotImplementedError


class SqliteBackDoor(_SqlBackDoor):
    """Into a SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # No transaction is begun by the driver, so DDL stands in ours.
        engine = sa.create_engine(
            f"sqlite:///{path}", pool_size=1, connect_args={"isolation_level": None, "timeout": 20}
        )
        super().__init__(engine, None)

    def _begin(self, connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA wal_autocheckpoint = 0")
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def _guards(self, connection: sa.Connection, table: str) -> list[tuple[str, str]]:
        """Each trigger is dropped and made again by its own text."""
        query = sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table")
        return [(f'DROP TRIGGER "{name}"', sql) for name, sql in connection.execute(query, {"table": table})]


class PostgresBackDoor(_SqlBackDoor):
    """Into a schema of a Postgres database, as its owner.

    Args:
        url: SQLAlchemy URL of the database.
        schema: that the store stands in.
    """

    def __init__(self, url: str, schema: str) -> None:
        super().__init__(sa.create_engine(url, pool_size=1), schema)
        self._emptying: list[sa.Executable] = []

    def empty(self) -> None:
        """Make the store as it was when it was new; nobody may be using it. Costs a few milliseconds."""
        with self._engine.begin() as connection:
            self._emptying = self._emptying or self._statements_to_empty(connection)
            for statement in self._emptying:
                connection.execute(statement)

    def _statements_to_empty(self, connection: sa.Connection) -> list[sa.Executable]:
        guards = [guard for relation in RELATIONS for guard in self._guards(connection, relation.name)]
        head = sa.table("journal_head", *map(sa.column, ("position", "revision", "root")), schema=self._schema)
        return [
            *[sa.text(aside) for aside, _ in guards],
            *[sa.delete(self._table(relation)) for relation in RELATIONS],
            sa.update(head).values(position=0, revision=0, root=EMPTY_ROOT),
            *[sa.text(back) for _, back in guards],
        ]

    def _guards(self, connection: sa.Connection, table: str) -> list[tuple[str, str]]:
        """Each trigger is disabled and then enabled ALWAYS, which is how the package makes them."""
        query = sa.text(
            "SELECT format('ALTER TABLE %I.%I', n.nspname, c.relname), format('%I', t.tgname) FROM pg_trigger t"
            " JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = :schema AND c.relname = :table AND t.tgenabled = 'A'"
        )
        found = connection.execute(query, {"schema": self._schema, "table": table})
        return [(f"{alter} DISABLE TRIGGER {name}", f"{alter} ENABLE ALWAYS TRIGGER {name}") for alter, name in found]
