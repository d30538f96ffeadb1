"""Everything that a schema consists of, as one comparable value: what Alembic's own comparison does not see as well."""

from __future__ import annotations

import sqlalchemy as sa

Inventory = dict[str, list[tuple[object, ...]]]

_SQLITE = {
    "statements": "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name",
    "tables": "SELECT name, type, ncol, wr, strict FROM pragma_table_list WHERE schema = 'main' ORDER BY name",
    "columns": (
        'SELECT t.name, c.cid, c.name, c.type, c."notnull", c.dflt_value, c.pk, c.hidden'
        " FROM sqlite_master t, pragma_table_xinfo(t.name) c WHERE t.type = 'table' ORDER BY t.name, c.cid"
    ),
    "indexes": (
        'SELECT t.name, i.name, i."unique", i.origin, i.partial, x.seqno, x.name, x.desc, x.coll'
        " FROM sqlite_master t, pragma_index_list(t.name) i, pragma_index_xinfo(i.name) x WHERE t.type = 'table'"
        " ORDER BY t.name, i.name, x.seqno"
    ),
    "header": "SELECT a.application_id, u.user_version FROM pragma_application_id a, pragma_user_version u",
}

_POSTGRES = {
    "relations": (
        "SELECT relname, relkind, relpersistence, reloptions, relrowsecurity, relforcerowsecurity, relowner::regrole::text"
        " FROM pg_class WHERE relnamespace = :schema AND relkind <> 'i' ORDER BY relname"
    ),
    "columns": (
        "SELECT c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, l.collname,"
        " a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid)"
        " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " LEFT JOIN pg_collation l ON l.oid = a.attcollation"
        " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
        " WHERE c.relnamespace = :schema AND c.relkind = 'r' AND a.attnum > 0 ORDER BY 1, 2"
    ),
    "constraints": (
        "SELECT conrelid::regclass::text, conname, contype, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = :schema ORDER BY 1, 2"
    ),
    "indexes": (
        "SELECT c.relname, pg_get_indexdef(c.oid) FROM pg_class c"
        " WHERE c.relnamespace = :schema AND c.relkind = 'i' ORDER BY 1"
    ),
    "triggers": (
        "SELECT t.tgname, t.tgenabled, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        " WHERE c.relnamespace = :schema AND NOT t.tgisinternal ORDER BY 1"
    ),
    "functions": (
        "SELECT proname, proowner::regrole::text, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = :schema ORDER BY 1"
    ),
    "sequences": "SELECT relname FROM pg_class WHERE relnamespace = :schema AND relkind = 'S' ORDER BY 1",
}


def inventory(connection: sa.Connection, schema: str | None) -> Inventory:
    """All that stands in the schema, ordered; on Postgres nothing where there is no such schema."""
    if schema is None:
        parts = {part: _rows(connection, sa.text(query)) for part, query in _SQLITE.items()}
        return parts | {"statements": [(*row[:3], _plain(row[3])) for row in parts["statements"]]}
    found = connection.scalar(sa.text("SELECT oid FROM pg_namespace WHERE nspname = :name"), {"name": schema})
    queries = {part: sa.text(query).bindparams(schema=found or 0) for part, query in _POSTGRES.items()}
    return {part: _rows(connection, query) for part, query in queries.items()}


def _plain(statement: object) -> object:
    """A table's statement as the set of its definitions: SQLite writes a column that was added behind the constraints."""
    if not isinstance(statement, str) or not statement.startswith("CREATE TABLE"):
        return statement
    head, _, rest = statement.partition("(")
    body, _, tail = rest.rpartition(")")
    definitions, depth, start = [], 0, 0
    for place, sign in enumerate(body + ","):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            definitions.append(body[start:place].strip())
            start = place + 1
    return head, tuple(sorted(definitions)), tail


def _rows(connection: sa.Connection, query: sa.TextClause) -> list[tuple[object, ...]]:
    return [tuple(tuple(v) if isinstance(v, list) else v for v in row) for row in connection.execute(query)]
