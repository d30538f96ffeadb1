"""The SQL of every relation, made by SQLAlchemy from the mapped classes, compiled once and kept as text.

Statements are then run on the driver's own cursor with positional parameters: no ORM object and no compilation ever
appears on a hot path, and no SQL is put together from strings. Source: DESIGN 5.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from charter_persist.backends.contract import Relation
from charter_persist.backends.sql.tables import Base
from charter_persist.backends.sql.tables.base import INT64

KEYS_PER_STATEMENT: Final = 250


class ScanShape(NamedTuple):
    """What the text of a scan depends on; the values are bound later."""

    order: tuple[str, ...]
    prefix: int
    after: bool
    start: bool
    stop: bool
    reverse: bool


class Statements:
    """SQL text by relation for one dialect and schema. Parameters are positional, in the order documented here."""

    def __init__(self, dialect: sa.Dialect, schema: str | None) -> None:
        self._dialect = dialect
        self._translation = {None: schema} if schema else None
        self.get: Callable[[Relation[Any]], str] = cache(self._get)
        self.get_any: Callable[[Relation[Any]], str] = cache(self._get_any)
        self.get_some: Callable[[Relation[Any]], str] = cache(self._get_some)
        self.scan: Callable[[Relation[Any], ScanShape], str] = cache(self._scan)
        self.insert: Callable[[Relation[Any]], str] = cache(self._insert)
        self.upsert: Callable[[Relation[Any]], str] = cache(self._upsert)
        self.erase: Callable[[Relation[Any]], str] = cache(self._erase)
        self.insert_absent: Callable[[Relation[Any]], str] = cache(self._insert_absent)
        self.delete: Callable[[Relation[Any]], str] = cache(self._delete)
        self.copy: Callable[[Relation[Any]], str] = cache(self._copy)

    def text(self, statement: Any, *, literal: bool = False) -> str:
        """Compile any statement to the text the driver takes; ``literal`` writes its values into it."""
        compiled = statement.compile(
            dialect=self._dialect,
            schema_translate_map=self._translation,
            compile_kwargs={"literal_binds": True} if literal else {"render_postcompile": True},
            render_schema_translate=self._translation is not None,
        )
        return str(compiled)

    def _get(self, relation: Relation[Any]) -> str:
        """Parameters: the key."""
        table, columns = _table(relation)
        return self.text(sa.select(*columns).where(*_is_key(table, relation)))

    def _get_any(self, relation: Relation[Any]) -> str:
        """Parameters: for each column of the key an array of its values. Postgres only."""
        table, columns = _table(relation)
        key = [table.c[name] for name in relation.key]
        slots: list[Any] = [sa.bindparam(None, type_=postgresql.ARRAY(_raw(column))) for column in key]
        if len(key) == 1:
            return self.text(sa.select(*columns).where(key[0] == sa.any_(slots[0])))
        wanted = sa.func.unnest(*slots).table_valued(*relation.key, name="wanted").render_derived()
        matches = [column == wanted.c[column.name] for column in key]
        return self.text(sa.select(*columns).join_from(wanted, table, sa.and_(*matches)))

    def _get_some(self, relation: Relation[Any]) -> str:
        """Parameters: `KEYS_PER_STATEMENT` keys; where there are fewer, the last one again."""
        table, columns = _table(relation)
        key = [table.c[name] for name in relation.key]
        slots = [tuple(_slot(column) for column in key) for _ in range(KEYS_PER_STATEMENT)]
        if len(key) == 1:
            return self.text(sa.select(*columns).where(key[0].in_([slot for (slot,) in slots])))
        # SQLite looks up several columns in their index where they come from a query, and not where they are a list.
        wanted: sa.Select[Any] = sa.select(sa.literal_column("*")).select_from(
            sa.values(*map(sa.column, relation.key)).data(slots)
        )
        return self.text(sa.select(*columns).where(sa.tuple_(*key).in_(wanted)))

    def _scan(self, relation: Relation[Any], shape: ScanShape) -> str:
        """Parameters: prefix, then after, start and stop where given, then the limit."""
        table, columns = _table(relation)
        order = [table.c[name] for name in shape.order]
        rest = order[shape.prefix :]
        where = [column == _slot(column) for column in order[: shape.prefix]]
        if shape.after:
            where.append(_compare(operator.lt if shape.reverse else operator.gt, rest))
        if shape.start:
            where.append(_compare(operator.ge, rest))
        if shape.stop:
            where.append(_compare(operator.lt, rest))
        by = [column.desc() if shape.reverse else column.asc() for column in rest]
        limit = sa.bindparam(None, type_=INT64)
        query = sa.select(*columns).where(*where).order_by(*by).limit(limit).offset(sa.literal_column("0"))
        return self.text(query)

    def _insert(self, relation: Relation[Any]) -> str:
        """Parameters: the row."""
        table, columns = _table(relation)
        return self.text(sa.insert(table).values({c: _slot(c) for c in columns}))

    def _upsert(self, relation: Relation[Any]) -> str:
        """Parameters: the row."""
        table, columns = _table(relation)
        dialect = sqlite if self._dialect.name == "sqlite" else postgresql
        insert = dialect.insert(table).values({c: _slot(c) for c in columns})
        rest = {c.name: insert.excluded[c.name] for c in columns if c.name not in relation.key}
        if not rest:  # a row that is its key
            return self.text(insert.on_conflict_do_nothing(index_elements=list(relation.key)))
        return self.text(insert.on_conflict_do_update(index_elements=list(relation.key), set_=rest))

    def _erase(self, relation: Relation[Any]) -> str:
        """Parameters: the empty nonce, then the key."""
        table, _ = _table(relation)
        emptied = {str(relation.payload): sa.null(), "nonce": _slot(table.c.nonce)}
        return self.text(sa.update(table).where(*_is_key(table, relation)).values(emptied))

    def _insert_absent(self, relation: Relation[Any]) -> str:
        """Parameters: the row, then its key again; nothing is written where a row has it."""
        table, columns = _table(relation)
        absent = ~sa.exists(sa.select(sa.literal_column("1")).select_from(table).where(*_is_key(table, relation)))
        row = sa.select(*[sa.cast(_slot(c), _raw(c)) for c in columns]).where(absent)
        return self.text(sa.insert(table).from_select(columns, row))

    def _delete(self, relation: Relation[Any]) -> str:
        """Parameters: the key."""
        table, _ = _table(relation)
        return self.text(sa.delete(table).where(*_is_key(table, relation)))

    def _copy(self, relation: Relation[Any]) -> str:
        """COPY of whole rows, Postgres only; names come from the mapped classes and are quoted by the dialect."""
        table, columns = _table(relation)
        quote = self._dialect.identifier_preparer.quote
        schema = (self._translation or {}).get(None)
        name = f"{quote(schema)}.{quote(table.name)}" if schema else quote(table.name)
        return f"COPY {name} ({', '.join(quote(c.name) for c in columns)}) FROM STDIN (FORMAT BINARY)"

    def column_types(self, relation: Relation[Any]) -> list[str]:
        """The database types of a relation's columns, as COPY in binary needs them."""
        _, columns = _table(relation)
        return [_raw(c).compile(dialect=self._dialect).partition(" ")[0].lower() for c in columns]


def _table(relation: Relation[Any]) -> tuple[sa.Table, list[sa.Column[Any]]]:
    """The mapped table of a relation and its columns in the order of the row."""
    table = Base.metadata.tables[relation.name]
    return table, [table.c[name] for name in relation.columns]


def _raw(column: sa.ColumnElement[Any]) -> sa.types.TypeEngine[Any]:
    """The driver-level type: rows carry raw bytes where the mapped class shows hex."""
    kind: sa.types.TypeEngine[Any] = column.type
    return kind.impl_instance if isinstance(kind, sa.TypeDecorator) else kind


def _slot(column: sa.ColumnElement[Any]) -> sa.BindParameter[Any]:
    """A parameter of the column's raw type."""
    return sa.bindparam(None, type_=_raw(column))


def _is_key(table: sa.Table, relation: Relation[Any]) -> list[sa.ColumnElement[bool]]:
    """That the key of a row equals parameters."""
    return [table.c[name] == _slot(table.c[name]) for name in relation.key]


def _compare(compare: Callable[[Any, Any], Any], columns: list[sa.Column[Any]]) -> Any:
    """A plain comparison for one column, which every planner knows, and a row comparison for several."""
    if len(columns) == 1:
        return compare(columns[0], _slot(columns[0]))
    return compare(sa.tuple_(*columns), sa.tuple_(*[_slot(column) for column in columns]))
