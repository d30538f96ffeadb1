"""A unit that joined the caller's transaction is refused when that has ended, and an unusable connection is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa

from charter_persist import Store, connect
from charter_persist.errors import BackendError, CharterError, InvalidInputError
from charter_persist.integrity.verify import verify

ENDS: dict[str, Callable[[sa.Connection], object]] = {
    "commit": lambda connection: connection.commit(),
    "rollback": lambda connection: connection.rollback(),
    "close": lambda connection: connection.close(),
    "invalidate": lambda connection: connection.invalidate(),
    "another": lambda connection: (connection.commit(), connection.begin(), connection.execute(sa.text("SELECT 1"))),
    "driver": lambda connection: driver_of(connection).rollback(),
}


def driver_of(connection: sa.Connection) -> Any:
    return connection.connection.driver_connection


@pytest.fixture
def store(ledger_url: str) -> Iterator[Store]:
    with connect(ledger_url) as store:
        yield store


@pytest.fixture
def engine(ledger_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(ledger_url)
    yield engine
    engine.dispose()


def check_empty_and_free(store: Store) -> None:
    with store.read() as view:
        assert view.journal.size() == 0
        assert list(view.kv.iter("/")) == []
    with store.begin() as uow:
        uow.kv.set("/after", b"1")
    found = verify(store, store_id=store.store_id)
    assert (found.size, found.findings) == (1, ())


@pytest.mark.parametrize("end", ENDS)
def test_a_unit_whose_transaction_was_ended_writes_nothing(store: Store, engine: sa.Engine, end: str) -> None:
    with (
        engine.connect() as connection,
        pytest.raises(InvalidInputError, match="left the transaction"),
        store.begin(connection=connection) as uow,
    ):
        uow.kv.set("/a", b"1")
        ENDS[end](connection)
    check_empty_and_free(store)


def test_what_was_flushed_before_goes_with_the_transaction(store: Store, engine: sa.Engine) -> None:
    with (
        engine.connect() as connection,
        pytest.raises(InvalidInputError),
        store.begin(connection=connection) as uow,
    ):
        uow.kv.set("/a", b"1")
        uow.flush()
        connection.rollback()
        uow.kv.set("/b", b"1")
        uow.flush()
    check_empty_and_free(store)


def test_an_error_of_the_block_is_not_hidden_and_disturbs_no_later_transaction(store: Store, engine: sa.Engine) -> None:
    connection = engine.connect()
    with ExitStack() as later:
        with pytest.raises(ZeroDivisionError), store.begin(connection=connection) as uow:
            uow.kv.set("/a", b"1")
            connection.close()
            other = later.enter_context(engine.connect())  # the pool hands the same one out again
            other.execute(sa.text("SELECT 1"))
            raise ZeroDivisionError
        other.execute(sa.text("SELECT 1"))
    check_empty_and_free(store)


def test_a_unit_is_not_written_into_a_savepoint_that_may_be_undone(store: Store, engine: sa.Engine) -> None:
    with engine.connect() as connection:
        with pytest.raises(InvalidInputError), store.begin(connection=connection) as uow:
            uow.kv.set("/a", b"1")
            connection.begin_nested()
        connection.rollback()
    check_empty_and_free(store)


def test_a_savepoint_that_ends_inside_the_block_is_the_callers_own(store: Store, engine: sa.Engine) -> None:
    with engine.connect() as connection:
        with store.begin(connection=connection) as uow:
            uow.kv.set("/a", b"1")
            connection.begin_nested().rollback()
        connection.commit()
    with store.read() as view:
        assert view.kv.get("/a") is not None


def test_a_closed_connection_is_refused(store: Store, engine: sa.Engine) -> None:
    connection = engine.connect()
    connection.close()
    with pytest.raises(InvalidInputError, match="closed"), store.begin(connection=connection):
        pytest.fail("joined a connection that is closed")
    check_empty_and_free(store)


def test_a_connection_whose_driver_is_closed_is_refused(store: Store, engine: sa.Engine) -> None:
    with engine.connect() as connection:
        driver_of(connection).close()
        with pytest.raises((InvalidInputError, BackendError)) as caught, store.begin(connection=connection):
            pytest.fail("joined a connection that is closed")
        assert isinstance(caught.value, CharterError)
        connection.invalidate()
    check_empty_and_free(store)
