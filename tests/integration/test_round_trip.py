"""Several statements in one message: whatever of them fails, preparing included, is an error, and nothing runs on."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import make_url

from charter_persist.backends.sql.roundtrip import RoundTrip


@pytest.fixture
def connection(postgres_database: str) -> Iterator[psycopg.Connection]:
    url = make_url(postgres_database).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        yield connection


@pytest.fixture(params=[True, False], ids=["prepared", "plain"])
def round_trip(connection: psycopg.Connection, request: pytest.FixtureRequest) -> RoundTrip:
    return RoundTrip(connection, prepared=request.param)


@pytest.mark.spec("P3")
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_statement_that_cannot_be_prepared_is_an_error(
    round_trip: RoundTrip, connection: psycopg.Connection, place: int
) -> None:
    statements = [("CREATE TEMP TABLE made (a int)", ()), ("SELECT 1", ())]
    statements.insert(place, ("SELECT a FROM nowhere", ()))
    with pytest.raises(errors.UndefinedTable, match="nowhere"):
        round_trip.run(statements)
    assert round_trip.first_row(round_trip.run([("SELECT to_regclass('made') IS NULL", ())])[-1]) == (True,)


@pytest.mark.spec("P3")
def test_a_statement_that_cannot_be_run_is_an_error(round_trip: RoundTrip) -> None:
    assert round_trip.first_row(round_trip.run([("SELECT 6 / $1::int", (3,))])[-1]) == (2,)
    with pytest.raises(errors.DivisionByZero):
        round_trip.run([("SELECT 6 / $1::int", (0,)), ("SELECT 1", ())])
    assert round_trip.first_row(round_trip.run([("SELECT 6 / $1::int", (2,))])[-1]) == (3,)


@pytest.mark.spec("P3")
def test_a_transaction_that_is_aborted_says_so_at_each_further_statement(
    round_trip: RoundTrip, connection: psycopg.Connection
) -> None:
    round_trip.run([("BEGIN", ())])
    for sql, kind in (("SELECT 1 / 0", errors.DivisionByZero), ("SELECT 1", errors.InFailedSqlTransaction)):
        with pytest.raises(kind):
            round_trip.run([(sql, ())])


def test_what_was_prepared_by_a_run_that_failed_is_prepared_once(connection: psycopg.Connection) -> None:
    """The server keeps it, and a statement that fails again and again must not fill its memory."""
    round_trip = RoundTrip(connection, prepared=True)
    for _ in range(3):
        with pytest.raises(errors.DivisionByZero):
            round_trip.run([("SELECT 1 / $1::int4", (0,)), ("SELECT 1 + $1::int4", (0,))])
    (kept,) = connection.execute("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'charter%'").fetchone()
    assert kept == 1
    assert round_trip.first_row(round_trip.run([("SELECT 1 / $1::int4", (1,))])[-1]) == (1,)
