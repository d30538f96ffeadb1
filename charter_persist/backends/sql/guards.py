"""Guards: triggers that refuse to change or remove what was recorded.

A second wall that nothing relies on: repositories never ask for such a change, and hashing shows one that was made
anyway. A guard stops accidents and hostile SQL; whoever owns the database can drop it, so `missing_guards` says which
are not as they were made. What a guard lets pass, its trigger says: on SQLite by its condition, on Postgres by the
arguments it hands to the one function behind all of them. Imports the tables and ``backends.contract``. Source: DESIGN 4, RELIABILITY 1.4, 4.1-11, P20, P21.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import sqlalchemy as sa

from charter_persist.backends.contract import RELATIONS
from charter_persist.backends.sql.tables import Base

# Rows of these are never changed or removed; of a compacted one, those that a newer row of the key replaced may go, and
# of an erasable one, payload and nonce.
APPEND_ONLY: Final = (
    "archive_entry",
    "audit_event",
    "event",
    "intent_edge_log",
    "intent_log",
    "journal",
    "journal_tile",
    "kv_change",
    "message_log",
    "metadata_log",
    "object",
    "ref_log",
    "session_log",
    "store_identity",
    "thread_log",
)
COMPACTED: Final = ("kv_change", "metadata_log")
ERASABLE: Final = {relation.name: str(relation.payload) for relation in RELATIONS if relation.erasable}
"""By table the column of the payload."""

_SQLITE_TRIGGER: Final = """\
CREATE TRIGGER guard_{table}_{event} BEFORE {event} ON {table}{condition}
BEGIN SELECT RAISE(ABORT, 'append-only: {table}'); END"""
_SQLITE_TAKEN: Final = "EXISTS (SELECT 1 FROM {table} WHERE {match})"
_SQLITE_NEWEST: Final = """
WHEN NOT EXISTS (SELECT 1 FROM {table} AS newer WHERE newer.key = OLD.key AND newer.position > OLD.position)"""

_SQLITE_ERASURE: Final = "NEW.{payload} IS NULL AND NEW.nonce IS x''"

_POSTGRES_BODY: Final = """
DECLARE
  replaced boolean;
BEGIN
  IF TG_OP = 'DELETE' AND TG_ARGV[0] = 'compacted' THEN
    EXECUTE 'SELECT EXISTS (SELECT 1 FROM ' || TG_RELID::regclass || ' AS newer'
            ' WHERE newer.key = $1 AND newer.position > $2)' INTO replaced USING OLD.key, OLD.position;
    IF replaced THEN
      RETURN OLD;
    END IF;
  END IF;
  IF TG_OP = 'UPDATE' AND TG_ARGV[0] = 'erasable' THEN
    IF to_jsonb(NEW) = to_jsonb(OLD) || jsonb_build_object(TG_ARGV[1], NULL, 'nonce', ''::bytea) THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = 'append-only: ' || TG_TABLE_NAME;
END
"""
# A fixed search path, so that no object of the caller can stand in for one of the system.
_POSTGRES_FUNCTION: Final = """\
CREATE OR REPLACE FUNCTION {schema}.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $${body}$$"""
_POSTGRES_TRIGGER: Final = """\
CREATE TRIGGER guard_{table}_{suffix} BEFORE {events} ON {schema}.{table}
FOR EACH {level} EXECUTE FUNCTION {schema}.refuse_change({passing})"""
# ALWAYS: also where session_replication_role turns ordinary triggers off.
_POSTGRES_ALWAYS: Final = "ALTER TABLE {schema}.{table} ENABLE ALWAYS TRIGGER guard_{table}_{suffix}"


class _SqliteGuard(NamedTuple):
    """One trigger of SQLite, which keeps the text of the statement that made it."""

    name: str
    statement: str


class _PostgresGuard(NamedTuple):
    """One trigger of Postgres; ``kind`` is its ``tgtype``: 1 row, 2 before, 8 delete, 16 update, 32 truncate.

    ``arguments`` say what it lets pass.
    """

    table: str
    suffix: str
    events: str
    level: str
    kind: int
    arguments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"guard_{self.table}_{self.suffix}"

    @property
    def stored(self) -> tuple[str, int, bytes]:
        """Table, kind and arguments as the catalogue has them."""
        return self.table, self.kind, b"".join(text.encode() + b"\0" for text in self.arguments)

    def statements(self, schema: str) -> list[str]:
        passing = ", ".join(f"'{text}'" for text in self.arguments)
        words = {"schema": schema, "passing": passing, **self._asdict()}
        return [text.format(**words) for text in (_POSTGRES_TRIGGER, _POSTGRES_ALWAYS)]


def quoted(schema: str) -> str:
    """A Postgres schema's name as it stands in a statement."""
    return sa.make_url("postgresql+psycopg://").get_dialect()().identifier_preparer.quote(schema)


def guard_statements(dialect_name: str, schema: str | None) -> list[str]:
    """The statements that make every guard, in order.

    Args:
        dialect_name: ``"sqlite"`` or ``"postgresql"``.
        schema: the Postgres schema; None on SQLite.

    Returns:
        Complete SQL statements without parameters and without ``%``.
    """
    if schema is None or dialect_name == "sqlite":
        return [guard.statement for guard in _sqlite_guards()]
    name = quoted(schema)
    triggers = [statement for guard in _postgres_guards() for statement in guard.statements(name)]
    return [_POSTGRES_FUNCTION.format(schema=name, body=_POSTGRES_BODY), *triggers]


def missing_guards(connection: sa.Connection, *, schema: str | None) -> list[str]:
    """Which guards do not stand as they were made.

    Reads the catalogue only; any role may ask.

    Args:
        connection: to a store at head.
        schema: the Postgres schema; None on SQLite.

    Returns:
        Names of the guards that are absent, altered or switched off, in order; empty where all is well.
    """
    return _missing_on_sqlite(connection) if schema is None else _missing_on_postgres(connection, schema)


def _sqlite_guards() -> list[_SqliteGuard]:
    """Three a table. REPLACE removes rows without a DELETE trigger, so an INSERT over a row is refused first."""
    guards = []
    for table in APPEND_ONLY:
        conditions = {
            "insert": "\nWHEN " + " OR ".join(_SQLITE_TAKEN.format(table=table, match=key) for key in _matches(table)),
            "update": f"\nWHEN NOT ({_erasure(table)})" if table in ERASABLE else "",
            "delete": _SQLITE_NEWEST.format(table=table) if table in COMPACTED else "",
        }
        for event, condition in conditions.items():
            text = _SQLITE_TRIGGER.format(table=table, event=event, condition=condition)
            guards.append(_SqliteGuard(f"guard_{table}_{event}", text))
    return guards


def _erasure(table_name: str) -> str:
    """What is true of an update that takes the payload and the nonce from a row and changes nothing else."""
    payload = ERASABLE[table_name]
    others = [c.name for c in Base.metadata.tables[table_name].columns if c.name not in (payload, "nonce")]
    same = [f"NEW.{name} IS OLD.{name}" for name in others]
    return " AND ".join([_SQLITE_ERASURE.format(payload=payload), *same])


def _matches(table_name: str) -> list[str]:
    """For each key of a table, primary key first: what is true of a row that already has the key of the new one."""
    table = Base.metadata.tables[table_name]
    unique = sorted((c for c in table.constraints if isinstance(c, sa.UniqueConstraint)), key=lambda c: str(c.name))
    keys = [[column.name for column in constraint.columns] for constraint in (table.primary_key, *unique)]
    return [" AND ".join(f"{name} = NEW.{name}" for name in key) for key in keys]


def _postgres_guards() -> list[_PostgresGuard]:
    """Two a table. The head row moves, but it is never removed."""
    guards = []
    for table in APPEND_ONLY:
        guards.append(_PostgresGuard(table, "change", "DELETE OR UPDATE", "ROW", kind=27, arguments=_passing(table)))
        guards.append(_PostgresGuard(table, "truncate", "TRUNCATE", "STATEMENT", kind=34))
    guards.append(_PostgresGuard("journal_head", "change", "DELETE", "ROW", kind=11))
    guards.append(_PostgresGuard("journal_head", "truncate", "TRUNCATE", "STATEMENT", kind=34))
    return guards


def _passing(table_name: str) -> tuple[str, ...]:
    """What the guard of a table's rows lets pass, as the function behind it reads it."""
    if table_name in ERASABLE:
        return ("erasable", ERASABLE[table_name])
    return ("compacted",) if table_name in COMPACTED else ()


def _missing_on_sqlite(connection: sa.Connection) -> list[str]:
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    stored = {row[0]: row[1] for row in rows}
    return [guard.name for guard in _sqlite_guards() if stored.get(guard.name) != guard.statement]


_STORED_FUNCTION: Final = sa.text("""
SELECT p.prosrc, l.lanname, p.prosecdef, p.proconfig
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE n.nspname = :schema AND p.proname = 'refuse_change' AND p.pronargs = 0
""")
# Not pg_get_triggerdef: what it prints depends on the search path.
# A trigger with a condition or a list of columns is no guard.
_STORED_TRIGGERS: Final = sa.text("""
SELECT t.tgname, c.relname, t.tgtype, t.tgargs
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
WHERE n.nspname = :schema AND p.pronamespace = n.oid AND p.proname = 'refuse_change'
AND t.tgenabled = 'A' AND t.tgqual IS NULL AND cardinality(t.tgattr::int2[]) = 0
""")


def _missing_on_postgres(connection: sa.Connection, schema: str) -> list[str]:
    made = (_POSTGRES_BODY, "plpgsql", False, ["search_path=pg_catalog, pg_temp"])
    function = connection.execute(_STORED_FUNCTION, {"schema": schema}).one_or_none()
    missing = [] if function is not None and tuple(function) == made else ["refuse_change"]
    stored = {
        name: (table, kind, bytes(arguments))
        for name, table, kind, arguments in connection.execute(_STORED_TRIGGERS, {"schema": schema})
    }
    return missing + [guard.name for guard in _postgres_guards() if stored.get(guard.name) != guard.stored]
