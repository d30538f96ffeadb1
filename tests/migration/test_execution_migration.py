"""The migrations to guards with arguments and to execution stores: what stood before stands, and is guarded as before."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from charter_persist import connect
from charter_persist.backends.sql.guards import missing_guards
from charter_persist.backends.sql.migrate import upgrade
from charter_persist.backends.sql.schema import SCHEMA_HEAD
from charter_persist.errors import MigrationRequiredError
from charter_persist.model.event import ExecutionResumed
from tests.migration.database import Database


@pytest.mark.spec("P42", "ENA-2")
@pytest.mark.parametrize("first", ["0001", "0002", "0003"])
def test_an_old_store_takes_events_after_the_upgrade(database: Database, first: str) -> None:
    upgrade(database.url, revision=first)
    log = database.table("metadata_log")
    columns = "(position, key, value, version, revision)"
    for position, value in ((1, "'old'"), (2, "'new'")):
        text = value if database.schema is None else f"{value}::bytea"
        blob = f"CAST({text} AS BLOB)" if database.schema is None else text
        database.execute(f"INSERT INTO {log} {columns} VALUES ({position}, 'k', {blob}, {position}, {position})")
    with pytest.raises(MigrationRequiredError):
        connect(database.url)
    upgrade(database.url)
    assert database.revision() == SCHEMA_HEAD
    with database.connect() as connection:
        assert missing_guards(connection, schema=database.schema) == []
    # The guard of a log that may be compacted lets the same pass as before, and nothing else.
    with pytest.raises(sa.exc.DBAPIError, match="append-only: metadata_log"):
        database.execute(f"DELETE FROM {log} WHERE position = 2")
    with pytest.raises(sa.exc.DBAPIError, match="append-only: metadata_log"):
        database.execute(f"UPDATE {log} SET value = NULL")
    database.execute(f"DELETE FROM {log} WHERE position = 1")
    with database.connect() as connection:
        assert connection.scalar(sa.text(f"SELECT count(*) FROM {log}")) == 1
    with connect(database.url) as store:
        with store.begin() as uow:
            assert uow.events.append("e", ExecutionResumed(), tenant_id="t") == 1
        with store.begin() as uow:
            assert uow.events.erase("e") == 1
