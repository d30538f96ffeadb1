"""The Postgres backend: the lock of the head row is the writer lock, so commit order is position order.

Cost of one durable unit with one object, five statements in three round trips: lock and read the head (with BEGIN);
look the object up; insert object, insert entry, update the head (with COMMIT). A relation with many
new rows goes through COPY. The head is never released before the flush, so a visible position is durable.

Source: DESIGN 5, RELIABILITY 1.5, 4.2.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGresult

from charter_persist.backends.contract import Changes, Head, HeadRow, Key, Relation
from charter_persist.backends.sql.backend import Facts, SqlBackend, SqlSnapshot, SqlTransaction
from charter_persist.backends.sql.engine import Target, postgres_engine, session_name
from charter_persist.backends.sql.faults import commit_fault, connect_fault, postgres_fault
from charter_persist.backends.sql.joined import JoinedTransaction
from charter_persist.backends.sql.lookout import hear_notifications, start_thread
from charter_persist.backends.sql.nearest import Distances
from charter_persist.backends.sql.nearest_postgres import find_distances
from charter_persist.backends.sql.opening import read_store_id
from charter_persist.backends.sql.reader import SqlReader
from charter_persist.backends.sql.roundtrip import RoundTrip, Statement
from charter_persist.backends.sql.statements import Statements
from charter_persist.backends.sql.tables import JournalHead
from charter_persist.backends.sql.writes import Writes, erasing, sort_out
from charter_persist.errors import (
    CharterError,
    ConnectionLostError,
    InvalidInputError,
    StoreClosedError,
    UnavailableError,
)

# From so many rows on COPY is faster than the statement for each row.
COPY_ROWS_MIN: Final = 32
CANCEL_TIMEOUT_S: Final = 5.0
LOGGER: Final = logging.getLogger(__name__)
_BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"
HEAD_COLUMNS: Final[dict[str, Any]] = {
    "position": sa.BigInteger(),
    "revision": sa.BigInteger(),
    "root": sa.LargeBinary(),
}
_NARROW: Final = "SELECT set_config('lock_timeout', $1, true)"


class PostgresLink:
    """`reader.Link` over a psycopg connection; rows come back in binary form."""

    def __init__(self, connection: psycopg.Connection[Any], *, prepared: bool) -> None:
        self.connection = connection
        self.round_trip = RoundTrip(connection, prepared=prepared)

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The first row, or None."""
        return self.row_of([(sql, parameters)])

    def last(self, sql: str) -> None:
        """Run the statement that ends a view or a unit."""
        self.one(sql)

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows."""
        with _FAULTS, self.connection.lock:
            return self.round_trip.rows(self.round_trip.run([(sql, parameters)])[-1])

    def together(self, statements: Sequence[Statement]) -> PGresult:
        """Run statements in one round trip; the result of the last one."""
        with _FAULTS, self.connection.lock:
            return self.round_trip.run(statements)[-1]

    def row_of(self, statements: Sequence[Statement]) -> Any:
        """Run statements in one round trip; the first row of the last one, or None."""
        with _FAULTS, self.connection.lock:
            return self.round_trip.first_row(self.round_trip.run(statements)[-1])

    def copy(self, sql: str, types: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Load rows through COPY in binary form."""
        with _FAULTS, self.connection.cursor().copy(sql) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)


class _Faults:
    """Turns errors of psycopg into ours; cheaper on a hot path than a generator."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, psycopg.Error):
            raise postgres_fault(error) from error


_FAULTS: Final = _Faults()


class PostgresReader(SqlReader):
    """Reads over psycopg; many keys are one statement."""

    def _rows_of(self, relation: Relation[Any], keys: list[Key]) -> list[Any]:
        """Rows by keys, in one round trip for any number of keys."""
        columns = [list(values) for values in zip(*keys, strict=True)]
        return self._link.all(self._statements.get_any(relation), columns) if keys else []


class PostgresSnapshot(PostgresReader, SqlSnapshot):
    """A REPEATABLE READ, READ ONLY transaction; reading the head takes its snapshot at once."""

    _backend: PostgresBackend

    def _begin(self) -> None:
        self._link.together(self._backend.begin_read)

    def head(self) -> HeadRow:
        """The head row; one that is not there says that the journal ends nowhere."""
        row = self._link.one(self._backend.read_head)
        return HeadRow(-1, -1, b"") if row is None else HeadRow(*row)


class PostgresTransaction(PostgresReader, SqlTransaction):
    """A write transaction that holds the lock of the head row."""

    _backend: PostgresBackend

    def __init__(
        self,
        backend: PostgresBackend,
        link: PostgresLink,
        begin: Sequence[Statement],
        *,
        joined: JoinedTransaction | None = None,
    ) -> None:
        super().__init__(backend, link, joined=joined)
        self._writer = link
        _, self.position, self.revision = link.row_of(begin)

    def apply(self, changes: Changes) -> None:
        """COPY for many new rows, else one statement a row, all in one round trip."""
        self._check_open()
        statements: list[Statement] = []
        for relation, rows in changes.items():
            writes = sort_out(relation, rows)
            if not relation.mutable and len(writes.written) >= COPY_ROWS_MIN:
                self._writer.copy(self._statements.copy(relation), self._backend.types(relation), writes.written)
                writes = writes._replace(written=[])
            statements += self._writes(relation, writes)
        self._run(statements)

    def _writes(self, relation: Relation[Any], writes: Writes) -> Iterator[Statement]:
        write = self._statements.upsert(relation) if relation.mutable else self._statements.insert(relation)
        for row in writes.written:
            yield write, row
        for here, elsewhere in erasing(relation, writes.erased):
            yield self._statements.erase(relation), here
            yield self._statements.insert_absent(relation), elsewhere
        for key in writes.deleted:
            yield self._statements.delete(relation), key

    def _run(self, statements: Sequence[Statement]) -> None:
        if statements:
            self._writer.together(statements)

    def commit(self, changes: Changes, head: Head | None) -> None:
        """Apply, move the head and commit, in one round trip where the changes are few."""
        self._check_open()
        moves: list[Statement] = (
            []
            if head is None
            else [(self._backend.move_head, (head.size, head.revision, head.root)), self._backend.notify]
        )
        if self._joined is not None:
            self.apply(changes)
            self._run(moves)
            self._end()
            return
        small = sum(map(len, changes.values())) < COPY_ROWS_MIN
        writes = (
            [write for relation, rows in changes.items() for write in self._writes(relation, sort_out(relation, rows))]
            if small
            else []
        )
        if not small:
            self.apply(changes)
        self._commit([*writes, *moves])

    def _commit(self, statements: Sequence[Statement]) -> None:
        link = self._writer
        try:
            with link.connection.lock:
                done = link.round_trip.run([*statements, ("COMMIT", ())])[-1]
        except psycopg.Error as exc:
            self._give_up()
            raise commit_fault(exc) from exc
        if done.command_status != b"COMMIT":
            self._give_up()
            raise ConnectionLostError("the server rolled the unit back instead of committing it")
        self._backend.wakeup.ring()
        self._end()

    def _give_up(self) -> None:
        """End with a connection that nobody knows the state of."""
        self._backend.discard_writer()
        self._end()


class PostgresBackend(SqlBackend[PostgresTransaction]):
    """A ledger backend on one schema of a Postgres database.

    Args:
        target: the database and its schema, which must be at head.
        read_only: refuse writes.
        timeout_s: for connecting, for a statement, and for a transaction that idles.
    """

    name = "postgresql"
    requires_network = True
    errors = (sa.exc.SQLAlchemyError, psycopg.Error)
    _fault = staticmethod(postgres_fault)

    def __init__(self, target: Target, *, read_only: bool = False, timeout_s: float = 30.0) -> None:
        self._pooler = target.pooler
        self._timeout_ms = int(timeout_s * 1000)
        engine = postgres_engine(target, timeout_s=timeout_s)
        dialect: Any = type(engine.dialect)
        # libpq takes $1, $2 and so on, as the server does.
        statements = Statements(dialect(paramstyle="numeric_dollar"), target.schema)
        super().__init__(engine, statements, schema=target.schema, read_only=read_only)
        lock = sa.select(
            sa.func.set_config("synchronous_commit", "on", True), JournalHead.position, JournalHead.revision
        ).with_for_update(key_share=True, of=JournalHead)
        self._lock_head: Statement = (statements.text(lock, literal=True), ())
        self.begin_read: list[Statement] = [
            ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", ()),
            (statements.text(sa.select(JournalHead.position), literal=True), ()),
        ]
        head = JournalHead.__table__.c
        columns = [sa.type_coerce(head[name], kind) for name, kind in HEAD_COLUMNS.items()]
        self.read_head = statements.text(sa.select(*columns).where(head.id == 1), literal=True)
        slots: dict[str, Any] = {name: sa.bindparam(None, type_=kind) for name, kind in HEAD_COLUMNS.items()}
        self.move_head = statements.text(sa.update(JournalHead).values(slots))
        self._channel = session_name(str(target.schema))
        self.notify: Statement = ("SELECT pg_notify($1, '')", (self._channel,))
        self._types: dict[Relation[Any], list[str]] = {}

    def _check(self, connection: sa.Connection) -> str:
        _check_durability(connection)
        return super()._check(connection)

    def _connect_fault(self, error: Exception) -> CharterError:
        return connect_fault(error)

    def types(self, relation: Relation[Any]) -> list[str]:
        """The column types of a relation, for COPY."""
        if relation not in self._types:
            self._types[relation] = self.statements.column_types(relation)
        return self._types[relation]

    def snapshot(self) -> PostgresSnapshot:
        """A view of the last committed state; where the pool's connections died, it is renewed once."""
        try:
            return self._snapshot()
        except ConnectionLostError:
            self._engine.dispose()
            return self._snapshot()

    def _snapshot(self) -> PostgresSnapshot:
        pooled = self._pooled()
        return PostgresSnapshot(self, pooled, self._link(pooled))

    def _begin(self, deadline: float) -> PostgresTransaction:
        """Begin on the writing connection; where it died while it idled, the pool is renewed: nothing was sent yet."""
        left_ms = max(1, int((deadline - time.monotonic()) * 1000))
        # The session's own lock_timeout is the whole limit; it is narrowed only after waiting here for long.
        narrow = self._pooler or left_ms < self._timeout_ms // 2
        narrowed = [(_NARROW, (str(left_ms),))] if narrow else []
        begin = [(_BEGIN, ()), *narrowed, self._lock_head]
        try:
            return PostgresTransaction(self, self._writing_link(), begin)
        except ConnectionLostError:
            self.discard_writer()
            self._engine.dispose()
            return PostgresTransaction(self, self._writing_link(), begin)

    def _writing_link(self) -> PostgresLink:
        if self._writer is None:
            self._writer = self._pooled()
        return self._link(self._writer)

    def _link(self, pooled: sa.PoolProxiedConnection) -> PostgresLink:
        """The link of a connection; it lives as long as the connection, with what was prepared on it."""
        driver = _driver(pooled)
        link: PostgresLink | None = pooled.info.get("charter_link")
        if link is None or link.connection is not driver:
            link = pooled.info["charter_link"] = PostgresLink(driver, prepared=not self._pooler)
        return link

    def _find_distances(self, connection: sa.Connection) -> Distances | None:
        return find_distances(connection, str(self._schema), self.statements)

    def _check_connection(self, connection: Any) -> None:
        if not isinstance(connection, sa.Connection) or connection.dialect.driver != "psycopg":
            raise InvalidInputError("connection must be a sqlalchemy Connection of psycopg to this store's database")
        if not connection.in_transaction():
            connection.begin()
        try:
            identity = read_store_id(connection, schema=self._schema)
        except sa.exc.DBAPIError as exc:
            raise postgres_fault(exc) from exc
        if identity != self.store_id():
            raise InvalidInputError("the connection leads to another store")

    def _join(self, connection: sa.Connection, deadline: float) -> PostgresTransaction:
        driver = _driver(connection.connection)
        joined = JoinedTransaction(connection, partial(_in_transaction, driver))
        link = PostgresLink(driver, prepared=False)
        return PostgresTransaction(self, link, [("SAVEPOINT joined", ()), self._lock_head], joined=joined)

    def interrupt(self) -> None:
        """Ask the server to cancel what runs on the writing connection; returns when the server has been told."""
        writer = self._writer
        driver = None if writer is None else writer.driver_connection
        if isinstance(driver, psycopg.Connection):
            try:
                driver.cancel_safe(timeout=CANCEL_TIMEOUT_S)
            except psycopg.Error as exc:
                # The statement ends by itself then, at the latest at its time limit.
                LOGGER.warning("a statement could not be cancelled: %s", exc)

    def _look_out(self) -> Callable[[], None]:
        if self._pooler:
            return lambda: None  # LISTEN needs a connection of its own; readers look for themselves, once a second
        listen = partial(hear_notifications, self._pooled, self._channel, self.wakeup.ring)
        return start_thread("charter-postgres-lookout", listen)

    def _scrub(self, deadline: float) -> None:
        """No file is in our hands: the rows are gone, and when their space is overwritten, VACUUM of the server says."""

    def _facts(self, connection: sa.Connection) -> Facts:
        owner = connection.exec_driver_sql(
            "SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = %s", (self._schema,)
        ).scalar()
        return {
            "server_version": str(connection.exec_driver_sql("SHOW server_version").scalar()),
            "data_checksums": connection.exec_driver_sql("SHOW data_checksums").scalar() == "on",
            "runs_as_owner": bool(owner),
            "schema": str(self._schema),
        }


def _driver(pooled: Any) -> psycopg.Connection[Any]:
    """The psycopg connection behind one of the pool."""
    driver = pooled.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise StoreClosedError
    return driver


def _in_transaction(driver: psycopg.Connection[Any]) -> bool:
    """Whether a connection is in a transaction, be it one that failed."""
    return driver.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)


def _check_durability(connection: sa.Connection) -> None:
    """Refuse a server whose settings are weaker than what the package promises (RELIABILITY P6)."""
    if connection.exec_driver_sql("SHOW fsync").scalar() != "on":
        raise UnavailableError("the server runs with fsync=off, so a commit is not durable; set fsync=on")
