"""A restore gives back the store of any revision, on either database, and never harms what is there."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from charter_persist import connect, upgrade
from charter_persist.backends.sql.guards import missing_guards
from charter_persist.errors import (
    AlreadyExistsError,
    CharterError,
    CompactedError,
    InvalidInputError,
    NotFoundError,
    NotSupportedError,
    SchemaError,
    StoreBusyError,
    UnavailableError,
)
from charter_persist.integrity.verify import verify
from charter_persist.journal.checkpoint import Checkpoint
from charter_persist.store import Store, restore_target
from charter_persist.transfer.drill import drill
from charter_persist.transfer.manifest import read_chain
from charter_persist.transfer.restore import verify_backup
from tests.backups import UNITS, Dump, back_up, bring_back, dump, new_url, note, record, rows_of

KILLED = """
import os, signal, sys
from charter_persist import connect
store = connect(sys.argv[1])
with store.begin() as uow:
    uow.objects.put("doc", 1)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(params=["sqlite", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a place where nothing is."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'target.db'}"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture
def source(tmp_path: Path) -> str:
    url = new_url(tmp_path)
    record(url)
    return url


@pytest.fixture
def folder(source: str, tmp_path: Path) -> Path:
    """A backup of the source."""
    back_up(source, tmp_path / "b")
    return tmp_path / "b"


@pytest.mark.spec("GOV-12", "P37")
def test_from_sqlite_to_postgres_and_back_nothing_changes(
    source: str, folder: Path, postgres_database: str, tmp_path: Path
) -> None:
    bring_back(folder, postgres_database)
    assert dump(postgres_database) == dump(source)
    back_up(postgres_database, tmp_path / "b2")
    bring_back(tmp_path / "b2", f"sqlite:///{tmp_path / 'again.db'}")
    assert dump(f"sqlite:///{tmp_path / 'again.db'}") == dump(source)
    back_up(f"sqlite:///{tmp_path / 'again.db'}", tmp_path / "b3")
    assert rows_of(folder) == rows_of(tmp_path / "b2") == rows_of(tmp_path / "b3")
    roots = {read_chain(tmp_path / name)[-1].upto for name in ("b", "b2", "b3")}
    assert len(roots) == 1


@pytest.mark.spec("GOV-12")
def test_any_revision_of_a_chain_can_be_restored_as_it_was_then(tmp_path: Path) -> None:
    """Also across compactions: every increment was taken before the next of them."""
    url, folder = new_url(tmp_path), tmp_path / "b"
    then: list[Dump] = []
    for number in range(UNITS):
        record(url, number, number + 1)
        back_up(url, folder, incremental=True)
        then.append(dump(url))
    for revision in range(1, UNITS + 1):
        at = f"sqlite:///{tmp_path / f'r{revision}.db'}"
        restored = bring_back(folder, at, revision=revision)
        assert restored.state.revision == revision
        assert dump(at) == then[revision - 1]


def test_any_revision_inside_a_segment_can_be_restored_where_nothing_was_compacted(tmp_path: Path, target: str) -> None:
    url, folder = new_url(tmp_path), tmp_path / "b"
    roots = []
    with connect(url) as store:
        for number in range(12):
            note(store, str(number))
            with store.read() as view:
                roots.append(view.journal.root())
            if number in (3, 9):
                back_up(url, folder, incremental=True)
    back_up(url, folder, incremental=True)
    for revision in range(1, 13):
        restored = bring_back(folder, target, revision=revision, replace=True)
        assert (restored.state.revision, restored.state.root) == (revision, roots[revision - 1])
        with connect(target) as store:
            report = verify(store, store_id=store.store_id)
            assert (report.root, report.findings) == (roots[revision - 1], ())
    assert bring_back(folder, target, revision=0, replace=True).state.size == 0


@pytest.mark.spec("STO-3.4")
def test_a_revision_below_a_compaction_is_refused_with_the_oldest_there_is(
    source: str, folder: Path, tmp_path: Path
) -> None:
    oldest: dict[int, int] = {}
    for revision in range(1, UNITS + 1):
        try:
            bring_back(folder, f"sqlite:///{tmp_path / f'r{revision}.db'}", revision=revision)
        except CompactedError as exc:
            oldest[revision] = exc.oldest
    assert {path.name for path in tmp_path.glob("r*.db")} == {
        f"r{n}.db" for n in range(1, UNITS + 1) if n not in oldest
    }
    for revision in oldest.values():
        assert revision not in oldest
    assert all(revision < offered for revision, offered in oldest.items())
    assert oldest
    assert UNITS not in oldest


def test_a_compaction_that_dropped_nothing_of_it_refuses_no_revision(tmp_path: Path) -> None:
    url, folder = new_url(tmp_path), tmp_path / "b"
    with connect(url) as store:
        for number in (1, 2):
            with store.begin() as uow:
                uow.metadata.set("key", number)
        back_up(url, folder)
        note(store, "between")
        with store.begin() as uow:
            assert uow.metadata.compact() == 1
    back_up(url, folder, incremental=True)
    for revision in range(1, 5):
        assert (
            bring_back(folder, f"sqlite:///{tmp_path / f'r{revision}.db'}", revision=revision).state.revision
            == revision
        )
    assert dump(f"sqlite:///{tmp_path / 'r4.db'}") == dump(url)


@pytest.mark.parametrize("revision", [-1, True, "1", 1.0])
def test_what_is_no_revision_is_refused(folder: Path, target: str, revision: object) -> None:
    with pytest.raises(InvalidInputError, match="revision"):
        bring_back(folder, target, revision=revision)  # type: ignore[arg-type]


def test_a_revision_beyond_the_backup_is_not_found(folder: Path, target: str) -> None:
    with pytest.raises(NotFoundError, match=f"ends with revision {UNITS}"):
        bring_back(folder, target, revision=UNITS + 1)


def test_named_operations_are_restored_with_their_outcome(tmp_path: Path, target: str) -> None:
    url, folder = new_url(tmp_path), tmp_path / "b"
    with connect(url) as store:
        store.run(lambda uow: uow.metadata.set("a", 1), operation_id="first")
        store.run(lambda uow: "nothing", operation_id="idle")
        back_up(url, folder)
        store.run(lambda uow: uow.metadata.set("a", 2), operation_id="second")
        store.run(lambda uow: uow.objects.put_many(("doc", n) for n in range(2_000)))  # more than is written at once
        back_up(url, folder, incremental=True)
    bring_back(folder, target)
    with connect(target) as store:
        assert store.run(lambda uow: pytest.fail("called again"), operation_id="first").value == 1
        assert store.run(lambda uow: pytest.fail("called again"), operation_id="idle").value == "nothing"
        assert store.run(lambda uow: pytest.fail("called again"), operation_id="second").value == 2
    bring_back(folder, target, revision=1, replace=True)
    with connect(target) as store:
        assert store.resolve("second") is None
        assert store.resolve("first") is not None


def test_a_restored_store_goes_on(folder: Path, target: str, source: str) -> None:
    bring_back(folder, target)
    with connect(target) as restored, connect(source) as original:
        assert restored.store_id == original.store_id
        assert note(restored, "next") == UNITS + 1
        assert verify(restored, store_id=restored.store_id).findings == ()


# What is there already


def test_a_store_that_is_there_is_left_alone(folder: Path, target: str) -> None:
    upgrade(target)
    with connect(target) as store:
        note(store, "mine")
    before = dump(target)
    with pytest.raises(AlreadyExistsError):
        bring_back(folder, target)
    assert dump(target) == before


def test_an_empty_schema_or_store_on_postgres_is_taken(folder: Path, postgres_database: str, source: str) -> None:
    upgrade(postgres_database)
    assert bring_back(folder, postgres_database).kept is not None
    assert dump(postgres_database) == dump(source)


def test_what_is_replaced_is_kept_and_is_still_a_store(folder: Path, target: str, source: str) -> None:
    upgrade(target)
    with connect(target) as store:
        note(store, "mine")
        with store.begin() as uow:
            uow.metadata.set("a", 1)
            uow.metadata.set("a", 2)
    before = dump(target)
    kept = bring_back(folder, target, replace=True).kept
    assert kept is not None
    assert dump(target) == dump(source)
    old = f"sqlite:///{kept}" if target.startswith("sqlite") else f"{target}?schema={kept}"
    assert dump(old) == before
    with connect(old) as store, store.begin() as uow:
        assert uow.metadata.compact() == 1  # on Postgres its guard asks the table of its own schema
    with connect(target) as store, store.begin() as uow:
        uow.metadata.set("b", 1)
        uow.metadata.set("b", 2)
        assert uow.metadata.compact() >= 1


def test_the_guards_of_postgres_stand_after_the_swap(folder: Path, postgres_database: str) -> None:
    upgrade(postgres_database)
    kept = bring_back(folder, postgres_database).kept
    with sa.create_engine(postgres_database, poolclass=sa.NullPool).connect() as connection:
        assert missing_guards(connection, schema="charter") == []
        assert missing_guards(connection, schema=str(kept)) == []
        schemas = connection.scalars(sa.text("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'charter%'"))
        assert sorted(schemas) == ["charter", kept]


def test_tables_of_another_application_are_never_replaced(folder: Path, postgres_database: str) -> None:
    with sa.create_engine(postgres_database, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA charter")
        connection.exec_driver_sql("CREATE TABLE charter.mine (x int)")
    for replace in (False, True):
        with pytest.raises(SchemaError, match="another application"):
            bring_back(folder, postgres_database, replace=replace)


def test_another_schema_of_any_allowed_length_is_restored_to(folder: Path, postgres_database: str, source: str) -> None:
    url = f"{postgres_database}?schema=A{'b' * 62}"
    for _ in range(2):
        bring_back(folder, url, replace=True)
    assert dump(url) == dump(source)


def test_a_store_that_somebody_has_open_is_not_replaced(folder: Path, target: str) -> None:
    """It would go on writing into the old one, or go on from the tree of the old one."""
    upgrade(target)
    store = connect(target)
    note(store, "mine")
    with pytest.raises(StoreBusyError):
        bring_back(folder, target, replace=True)
    assert note(store, "still mine") == 2
    with store.begin() as uow, pytest.raises(StoreBusyError):
        uow.objects.put("doc", "held")
        bring_back(folder, target, replace=True)
    store.close()
    bring_back(folder, target, replace=True)
    with connect(target) as restored, restored.read() as view:
        assert view.revision == UNITS


def test_a_store_in_another_schema_may_stay_open(folder: Path, postgres_database: str) -> None:
    upgrade(postgres_database)
    upgrade(f"{postgres_database}?schema=other")
    with connect(f"{postgres_database}?schema=other") as other:
        bring_back(folder, postgres_database, replace=True)
        assert note(other, "mine") == 1


def test_the_log_of_a_crashed_store_is_kept_with_it(folder: Path, tmp_path: Path) -> None:
    """What was acknowledged stands only in the log when a process was killed."""
    url = new_url(tmp_path, "target")
    assert subprocess.run([sys.executable, "-c", KILLED, url]).returncode == -9
    assert (tmp_path / "target.db-wal").stat().st_size > 0
    kept = bring_back(folder, url, replace=True).kept
    assert not (tmp_path / "target.db-wal").exists()
    with connect(f"sqlite:///{kept}") as old, old.read() as view:
        assert view.revision == 1


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_what_another_store_left_beside_the_path_is_not_taken_for_ours(
    folder: Path, tmp_path: Path, source: str, suffix: str
) -> None:
    url = f"sqlite:///{tmp_path / 'target.db'}"
    (tmp_path / f"target.db{suffix}").write_bytes(b"stale")
    with pytest.raises(AlreadyExistsError, match=suffix):
        bring_back(folder, url)
    assert bring_back(folder, url, replace=True).kept is None
    assert dump(url) == dump(source)
    (kept,) = tmp_path.glob(f"target.db.before-*{suffix}")
    assert kept.read_bytes() == b"stale"


@pytest.mark.parametrize("damaged", [b"not a database", b""])
def test_a_damaged_file_can_be_replaced(folder: Path, tmp_path: Path, source: str, damaged: bytes) -> None:
    url = f"sqlite:///{tmp_path / 'target.db'}"
    (tmp_path / "target.db").write_bytes(damaged)
    (tmp_path / "target.db-wal").write_bytes(b"stale")
    kept = bring_back(folder, url, replace=True).kept
    assert Path(str(kept)).read_bytes() == damaged
    assert dump(url) == dump(source)


def test_mode_and_owner_of_what_is_replaced_are_taken_over(folder: Path, tmp_path: Path) -> None:
    url = new_url(tmp_path, "target")
    (tmp_path / "target.db").chmod(0o600)
    if os.geteuid() == 0:
        os.chown(tmp_path / "target.db", 65534, 65534)
    wanted = (tmp_path / "target.db").stat()
    bring_back(folder, url, replace=True)
    found = (tmp_path / "target.db").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o600, wanted.st_uid, wanted.st_gid)


def test_a_link_to_a_store_stays_a_link(folder: Path, tmp_path: Path, source: str) -> None:
    url = new_url(tmp_path, "target")
    (tmp_path / "link.db").symlink_to("target.db")
    bring_back(folder, f"sqlite:///{tmp_path / 'link.db'}", replace=True)
    assert (tmp_path / "link.db").is_symlink()
    assert dump(url) == dump(source)


def test_nothing_but_the_store_and_its_record_is_left(folder: Path, tmp_path: Path) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    bring_back(folder, f"sqlite:///{tmp_path / 'target.db'}")
    assert {path.name for path in tmp_path.iterdir()} - before == {"target.db", "target.db.restored.json"}


def test_the_record_says_what_the_store_went_back_to(folder: Path, tmp_path: Path) -> None:
    bring_back(folder, f"sqlite:///{tmp_path / 'target.db'}", revision=40)
    said = json.loads((tmp_path / "target.db.restored.json").read_text())
    with connect(f"sqlite:///{tmp_path / 'target.db'}") as store, store.read() as view:
        assert said["size"] == view.journal.size()
        assert said["root"] == view.journal.root().hex()
        assert (said["revision"], said["store_id"]) == (40, store.store_id)
    assert said["from"] == str(folder)


@pytest.mark.parametrize("url", ["memory://", "sqlite://", "file:///tmp/x", "etcd://host"])
def test_a_place_that_cannot_be_restored_to_is_refused(url: str) -> None:
    with pytest.raises(NotSupportedError):
        restore_target(url)


def test_a_folder_that_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        bring_back(folder, f"sqlite:///{tmp_path / 'none' / 'target.db'}")
    with pytest.raises(NotFoundError):
        bring_back(tmp_path / "none", f"sqlite:///{tmp_path / 'target.db'}")
    assert not (tmp_path / "target.db").exists()


# Verification and drill


def test_a_sound_backup_is_verified_and_leaves_nothing_behind(folder: Path, target: str, tmp_path: Path) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    verified = verify_backup(folder, restore_target(target))
    assert verified.state == read_chain(folder)[-1].upto
    assert {path.name for path in tmp_path.iterdir()} == before
    if target.startswith("postgresql"):
        with sa.create_engine(target, poolclass=sa.NullPool).connect() as connection:
            assert not list(
                connection.scalars(sa.text("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'charter%'"))
            )


def test_a_drill_tells_how_long_it_took(folder: Path, target: str) -> None:
    def findings(store: Store, kept: Checkpoint) -> int:
        return len(verify(store, store_id=store.store_id, checkpoint=kept).findings)

    done = drill(folder, restore_target(target), lambda: connect(target), findings)
    assert (done.findings, done.restored.state) == (0, done.newest.upto)
    assert done.restore_s > 0
    assert done.check_s > 0


@pytest.mark.spec("P38")
def test_a_value_that_was_forged_with_all_its_file_digests_is_found(source: str, tmp_path: Path, target: str) -> None:
    """Only recomputing the commitment can find it: the store was altered before the backup was made."""
    raw = sqlite3.connect(tmp_path / "source.db", isolation_level=None)
    raw.execute("DROP TRIGGER guard_object_update")
    raw.execute("UPDATE object SET data = CAST(data || ' ' AS BLOB) WHERE position = 1")
    raw.close()
    back_up(source, tmp_path / "b")
    for attempt in (
        lambda: verify_backup(tmp_path / "b", restore_target(target)),
        lambda: bring_back(tmp_path / "b", target),
    ):
        with pytest.raises(CharterError, match="is not what the journal recorded"):
            attempt()
    if target.startswith("sqlite"):
        assert not list(tmp_path.glob("target*"))
