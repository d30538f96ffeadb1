"""A unit that joins a SQLAlchemy transaction commits and rolls back with the caller's own rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from charter_persist import Store, connect, upgrade
from charter_persist.errors import InvalidInputError, NotSupportedError
from charter_persist.integrity.verify import Level, verify

MINE = sa.table("mine", sa.column("note", sa.Text))


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'charter.db'}"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    upgrade(database)
    with connect(database) as store:
        yield store


@pytest.fixture
def engine(database: str, store: Store) -> Iterator[sa.Engine]:
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE mine (note TEXT)"))
    yield engine
    engine.dispose()


def notes(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return len(connection.execute(sa.select(MINE)).all())


def test_both_rows_commit_together(store: Store, engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.execute(sa.insert(MINE).values(note="with it"))
        with store.begin(connection=connection) as uow:
            digest = uow.objects.put("doc", {"n": 1})
            receipt = uow.flush()
        connection.commit()
    assert receipt is not None
    assert uow.receipt == receipt
    with store.read() as view:
        assert view.objects.exists(digest)
        assert view.journal.root() == receipt.root
    assert notes(engine) == 1


@pytest.mark.parametrize("own_row_first", [True, False])
def test_both_rows_roll_back_together(store: Store, engine: sa.Engine, own_row_first: bool) -> None:
    with engine.connect() as connection:
        if own_row_first:
            connection.execute(sa.insert(MINE).values(note="gone"))
        with store.begin(connection=connection) as uow:
            uow.objects.put("doc", {"n": 1})
        connection.rollback()
    with store.begin() as after:
        after.objects.put("doc", {"n": 2})
    # A tree that had kept the entry of the unit that was rolled back would give another root here.
    assert after.receipt is not None
    assert after.receipt.size == 1
    assert verify(store, store_id=store.store_id).root == after.receipt.root
    assert notes(engine) == 0


def test_a_unit_that_raises_leaves_the_callers_transaction_usable(store: Store, engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.execute(sa.insert(MINE).values(note="kept"))
        with pytest.raises(ZeroDivisionError), store.begin(connection=connection) as uow:
            uow.objects.put_many(("doc", {"n": n}) for n in range(5_000))
            raise ZeroDivisionError
        connection.commit()
    assert notes(engine) == 1
    with store.read() as view:
        assert view.journal.size() == 0


def test_several_units_of_one_transaction_continue_each_other(store: Store, engine: sa.Engine) -> None:
    with engine.connect() as connection:
        receipts = []
        for n in range(3):
            with store.begin(connection=connection) as uow:
                uow.objects.put("doc", {"n": n})
            receipts.append(uow.receipt)
        connection.commit()
    assert [receipt.revision for receipt in receipts if receipt] == [1, 2, 3]
    assert verify(store, store_id=store.store_id).level is Level.CHAIN


def test_a_connection_to_another_store_is_refused(store: Store, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    upgrade(other)
    engine = sa.create_engine(other)
    with engine.connect() as connection, pytest.raises(InvalidInputError), store.begin(connection=connection):
        pass
    with store.begin() as uow:  # and the writer lock is free again
        uow.objects.put("doc", {"n": 1})
    engine.dispose()


def test_something_that_is_no_connection_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInputError), store.begin(connection=object()):
        pass


def test_memory_has_nothing_to_join(engine: sa.Engine) -> None:
    with (
        connect("memory://") as store,
        engine.connect() as connection,
        pytest.raises(NotSupportedError, match="memory"),
        store.begin(connection=connection),
    ):
        pass


@pytest.mark.parametrize("units", [1, 2, 3])
def test_units_of_a_transaction_that_is_rolled_back_leave_no_trace_in_the_journal(
    store: Store, engine: sa.Engine, database: str, units: int
) -> None:
    """Their entries are not taken for those which another handle wrote since, though they are as many."""
    with store.begin() as uow:
        uow.objects.put("doc", "first")
    with engine.connect() as connection:
        for n in range(units):
            with store.begin(connection=connection) as uow:
                uow.objects.put("doc", f"never {n}")
        connection.rollback()
    with connect(database) as other:
        for n in range(units - 1):
            with other.begin() as uow:
                uow.objects.put("doc", f"other {n}")
    with store.begin() as uow:
        uow.objects.put("doc", "last")
    receipt = uow.receipt
    assert receipt is not None
    with store.read() as view:
        assert receipt.root == view.journal.root(receipt.size)
    assert verify(store, store_id=store.store_id).findings == ()
