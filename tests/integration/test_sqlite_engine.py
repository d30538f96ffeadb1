"""The settings that the promises rest on are there, and our own connections refuse what no unit ever does."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from charter_persist import Store, connect, upgrade
from charter_persist.backends.sql.engine import SQLITE_SETTINGS, prepare_sqlite
from charter_persist.backends.sql.sqlite import COMMITS_PER_CHECKPOINT, SqliteBackend
from charter_persist.errors import StoreBusyError, TimedOutError, UnavailableError
from charter_persist.integrity.verify import verify

HOSTILE = [
    "UPDATE object SET data = x'00'",
    "DELETE FROM object",
    "INSERT OR REPLACE INTO object SELECT * FROM object",
    "UPDATE journal SET revision = 9",
    "DELETE FROM journal",
    "DELETE FROM journal_tile",
    "UPDATE audit_event SET actor = 'eve'",
    "DELETE FROM audit_event",
    "UPDATE ref_log SET version = 9",
    "DELETE FROM session_log",
    "DELETE FROM metadata_log",
    "UPDATE metadata_log SET value = x'00'",
    "UPDATE store_identity SET store_id = 'other'",
    "DROP TABLE object",
    "DROP TRIGGER guard_object_update",
    "ALTER TABLE object ADD COLUMN x TEXT",
    "ATTACH 'other.db' AS other",
    "PRAGMA writable_schema = ON",
    "PRAGMA recursive_triggers = OFF",
    "PRAGMA synchronous = OFF",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA ignore_check_constraints = ON",
    "PRAGMA trusted_schema = ON",
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "charter.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with connect(f"sqlite:///{path}") as store:
        with store.begin() as uow:
            digest = uow.objects.put("doc", {"n": 1})
            uow.refs.set("label", digest, expected=0)
            uow.metadata.set("key", 1)
            uow.audit.append("PUT", scope="GLOBAL", subject=("doc", digest))
            uow.sessions.create(area_id="x", problem_statement="why")
        yield store


@pytest.mark.parametrize("name", SQLITE_SETTINGS)
def test_every_setting_is_read_back(path: Path, name: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    prepare_sqlite(connection, read_only=False)
    assert connection.execute(f"PRAGMA {name}").fetchone()[0] == SQLITE_SETTINGS[name][1]
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    connection.close()


def test_a_file_system_without_the_log_is_refused() -> None:
    connection = sqlite3.connect(
        ":memory:", isolation_level=None
    )  # has no write-ahead log, as a network share has none
    with pytest.raises(UnavailableError, match="write-ahead log"):
        prepare_sqlite(connection, read_only=False)
    connection.close()


@pytest.mark.spec("P20")
@pytest.mark.parametrize("statement", HOSTILE)
def test_our_own_connection_refuses_to_change_what_was_recorded(store: Store, path: Path, statement: str) -> None:
    before = verify(store, store_id=store.store_id)
    with store.begin():
        connection = store._backend.writing_link().connection  # type: ignore[attr-defined]
        with pytest.raises(sqlite3.DatabaseError, match=r"not authorized|append-only|prohibited"):
            connection.execute(statement)
    assert verify(store, store_id=store.store_id) == before


def test_a_reading_connection_cannot_write(store: Store) -> None:
    with store.read() as view:
        link = view.rows._link  # type: ignore[attr-defined]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            link.connection.execute("INSERT INTO ref VALUES ('x', zeroblob(32), 1, 1, 1)")


def test_the_log_is_moved_into_the_file_from_time_to_time(store: Store, path: Path) -> None:
    wal = Path(f"{path}-wal")
    sizes = []
    for n in range(5 * COMMITS_PER_CHECKPOINT):
        store.run(lambda uow, n=n: uow.metadata.set("counter", n))  # type: ignore[misc]
        sizes.append(wal.stat().st_size)
    early = max(sizes[: 2 * COMMITS_PER_CHECKPOINT])
    assert max(sizes) <= early * 1.2  # without checkpoints it would be more than twice as large
    assert verify(store, store_id=store.store_id).findings == ()


def test_a_long_reader_does_not_stop_writers(store: Store) -> None:
    with store.read() as view:
        for n in range(2 * COMMITS_PER_CHECKPOINT + 5):
            store.run(lambda uow, n=n: uow.metadata.set("counter", n))  # type: ignore[misc]
        assert view.metadata.get("counter") is None
    with store.read() as view:
        assert view.metadata.get("counter") == 2 * COMMITS_PER_CHECKPOINT + 4


def test_a_foreign_writer_makes_the_store_busy_and_no_longer(store: Store, path: Path) -> None:
    with connect(f"sqlite:///{path}", unit_timeout_s=0.2) as impatient:
        foreign = sqlite3.connect(path, isolation_level=None)
        foreign.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusyError), impatient.begin():
            pass
        foreign.execute("ROLLBACK")
        foreign.close()
        with impatient.begin() as uow:
            uow.metadata.set("key", 2)


def test_a_thread_waits_for_its_turn_and_not_longer_than_its_limit(path: Path) -> None:
    with connect(f"sqlite:///{path}", unit_timeout_s=0.3) as store:
        outcome: list[BaseException] = []

        def wait() -> None:
            try:
                with store.begin():
                    pass
            except StoreBusyError as exc:
                outcome.append(exc)

        thread = threading.Thread(target=wait)
        with pytest.raises(TimedOutError), store.begin() as uow:
            thread.start()
            thread.join()
            uow.metadata.set("key", 1)  # this unit held the lock for longer than its own limit
        assert len(outcome) == 1
        with store.read() as view:
            assert view.metadata.get("key") is None


def test_a_private_store_leaves_no_file_behind() -> None:
    store = connect("sqlite://")
    backend = store._backend
    assert isinstance(backend, SqliteBackend)
    assert backend.path.exists()
    store.close()
    assert not backend.path.parent.exists()


def test_diagnosis_names_a_guard_that_is_missing(store: Store, path: Path) -> None:
    assert store.diagnose().problems == ()
    foreign = sqlite3.connect(path, isolation_level=None)
    name = foreign.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'journal'").fetchone()[
        0
    ]
    foreign.execute(f'DROP TRIGGER "{name}"')
    foreign.close()
    (problem,) = store.diagnose().problems
    assert name in problem
