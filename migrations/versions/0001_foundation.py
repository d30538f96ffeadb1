"""The five stores, the journal, and the guards of both.

Imports nothing from the package: a released migration never changes with the code. ``create_all`` makes the same schema
from the mapped classes, and a test compares the two.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Byte order on Postgres; SQLite has it by itself. STRICT tables know INTEGER and not BIGINT.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BYTES = sa.LargeBinary()
STRICT: dict[str, Any] = {"sqlite_strict": True}
KEYED: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}

# For each append-only table: when an insert would meet a row that is there, which REPLACE would remove.
SQLITE_TAKEN = {
    "audit_event": "EXISTS (SELECT 1 FROM audit_event WHERE position = NEW.position)"
    " OR EXISTS (SELECT 1 FROM audit_event WHERE event_id = NEW.event_id)",
    "journal": "EXISTS (SELECT 1 FROM journal WHERE position = NEW.position)",
    "journal_tile": "EXISTS (SELECT 1 FROM journal_tile WHERE level = NEW.level AND tile = NEW.tile)",
    "metadata_log": "EXISTS (SELECT 1 FROM metadata_log WHERE position = NEW.position)",
    "object": "EXISTS (SELECT 1 FROM object WHERE position = NEW.position)"
    " OR EXISTS (SELECT 1 FROM object WHERE digest = NEW.digest)",
    "ref_log": "EXISTS (SELECT 1 FROM ref_log WHERE position = NEW.position)",
    "session_log": "EXISTS (SELECT 1 FROM session_log WHERE position = NEW.position)"
    " OR EXISTS (SELECT 1 FROM session_log WHERE session_id = NEW.session_id AND version = NEW.version)",
    "store_identity": "EXISTS (SELECT 1 FROM store_identity WHERE id = NEW.id)",
}
# Compaction may remove what a newer row of the key replaced.
SQLITE_NEWEST = """
WHEN NOT EXISTS (SELECT 1 FROM metadata_log AS newer WHERE newer.key = OLD.key AND newer.position > OLD.position)"""
SQLITE_TRIGGER = """\
CREATE TRIGGER guard_{table}_{event} BEFORE {event} ON {table}{condition}
BEGIN SELECT RAISE(ABORT, 'append-only: {table}'); END"""

POSTGRES_FUNCTION = """\
CREATE FUNCTION {schema}.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_TABLE_NAME = 'metadata_log' AND TG_OP = 'DELETE' THEN
    IF EXISTS (SELECT 1 FROM {schema}.metadata_log AS newer
               WHERE newer.key = OLD.key AND newer.position > OLD.position) THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = 'append-only: ' || TG_TABLE_NAME;
END
$$"""
POSTGRES_CHANGE = """\
CREATE TRIGGER guard_{table}_change BEFORE {events} ON {schema}.{table}
FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_change()"""
POSTGRES_TRUNCATE = """\
CREATE TRIGGER guard_{table}_truncate BEFORE TRUNCATE ON {schema}.{table}
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change()"""
POSTGRES_ALWAYS = "ALTER TABLE {schema}.{table} ENABLE ALWAYS TRIGGER guard_{table}_{name}"
# The server makes the identity, so that a script from --sql that is run twice makes two stores.
POSTGRES_IDENTITY = """\
INSERT INTO {schema}.store_identity (id, store_id, created_at)
VALUES (1, CAST(gen_random_uuid() AS text), CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint))"""
POSTGRES_HEAD = """\
INSERT INTO {schema}.journal_head (id, position, revision, root) VALUES (1, 0, 0, decode('{root}', 'hex'))"""

APPLICATION_ID = 0x43687450  # "ChtP"
EMPTY_ROOT = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of nothing


def upgrade() -> None:
    schema = op.get_context().version_table_schema
    _create_objects_and_refs(schema)
    _create_audit_and_metadata(schema)
    _create_sessions(schema)
    _create_journal(schema)
    _create_operation_and_identity(schema)
    if op.get_context().dialect.name == "sqlite":
        _finish_sqlite()
    else:
        _create_head(schema)
        _finish_postgres(op.get_context().dialect.identifier_preparer.quote(schema or "charter"))


def downgrade() -> None:
    raise CommandError("0001 is the first schema: going below it would delete the store; nothing was changed")


def _key(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, autoincrement=False)


def _create_objects_and_refs(schema: str | None) -> None:
    op.create_table(
        "object",
        _key("position", INT64),
        sa.Column("digest", BYTES, nullable=False),
        sa.Column("hash_version", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("size", INT64, nullable=False),
        sa.Column("data", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_object")),
        sa.UniqueConstraint("digest", name=op.f("uq_object_digest")),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_object_digest_length")),
        schema=schema,
        **STRICT,
    )
    op.create_index(op.f("ix_object_type_position"), "object", ["type", "position"], schema=schema)
    op.create_table(
        "ref",
        _key("name", TEXT),
        sa.Column("digest", BYTES, nullable=False),
        sa.Column("version", INT64, nullable=False),
        sa.Column("revision", INT64, nullable=False),
        sa.Column("position", INT64, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_ref")),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_ref_digest_length")),
        schema=schema,
        **KEYED,
    )
    op.create_table(
        "ref_log",
        _key("position", INT64),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("digest", BYTES, nullable=True),
        sa.Column("version", INT64, nullable=False),
        sa.Column("revision", INT64, nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_ref_log")),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_ref_log_digest_length")),
        schema=schema,
        **STRICT,
    )
    op.create_index(op.f("ix_ref_log_name_position"), "ref_log", ["name", "position"], schema=schema)


def _create_audit_and_metadata(schema: str | None) -> None:
    op.create_table(
        "audit_event",
        _key("position", INT64),
        sa.Column("event_id", TEXT, nullable=False),
        sa.Column("event_type", TEXT, nullable=False),
        sa.Column("occurred_at", INT64, nullable=False),
        sa.Column("actor", TEXT, nullable=True),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("subject_type", TEXT, nullable=False),
        sa.Column("subject_id", TEXT, nullable=False),
        sa.Column("context", TEXT, nullable=False),
        sa.Column("data", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_audit_event")),
        sa.UniqueConstraint("event_id", name=op.f("uq_audit_event_event_id")),
        schema=schema,
        **STRICT,
    )
    for columns in (["scope"], ["event_type"], ["subject_type", "subject_id"]):
        name = op.f(f"ix_audit_event_{'_'.join(columns)}_position")
        op.create_index(name, "audit_event", [*columns, "position"], schema=schema)
    op.create_table(
        "metadata_log",
        _key("position", INT64),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("value", BYTES, nullable=True),
        sa.Column("version", INT64, nullable=False),
        sa.Column("revision", INT64, nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_metadata_log")),
        schema=schema,
        **STRICT,
    )
    op.create_index(op.f("ix_metadata_log_key_position"), "metadata_log", ["key", "position"], schema=schema)


def _create_sessions(schema: str | None) -> None:
    op.create_table(
        "session",
        _key("session_id", TEXT),
        sa.Column("area_id", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("version", INT64, nullable=False),
        sa.Column("digest", BYTES, nullable=True),
        sa.Column("position", INT64, nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_session")),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_session_digest_length")),
        schema=schema,
        **KEYED,
    )
    columns = ["area_id", "state", "session_id"]
    op.create_index(op.f("ix_session_area_id_state_session_id"), "session", columns, schema=schema)
    op.create_table(
        "session_candidate",
        _key("session_id", TEXT),
        _key("candidate_id", TEXT),
        sa.Column("ordinal", INT64, nullable=False),
        sa.Column("data", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("session_id", "candidate_id", name=op.f("pk_session_candidate")),
        schema=schema,
        **KEYED,
    )
    op.create_table(
        "session_stance",
        _key("session_id", TEXT),
        _key("actor_id", TEXT),
        _key("candidate_id", TEXT),
        sa.Column("stance", TEXT, nullable=False),
        sa.Column("data", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("session_id", "actor_id", "candidate_id", name=op.f("pk_session_stance")),
        schema=schema,
        **KEYED,
    )
    op.create_table(
        "session_log",
        _key("position", INT64),
        sa.Column("session_id", TEXT, nullable=False),
        sa.Column("version", INT64, nullable=False),
        sa.Column("revision", INT64, nullable=False),
        sa.Column("nonce", BYTES, nullable=False),
        sa.Column("data", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_session_log")),
        sa.UniqueConstraint("session_id", "version", name=op.f("uq_session_log_session_id_version")),
        schema=schema,
        **STRICT,
    )


def _create_journal(schema: str | None) -> None:
    op.create_table(
        "journal",
        _key("position", INT64),
        sa.Column("revision", INT64, nullable=False),
        sa.Column("store", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("operation", TEXT, nullable=False),
        sa.Column("commitment", BYTES, nullable=False),
        sa.Column("recorded_at", INT64, nullable=False),
        sa.Column("leaf", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_journal")),
        sa.CheckConstraint("length(commitment) = 32", name=op.f("ck_journal_commitment_length")),
        sa.CheckConstraint("length(leaf) = 32", name=op.f("ck_journal_leaf_length")),
        schema=schema,
        **STRICT,
    )
    op.create_table(
        "journal_tile",
        _key("level", INT64),
        _key("tile", INT64),
        sa.Column("root", BYTES, nullable=False),
        sa.Column("nodes", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("level", "tile", name=op.f("pk_journal_tile")),
        sa.CheckConstraint("length(root) = 32", name=op.f("ck_journal_tile_root_length")),
        sa.CheckConstraint("length(nodes) = 16352", name=op.f("ck_journal_tile_nodes_length")),
        schema=schema,
        **STRICT,
    )


def _create_operation_and_identity(schema: str | None) -> None:
    op.create_table(
        "operation",
        _key("operation_id", TEXT),
        sa.Column("value", BYTES, nullable=False),
        sa.Column("revision", INT64, nullable=True),
        sa.Column("first_position", INT64, nullable=True),
        sa.Column("size", INT64, nullable=True),
        sa.Column("root", BYTES, nullable=True),
        sa.Column("recorded_at", INT64, nullable=False),
        sa.Column("digest", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("operation_id", name=op.f("pk_operation")),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_operation_digest_length")),
        schema=schema,
        **KEYED,
    )
    op.create_table(
        "store_identity",
        _key("id", INT64),
        sa.Column("store_id", TEXT, nullable=False),
        sa.Column("created_at", INT64, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_store_identity")),
        sa.CheckConstraint("id = 1", name=op.f("ck_store_identity_one_row")),
        schema=schema,
        **STRICT,
    )


def _create_head(schema: str | None) -> None:
    """Postgres alone: the row whose lock is the writer lock; room in its page keeps its updates in place."""
    op.create_table(
        "journal_head",
        _key("id", INT64),
        sa.Column("position", INT64, nullable=False),
        sa.Column("revision", INT64, nullable=False),
        sa.Column("root", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_head")),
        sa.CheckConstraint("id = 1", name=op.f("ck_journal_head_one_row")),
        sa.CheckConstraint("length(root) = 32", name=op.f("ck_journal_head_root_length")),
        schema=schema,
        postgresql_with={"fillfactor": "50"},
    )


def _finish_sqlite() -> None:
    """Guards, the identity, and the two numbers in the file's header that say whose file it is."""
    for table, taken in SQLITE_TAKEN.items():
        newest = SQLITE_NEWEST if table == "metadata_log" else ""
        for event, condition in (("insert", f"\nWHEN {taken}"), ("update", ""), ("delete", newest)):
            op.execute(SQLITE_TRIGGER.format(table=table, event=event, condition=condition))
    identity = sa.table("store_identity", sa.column("id"), sa.column("store_id"), sa.column("created_at"))
    values = {"id": 1, "store_id": str(uuid.uuid4()), "created_at": time.time_ns() // 1000}
    op.execute(sa.insert(identity).values(values))
    op.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    op.execute("PRAGMA user_version = 1")


def _finish_postgres(schema: str) -> None:
    """Guards, the identity and the empty head."""
    op.execute(POSTGRES_FUNCTION.format(schema=schema))
    for table in [*SQLITE_TAKEN, "journal_head"]:
        events = "DELETE" if table == "journal_head" else "DELETE OR UPDATE"
        op.execute(POSTGRES_CHANGE.format(schema=schema, table=table, events=events))
        op.execute(POSTGRES_TRUNCATE.format(schema=schema, table=table))
        for name in ("change", "truncate"):
            op.execute(POSTGRES_ALWAYS.format(schema=schema, table=table, name=name))
    op.execute(POSTGRES_IDENTITY.format(schema=schema))
    op.execute(POSTGRES_HEAD.format(schema=schema, root=EMPTY_ROOT))
