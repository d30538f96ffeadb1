"""A backup shows one revision, continues only its own store, and is taken while others write."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from charter_persist import connect, upgrade
from charter_persist.backends.contract import RELATIONS, Relation, TileRow
from charter_persist.errors import (
    AlreadyExistsError,
    ConflictError,
    IntegrityError,
    NotFoundError,
    NotSupportedError,
    StoreBusyError,
    UnavailableError,
)
from charter_persist.files import folder_lock
from charter_persist.integrity.verify import verify
from charter_persist.proofs import EMPTY_ROOT
from charter_persist.transfer.backup import backup
from charter_persist.transfer.manifest import read_chain
from charter_persist.transfer.rows import logs
from tests.backups import back_up, bring_back, dump, new_url, note, record, rows_of

WRITER = """
import sys
from charter_persist import connect
with connect(sys.argv[1]) as store:
    for n in range(int(sys.argv[3])):
        with store.begin() as uow:
            name = f"token/{n % 5}"
            digest = uow.objects.put("doc", {"writer": sys.argv[2], "n": n})
            uow.audit.append("PUT", scope="GLOBAL", subject=("doc", digest))
            current = uow.refs.get(name)
            uow.refs.set(name, digest, expected=current.version if current else 0)
        print(uow.receipt.revision, uow.receipt.size, uow.receipt.root.hex(), flush=True)
"""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return new_url(tmp_path)
    url = str(request.getfixturevalue("postgres_database"))
    upgrade(url)
    return url


@pytest.mark.spec("GOV-12", "P14", "P37")
def test_a_backup_among_four_writers_is_one_revision_with_the_root_of_then(url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, url]
    writers = [subprocess.Popen([*command, f"w{n}", "60"], stdout=subprocess.PIPE, text=True) for n in range(4)]
    folders = []
    while any(writer.poll() is None for writer in writers) or len(folders) < 3:
        folders.append(tmp_path / f"backup{len(folders)}")
        back_up(url, folders[-1])
        back_up(url, tmp_path / "chain", incremental=True)
    told = [line.split() for writer in writers for line in writer.communicate(timeout=120)[0].splitlines()]
    assert [writer.returncode for writer in writers] == [0] * 4
    roots = {0: (0, EMPTY_ROOT.hex()), **{int(revision): (int(size), root) for revision, size, root in told}}
    for number, folder in enumerate([*folders, tmp_path / "chain"]):
        state = read_chain(folder)[-1].upto
        assert roots[state.revision] == (state.size, state.root.hex())
        assert bring_back(folder, f"sqlite:///{tmp_path / f'restored{number}.db'}").state == state
    assert len(read_chain(tmp_path / "chain")) > 1


def test_a_copy_of_the_file_is_no_backup_while_somebody_writes(tmp_path: Path) -> None:
    """The control: what is committed stands in the log beside the file."""
    url = new_url(tmp_path)
    with connect(url) as store:
        note(store, "one")
        copy = tmp_path / "copy.db"
        copy.write_bytes((tmp_path / "source.db").read_bytes())
        with connect(f"sqlite:///{copy}") as copied, copied.read() as view:
            assert view.revision == 0
        backup(store, tmp_path / "b", store_id=store.store_id)
    assert read_chain(tmp_path / "b")[-1].upto.revision == 1


@pytest.mark.spec("GOV-12")
def test_a_backup_changes_nothing_in_the_store(url: str, tmp_path: Path) -> None:
    record(url)
    before = dump(url)
    back_up(url, tmp_path / "b")
    assert dump(url) == before


def test_the_manifest_says_what_is_in_the_segment(url: str, tmp_path: Path) -> None:
    with connect(url) as store:
        note(store, "one")
        note(store, "two")
        moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        backup(store, tmp_path / "b", store_id=store.store_id, clock=lambda: moment)
        with store.read() as view:
            root = view.journal.root().hex()
        said = json.loads((tmp_path / "b" / "000001.manifest.json").read_bytes())
        assert said["upto"] == {"revision": 2, "root": root, "size": 4}
        assert said["after"] == {"revision": 0, "root": EMPTY_ROOT.hex(), "size": 0}
        assert said["counts"] == {"journal": 4, "object": 2, "audit_event": 2}
        assert (said["store_id"], said["format"], said["number"]) == (store.store_id, 1, 1)
        assert said["made_at"] == "2026-01-02T03:04:05Z"
        assert said["made_by"].startswith("charter-persist ")
    assert len(rows_of(tmp_path / "b")) == said["data"]["bytes"]


def test_a_line_can_be_read_by_eye(tmp_path: Path) -> None:
    url = new_url(tmp_path)
    with connect(url) as store:
        note(store, "plain text")
    back_up(url, tmp_path / "b")
    lines = [json.loads(line) for line in rows_of(tmp_path / "b").splitlines()]
    assert [list(line) for line in lines] == [["journal"], ["object"], ["journal"], ["audit_event"]]
    assert lines[1]["object"]["data"] == '"plain text"'
    assert lines[0]["journal"]["subject"] == f"doc/{lines[1]['object']['digest']}"


def test_an_increment_holds_only_what_was_recorded_since(url: str, tmp_path: Path) -> None:
    record(url, 0, 10)
    first = back_up(url, tmp_path / "b", incremental=True).manifest  # begins one where there is none
    record(url, 10, 20)
    second = back_up(url, tmp_path / "b", incremental=True).manifest
    assert (second.number, second.after) == (2, first.upto)
    positions = [
        json.loads(line)["journal"]["position"]
        for line in rows_of(tmp_path / "b", 2).splitlines()
        if b'{"journal"' in line
    ]
    assert positions == list(range(first.upto.size + 1, second.upto.size + 1))


def test_nothing_new_adds_nothing(url: str, tmp_path: Path) -> None:
    record(url, 0, 5)
    back_up(url, tmp_path / "b")
    names = sorted(path.name for path in (tmp_path / "b").iterdir())
    assert names == ["000001.manifest.json", "000001.rows.jsonl"]
    again = back_up(url, tmp_path / "b", incremental=True)
    assert (again.is_new, again.manifest.number) == (False, 1)
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == names


def test_progress_goes_from_nothing_to_all(tmp_path: Path) -> None:
    url = new_url(tmp_path)
    seen: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        seen.append((done, total))

    for start in (0, 10_000):
        seen.clear()
        with connect(url) as store:
            with store.begin() as uow:
                uow.objects.put_many(("doc", n) for n in range(start, start + 10_000))
            backup(store, tmp_path / "b", store_id=store.store_id, incremental=True, progress=tell)
        assert {total for _, total in seen} == {20_000}
        assert seen == sorted(seen)
        assert 0 < seen[0][0] <= 10_000 < seen[-1][0] <= 20_000


def test_an_empty_store_has_a_backup(url: str, tmp_path: Path) -> None:
    assert back_up(url, tmp_path / "b").manifest.upto.size == 0
    assert bring_back(tmp_path / "b", f"sqlite:///{tmp_path / 'r.db'}").state.size == 0
    record(url, 0, 3)
    back_up(url, tmp_path / "b", incremental=True)
    bring_back(tmp_path / "b", f"sqlite:///{tmp_path / 's.db'}")
    assert dump(f"sqlite:///{tmp_path / 's.db'}") == dump(url)


def test_a_full_backup_needs_an_empty_folder(url: str, tmp_path: Path) -> None:
    record(url, 0, 3)
    back_up(url, tmp_path / "b")
    before = rows_of(tmp_path / "b")
    with pytest.raises(AlreadyExistsError):
        back_up(url, tmp_path / "b")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine")
    with pytest.raises(AlreadyExistsError):
        back_up(url, tmp_path / "other")
    with pytest.raises(NotFoundError):
        back_up(url, tmp_path / "other", incremental=True)
    assert rows_of(tmp_path / "b") == before
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["letter.txt"]


def test_the_backup_of_another_store_is_not_continued(url: str, tmp_path: Path) -> None:
    record(url, 0, 3)
    back_up(url, tmp_path / "b")
    other = new_url(tmp_path, "other")
    record(other, 0, 9)
    with pytest.raises(ConflictError, match="of store"):
        back_up(other, tmp_path / "b", incremental=True)


@pytest.mark.parametrize("more", [0, 9], ids=["shorter", "longer"])
def test_a_store_that_went_back_does_not_continue_the_backup(tmp_path: Path, more: int) -> None:
    url, back = new_url(tmp_path), f"sqlite:///{tmp_path / 'back.db'}"
    record(url, 0, 3)
    back_up(url, tmp_path / "early")
    record(url, 3, 6)
    back_up(url, tmp_path / "b")
    bring_back(tmp_path / "early", back)
    record(back, 3, 3 + more)  # the same units at other times: another history
    with pytest.raises(ConflictError, match="does not continue") as caught:
        back_up(back, tmp_path / "b", incremental=True)
    assert caught.value.size == read_chain(tmp_path / "b")[-1].upto.size


def test_what_a_killed_backup_left_is_written_over(tmp_path: Path) -> None:
    url = new_url(tmp_path)
    record(url, 0, 3)
    folder = tmp_path / "b"
    folder.mkdir()
    for name in ("000001.rows.jsonl", "000001.rows.jsonl.unfinished", "000001.manifest.json.unfinished"):
        (folder / name).write_bytes(b"cut")
    assert back_up(url, folder).is_new
    record(url, 3, 6)
    (folder / "000002.rows.jsonl").write_bytes(b"cut")
    assert back_up(url, folder, incremental=True).manifest.number == 2
    bring_back(folder, f"sqlite:///{tmp_path / 'r.db'}")
    assert dump(f"sqlite:///{tmp_path / 'r.db'}") == dump(url)


def test_two_backups_never_write_into_one_folder(tmp_path: Path) -> None:
    url = new_url(tmp_path)
    folder = tmp_path / "b"
    folder.mkdir()
    with folder_lock(folder), pytest.raises(StoreBusyError):
        back_up(url, folder)
    assert back_up(url, folder).is_new


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    url = new_url(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UnavailableError, match="file"):
        back_up(url, tmp_path / "file" / "b")


def test_a_store_whose_journal_is_damaged_has_no_backup(tmp_path: Path) -> None:
    import sqlite3

    url = new_url(tmp_path)
    record(url, 0, 3)
    raw = sqlite3.connect(tmp_path / "source.db", isolation_level=None)
    raw.execute("DROP TRIGGER guard_journal_update")
    raw.execute("UPDATE journal SET subject = 'other' WHERE position = 5")
    raw.close()
    with pytest.raises(IntegrityError, match="charter verify"):
        back_up(url, tmp_path / "b")
    with pytest.raises(NotFoundError):
        read_chain(tmp_path / "b")


class _Unknown(NamedTuple):
    name: str


def test_every_relation_of_a_store_is_carried_or_derived() -> None:
    assert {relation.name for relation in logs(RELATIONS)} >= {"journal", "object", "ref_log", "session_log"}
    for row, mutable in ((_Unknown, True), (_Unknown, False), (TileRow, True)):
        unknown = Relation("unknown", row, (row._fields[0],), mutable=mutable)
        with pytest.raises(NotSupportedError, match="unknown"):
            logs((*RELATIONS, unknown))


def test_a_log_of_a_later_release_is_carried_as_it_is() -> None:
    class Later(NamedTuple):
        position: int
        text: str

    later = Relation("later", Later, ("position",), (("position",),))
    assert later in logs((*RELATIONS, later))


def test_a_restored_store_is_verified_by_a_checkpoint_of_before(url: str, tmp_path: Path) -> None:
    from charter_persist.integrity.verify import Level
    from charter_persist.journal.checkpoint import Checkpoint

    record(url, 0, 9)
    with connect(url) as store, store.read() as view:
        kept = Checkpoint(store.store_id, view.journal.size(), view.journal.root())
    record(url, 9, 12)
    back_up(url, tmp_path / "b")
    bring_back(tmp_path / "b", f"sqlite:///{tmp_path / 'r.db'}")
    with connect(f"sqlite:///{tmp_path / 'r.db'}") as restored:
        report = verify(restored, store_id=restored.store_id, checkpoint=kept)
        assert (report.level, report.findings) == (Level.CHECKPOINT, ())
