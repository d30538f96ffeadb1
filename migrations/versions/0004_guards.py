"""Guards: what one lets pass stands in its own arguments, and no longer table by table in the function behind them all.

Imports nothing from the package: a released migration never changes with the code.
"""

from __future__ import annotations

from alembic import op
from alembic.util import CommandError

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# The same owner, language and settings. It names no schema, so it stands when the schema is renamed.
POSTGRES_FUNCTION = """\
CREATE OR REPLACE FUNCTION {schema}.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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
$$"""
# Compaction and erasure may remove what a newer row of the key replaced.
COMPACTED = ("kv_change", "metadata_log")
POSTGRES_GUARD = (
    "DROP TRIGGER guard_{table}_change ON {schema}.{table}",
    """\
CREATE TRIGGER guard_{table}_change BEFORE DELETE OR UPDATE ON {schema}.{table}
FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_change('compacted')""",
    "ALTER TABLE {schema}.{table} ENABLE ALWAYS TRIGGER guard_{table}_change",
)


def upgrade() -> None:
    context = op.get_context()
    if context.dialect.name == "sqlite":
        return  # each trigger has its own condition there
    schema = context.dialect.identifier_preparer.quote(context.version_table_schema or "charter")
    op.execute(POSTGRES_FUNCTION.format(schema=schema))
    for table in COMPACTED:
        for statement in POSTGRES_GUARD:
            op.execute(statement.format(schema=schema, table=table))


def downgrade() -> None:
    raise CommandError("0004 moves the guards, and there is no way below the schema they guard; nothing was changed")
