"""Whatever is altered in the database is found, named, and lowers the level that verification claims."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from charter_persist import Store, connect, upgrade
from charter_persist.integrity.verify import Level, VerifyReport, verify
from charter_persist.journal.checkpoint import Checkpoint

AUTHORITATIVE = {
    "object": ("digest", "hash_version", "type", "size", "data"),
    "ref": ("digest", "version", "revision", "position"),
    "ref_log": ("name", "digest", "version", "revision"),
    "audit_event": (
        *("event_id", "event_type", "occurred_at", "actor", "scope", "subject_type", "subject_id", "context", "data"),
    ),
    "metadata_log": ("key", "value", "version", "revision"),
    "session": ("area_id", "state", "version", "digest", "position"),
    "session_candidate": ("ordinal", "data"),
    "session_stance": ("stance", "data"),
    "session_log": ("session_id", "version", "revision", "nonce", "data"),
    "journal": ("revision", "store", "subject", "operation", "commitment", "recorded_at", "leaf"),
    "journal_tile": ("root", "nodes"),
}
COLUMNS = [(table, column) for table, columns in AUTHORITATIVE.items() for column in columns]


def fill(store: Store) -> None:
    """Something of every kind, beyond one tile."""
    for n in range(80):
        with store.begin() as uow:
            digest = uow.objects.put("doc", {"n": n})
            uow.refs.set(f"label/{n % 7}", digest, expected=n // 7)
            uow.metadata.set(f"key/{n % 5}", {"n": n})
            uow.audit.append("PUT", scope="AREA:x", subject=("doc", digest), actor="ana", details={"n": n})
            if n % 10 == 0:
                session = uow.sessions.create(area_id="x", problem_statement="why", session_id=f"s{n}")
                uow.sessions.add_candidate(session.session_id, {"text": "this"}, candidate_id="c")
                uow.sessions.set_state(session.session_id, "ACTIVE")
                uow.sessions.record_stance(session.session_id, actor_id="ana", candidate_id="c", stance="ACCEPT")
            if n == 40:
                uow.sessions.seal("s20", "ACCEPTED", accepted=["c"])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("verify") / "charter.db"
    upgrade(f"sqlite:///{path}")
    with connect(f"sqlite:///{path}") as store:
        fill(store)
    return path.read_bytes()


@pytest.fixture
def path(filled: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "charter.db"
    path.write_bytes(filled)
    return path


@pytest.fixture
def tamper(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of somebody with the file in his hands: no guards."""
    connection = sqlite3.connect(path, isolation_level=None)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f'DROP TRIGGER "{name}"')
    connection.execute("PRAGMA ignore_check_constraints = ON")
    yield connection
    connection.close()


def report(path: Path, checkpoint: Checkpoint | None = None) -> VerifyReport:
    with connect(f"sqlite:///{path}", read_only=True) as store:
        return verify(store, store_id=store.store_id, checkpoint=checkpoint)


def checkpoint_of(path: Path) -> Checkpoint:
    with connect(f"sqlite:///{path}", read_only=True) as store, store.read() as view:
        return Checkpoint(store.store_id, view.journal.size(), view.journal.root(), ())


def flipped(value: object) -> object:
    """The value with its lowest bit flipped."""
    if isinstance(value, int):
        return value ^ 1
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1])
    assert isinstance(value, str)
    return value[:-1] + chr(ord(value[-1]) ^ 1)


def test_a_sound_store_has_no_findings(path: Path) -> None:
    assert report(path).findings == ()
    assert report(path).level is Level.CHAIN
    assert report(path, checkpoint_of(path)).level is Level.CHECKPOINT


def test_an_empty_store_shows_nothing() -> None:
    with connect("memory://") as store:
        assert verify(store, store_id=store.store_id).level is Level.NONE


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=lambda value: value)
def test_a_flipped_bit_in_any_column_is_found_in_its_table(
    path: Path, tamper: sqlite3.Connection, table: str, column: str
) -> None:
    rows = (
        tamper.execute(f'SELECT rowid, "{column}" FROM "{table}" WHERE "{column}" IS NOT NULL').fetchall()
        if (table not in {"ref", "session", "session_candidate", "session_stance"})
        else [
            (None, row[0]) for row in tamper.execute(f'SELECT "{column}" FROM "{table}" WHERE "{column}" IS NOT NULL')
        ]
    )
    rowid, value = rows[len(rows) // 2]
    if rowid is None:
        done = tamper.execute(f'UPDATE "{table}" SET "{column}" = ? WHERE "{column}" = ?', (flipped(value), value))
    else:
        done = tamper.execute(f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = ?', (flipped(value), rowid))
    assert done.rowcount >= 1
    found = report(path)
    assert found.level is Level.NONE
    assert any(finding.subject.startswith(f"{table}/") for finding in found.findings), found.findings


@pytest.mark.parametrize("table", AUTHORITATIVE)
def test_a_row_that_was_removed_is_found(path: Path, tamper: sqlite3.Connection, table: str) -> None:
    key = [row[1] for row in tamper.execute(f'PRAGMA table_info("{table}")') if row[5]]
    first = tamper.execute(f'SELECT {", ".join(key)} FROM "{table}" LIMIT 1').fetchone()
    tamper.execute(f'DELETE FROM "{table}" WHERE ' + " AND ".join(f"{name} = ?" for name in key), first)
    assert report(path).level is Level.NONE


def test_a_row_that_was_added_is_found(path: Path, tamper: sqlite3.Connection) -> None:
    tamper.execute(
        "INSERT INTO object SELECT 100000, zeroblob(32), hash_version, type, size, data FROM object WHERE position = 1"
    )
    (finding,) = report(path).findings
    assert (finding.code, finding.subject) == ("NOT_JOURNALLED", "object/100000")


def test_a_tail_that_was_cut_off_shows_against_a_checkpoint_only(path: Path, tamper: sqlite3.Connection) -> None:
    checkpoint = checkpoint_of(path)
    last = tamper.execute("SELECT max(revision) FROM journal").fetchone()[0]
    (position,) = tamper.execute("SELECT min(position) FROM journal WHERE revision = ?", (last,)).fetchone()
    for table in ("object", "ref_log", "audit_event", "metadata_log", "session_log", "journal"):
        tamper.execute(f'DELETE FROM "{table}" WHERE position >= ?', (position,))
    tamper.execute(
        "UPDATE ref SET (digest, version, revision, position) = (SELECT digest, version, revision, position FROM ref_log"
        " WHERE ref_log.name = ref.name ORDER BY position DESC LIMIT 1)"
    )
    assert report(path).level is Level.CHAIN  # honest: this is what a chain cannot show
    (finding,) = report(path, checkpoint).findings
    assert finding.code == "CHECKPOINT_AHEAD"


def test_another_history_of_the_same_length_shows_against_a_checkpoint(path: Path) -> None:
    checkpoint = checkpoint_of(path)
    other = replace(checkpoint, root=bytes(32))
    assert [finding.code for finding in report(path, other).findings] == ["CHECKPOINT_MISMATCH"]
    foreign = replace(checkpoint, origin="another-store")
    assert [finding.code for finding in report(path, foreign).findings] == ["CHECKPOINT_ORIGIN"]


def test_a_store_that_grew_since_the_checkpoint_verifies_against_it(path: Path) -> None:
    checkpoint = checkpoint_of(path)
    with connect(f"sqlite:///{path}") as store, store.begin() as uow:
        uow.objects.put("doc", {"later": True})
    assert report(path, checkpoint).level is Level.CHECKPOINT


def test_compaction_leaves_a_store_that_verifies(path: Path) -> None:
    checkpoint = checkpoint_of(path)
    with connect(f"sqlite:///{path}") as store:
        with store.begin() as uow:
            assert uow.metadata.compact() == 75
        with store.read() as view:
            assert view.metadata.get("key/3") == {"n": 78}
            assert len(list(view.metadata.history("key/3"))) == 1
    assert report(path, checkpoint).level is Level.CHECKPOINT


def test_verification_writes_nothing(path: Path) -> None:
    before = path.read_bytes()
    report(path)
    assert path.read_bytes() == before
