"""Archives in a folder: the layout by eye, the index as a cache, damage of every kind, several processes, bad disks."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import time
from hashlib import sha256
from pathlib import Path

import pytest

from charter_persist.backends.files import FileArchive
from charter_persist.errors import CorruptStoreError, ReadOnlyError, StorageFullError, UnavailableError
from charter_persist.files import UNFINISHED
from charter_persist.repositories.archive_backend import PendingArchive
from tests.archive_store import archive_store
from tests.archive_workers import entity, put_all

NAME, DATA = entity(1)
PLACE = f"{NAME[:2]}/{NAME[2:4]}/{NAME}.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def archive(folder: Path) -> FileArchive:
    return FileArchive(folder)


def fill(folder: Path, *numbers: int) -> list[str]:
    """Entities, stored and indexed."""
    archive = FileArchive(folder)
    hashes = []
    for number in numbers:
        name, data = entity(number)
        archive.put("plan", name, data)
        hashes.append(name)
    archive.close()
    return sorted(hashes)


def index_of(folder: Path) -> dict[str, str]:
    """The index of the plans, as any program reads it."""
    index: dict[str, str] = json.loads((folder / "plan/index.json").read_bytes())
    return index


def files_of(folder: Path) -> list[str]:
    """Every file of the plans."""
    return sorted(str(path.relative_to(folder / "plan")) for path in (folder / "plan").rglob("*") if path.is_file())


def findings(folder: Path) -> list[str]:
    """What verify_integrity says of the plans."""
    with archive_store(FileArchive(folder, read_only=True)).read() as view:
        report = view.archive("plan").verify_integrity()
    assert bool(report) == (not report.findings)
    return [finding.subject for finding in report.findings]


@pytest.mark.spec("CCOS-3")
def test_the_folder_explains_itself(folder: Path) -> None:
    hashes = fill(folder, *range(20))
    assert files_of(folder) == sorted(["index.json", *(f"{h[:2]}/{h[2:4]}/{h}.json" for h in hashes)])
    assert index_of(folder) == {h: f"{h[:2]}/{h[2:4]}/{h}.json" for h in hashes}
    for name, place in index_of(folder).items():
        said = subprocess.run(["sha256sum", folder / "plan" / place], capture_output=True, check=True, text=True).stdout
        assert said.split()[0] == name
        assert json.loads((folder / "plan" / place).read_bytes())["text"] == ""
        assert (folder / "plan" / place).stat().st_mode & 0o222 == 0
    assert [path.name for path in folder.iterdir()] == ["plan"]


@pytest.mark.spec("CCOS-3")
def test_an_index_is_written_when_the_archive_is_closed(folder: Path) -> None:
    hashes = fill(folder, 1, 2)
    archive = FileArchive(folder)
    archive.put("plan", *entity(3))
    archive.delete("plan", hashes[0])
    assert list(index_of(folder)) == hashes
    archive.close()
    assert list(index_of(folder)) == sorted([hashes[1], entity(3)[0]])
    before = (folder / "plan/index.json").stat().st_mtime_ns
    archive.close()
    fill(folder, 3)
    assert (folder / "plan/index.json").stat().st_mtime_ns == before, "nothing changed, so nothing is written"


@pytest.mark.spec("CCOS-3")
@pytest.mark.parametrize(
    "text", ["", "{", "[]", "\x00", '{"' + "0" * 64 + '":"00/00/x"}', '{"' + NAME + '":"../../etc/passwd"}', None]
)
def test_an_index_that_lies_is_not_believed(folder: Path, text: str | None) -> None:
    hashes = fill(folder, 1, 2, 3)
    index = folder / "plan/index.json"
    index.unlink() if text is None else index.write_text(text)
    archive = FileArchive(folder)
    assert [stored.content_hash for stored in archive.scan("plan")] == hashes
    assert archive.get("plan", NAME) == DATA
    assert archive.get("plan", "0" * 64) is None
    assert findings(folder) == []
    archive.put("plan", *entity(4))
    archive.close()
    assert list(index_of(folder)) == sorted([*hashes, entity(4)[0]])


@pytest.mark.spec("CCOS-3", "P23", "P32")
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "folder", "link", "pipe"])
def test_damage_is_found_and_what_is_stored_again_is_whole(folder: Path, damage: str) -> None:
    fill(folder, 1, 2)
    path = folder / "plan" / PLACE
    path.chmod(0o644)
    if damage == "flip":
        path.write_bytes(DATA.replace(b"1", b"3"))
    elif damage == "cut":
        path.write_bytes(DATA[:-1])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
        if damage == "folder":
            path.mkdir()
        elif damage == "link":
            path.symlink_to("/etc/hostname")
        else:
            os.mkfifo(path)
    readable = damage in ("flip", "cut", "empty")
    assert findings(folder) == [NAME if readable else PLACE]
    archive = FileArchive(folder)
    if not readable:
        with pytest.raises(CorruptStoreError, match=NAME):
            archive.get("plan", NAME)
    if damage == "folder":
        with pytest.raises(UnavailableError):
            archive.put("plan", NAME, DATA)
        path.rmdir()
    assert archive.put("plan", NAME, DATA) == (damage == "folder")
    assert archive.get("plan", NAME) == DATA
    archive.close()
    assert findings(folder) == []


@pytest.mark.spec("CCOS-3", "P23")
def test_a_file_under_a_wrong_name_is_found(folder: Path) -> None:
    fill(folder, 1, 2)
    path = folder / "plan" / PLACE
    for wrong in (
        path.with_name(NAME.upper() + ".json"),
        path.with_name(NAME + ".JSON"),
        path.with_name(NAME),
        path.with_name("notes.txt"),
        path.with_name(entity(5)[0] + ".json"),
        folder / "plan/notes.txt",
        folder / f"plan/{NAME[:2]}/notes.txt",
        folder / f"plan/{NAME}.json",
        folder / f"plan/{NAME.upper()}",
    ):
        path.rename(wrong)
        assert findings(folder) == [str(wrong.relative_to(folder / "plan"))]
        assert FileArchive(folder).get("plan", NAME) is None
        wrong.rename(path)
    # A right place, and other bytes than its name says.
    other = entity(2)[0]
    (folder / f"plan/{other[:2]}/{other[2:4]}/{other}.json").replace(path)
    assert findings(folder) == [NAME]
    (folder / "plan/AB").mkdir()
    assert findings(folder) == [NAME, "AB"]


@pytest.mark.spec("CCOS-3")
def test_what_older_writers_left_is_read(folder: Path) -> None:
    hashes = fill(folder, 1, 2, 3)
    names = [entity(number)[0] for number in (1, 2)]
    for name in names:
        (folder / f"plan/{name[:2]}/{name[2:4]}/{name}.json").rename(folder / "plan" / name)
    archive = FileArchive(folder)
    assert archive.get("plan", NAME) == DATA
    assert archive.stat("plan", NAME) is not None
    assert [stored.content_hash for stored in archive.scan("plan")] == hashes
    for place, name in enumerate(hashes):
        assert [stored.content_hash for stored in archive.scan("plan", after=name)] == hashes[place + 1 :]
    assert not archive.put("plan", NAME, DATA), "it is there"
    archive.put("plan", *entity(4))
    archive.close()
    assert {name: index_of(folder)[name] for name in names} == {name: name for name in names}
    assert findings(folder) == []
    (folder / "plan" / NAME).chmod(0o644)
    (folder / "plan" / NAME).write_bytes(b"{}")
    assert findings(folder) == [NAME]
    archive.put("plan", NAME, DATA)
    assert archive.get("plan", NAME) == DATA
    assert findings(folder) == []
    assert [stored.content_hash for stored in archive.scan("plan")].count(NAME) == 1
    assert archive.delete("plan", NAME)
    assert archive.get("plan", NAME) is None, "neither of the two is left"


@pytest.mark.spec("CCOS-3")
def test_what_dead_processes_left_goes_after_an_hour(folder: Path) -> None:
    fill(folder, 1)
    shard = (folder / "plan" / PLACE).parent
    old, young = shard / f".a{UNFINISHED}", shard / f".b{UNFINISHED}"
    for path in (old, young, folder / "plan" / f".c{UNFINISHED}"):
        path.write_bytes(b"{")
        os.utime(path, (time.time() - 3_700,) * 2)
    os.utime(young)
    assert findings(folder) == []
    fill(folder, 2)
    assert [name for name in files_of(folder) if UNFINISHED in name] == [str(young.relative_to(folder / "plan"))]


@pytest.mark.spec("CCOS-3")
def test_read_only_writes_nothing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="archive"):
        FileArchive(folder, read_only=True)
    assert not folder.exists()
    fill(folder, 1)
    (folder / "plan/index.json").unlink()
    archive = FileArchive(folder, read_only=True)
    assert archive.get("plan", NAME) == DATA
    for write in (lambda: archive.put("plan", *entity(2)), lambda: archive.delete("plan", NAME)):
        with pytest.raises(ReadOnlyError, match="reading only"):
            write()
    archive.close()
    assert files_of(folder) == [PLACE]


def test_a_folder_is_made_but_not_what_it_is_in(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="missing"):
        FileArchive(tmp_path / "missing/archive")
    (tmp_path / "file").write_text("x")
    with pytest.raises(UnavailableError, match="file"):
        FileArchive(tmp_path / "file")


def test_health_says_in_one_sentence_what_is_wrong(folder: Path, archive: FileArchive) -> None:
    assert archive.diagnose().problems == ()
    folder.rename(folder.with_name("away"))
    (problem,) = archive.diagnose().problems
    assert str(folder) in problem
    with pytest.raises(UnavailableError, match=str(folder)):
        archive.put("plan", NAME, DATA)
    assert not folder.exists(), "the disk may be away: nothing is written beside it"
    folder.with_name("away").rename(folder)
    assert archive.put("plan", NAME, DATA), "the same handle goes on"


def test_folders_that_went_are_made_again(folder: Path, archive: FileArchive) -> None:
    archive.put("plan", NAME, DATA)
    subprocess.run(["rm", "-rf", folder / "plan"], check=True)
    assert archive.put("plan", NAME, DATA)
    archive.close()
    assert list(index_of(folder)) == [NAME]


def test_kinds_are_those_that_something_is_kept_of(folder: Path, archive: FileArchive) -> None:
    for kind in ("plan", "action"):
        archive.put(kind, NAME, DATA)
    archive.delete("action", NAME)
    (folder / "Notes").mkdir()
    assert archive.kinds() == ["plan"]


@pytest.mark.spec("CCOS-3", "P15")
def test_of_racing_processes_exactly_one_makes_an_entity(folder: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes, contests = 6, 40
    start, results = context.Barrier(processes), context.SimpleQueue()
    workers = [context.Process(target=put_all, args=(folder, start, contests, results.put)) for _ in range(processes)]
    FileArchive(folder)
    for worker in workers:
        worker.start()
    won = sum(results.get() for _ in workers)
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    results.close()
    assert won == contests
    assert findings(folder) == []
    hashes = sorted(entity(number)[0] for number in range(contests))
    assert list(index_of(folder)) == hashes
    assert files_of(folder) == sorted(["index.json", *(f"{h[:2]}/{h[2:4]}/{h}.json" for h in hashes)])


@pytest.mark.spec("P5")
def test_a_full_disk_is_a_typed_error_and_nothing_is_there(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        archive = FileArchive(disk / "archive")
        large = b'{"text":"%b"}' % (b"x" * 1_000_000)
        name = sha256(large).hexdigest()
        with pytest.raises(StorageFullError) as caught:
            archive.put("plan", name, large)
        assert caught.value.applied == "no"
        assert archive.get("plan", name) is None
        assert [path for path in (disk / "archive").rglob("*") if path.is_file()] == []
        assert archive.put("plan", NAME, DATA), "the same handle goes on"
        archive.close()
        assert findings(disk / "archive") == []
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_unit_shows_the_time_of_sound_bytes_alone(folder: Path) -> None:
    """What is damaged is replaced when the unit ends, and then it is new."""
    sound, damaged = fill(folder, 1, 2)
    for name in (sound, damaged):
        path = folder / "plan" / name[:2] / name[2:4] / f"{name}.json"
        path.chmod(0o644)
        if name == damaged:
            path.write_bytes(path.read_bytes().replace(b"text", b"tent"))
        os.utime(path, (1, 1))
    unit = PendingArchive(FileArchive(folder), lambda: 2_000_000)
    for name, data in (entity(1), entity(2), entity(3)):
        unit.add("plan", name, "", data)
    expected = {sound: 1_000_000, damaged: 2_000_000, entity(3)[0]: 2_000_000}
    assert {stored.content_hash: stored.stored_at for stored in unit.scan("plan")} == expected
    assert {name: found.stored_at for name in expected if (found := unit.stat("plan", name))} == expected
    unit.commit()
    assert findings(folder) == []


def test_what_is_there_is_put_all_the_same(folder: Path) -> None:
    """Another writer may not have come as far as the disk, and only `put` makes that sure."""
    fill(folder, 1)
    given = []

    class Watched(FileArchive):
        def put(self, kind: str, content_hash: str, data: bytes) -> bool:
            given.append(content_hash)
            return super().put(kind, content_hash, data)

    unit = PendingArchive(Watched(folder), lambda: 0)
    unit.add("plan", NAME, "", DATA)
    unit.commit()
    assert given == [NAME]
