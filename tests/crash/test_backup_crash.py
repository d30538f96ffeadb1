"""A backup or restore that is killed, or finds no space, leaves what was there or the whole."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from charter_persist import connect, upgrade
from charter_persist.errors import NotFoundError, StorageFullError
from charter_persist.store import restore_target
from charter_persist.transfer.manifest import read_chain
from charter_persist.transfer.restore import verify_backup
from tests.backups import back_up, bring_back, dump, new_url, note, record

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext

UNITS = 12
# Each of these changes what is on the disk, or makes it last.
CALLS = ("fsync", "rename", "replace", "link", "unlink", "chown", "chmod")
DISK_BYTES = 1_048_576


@cache
def server() -> ForkServerContext:
    """Where children come from; what they need is imported once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def run(act: Callable[[], Any], *, die_at: int | None = None, die_after_s: float | None = None) -> bool:
    """Act in another process, which is killed at some point; True where it came to its end."""
    child = server().Process(target=_act, args=(act, die_at))
    child.start()
    if die_after_s is not None:
        child.join(die_after_s)
        child.kill()
    child.join()
    assert child.exitcode in (0, -signal.SIGKILL)
    ended = child.exitcode == 0
    child.close()
    return ended


def _act(act: Callable[[], Any], die_at: int | None) -> None:
    calls = 0

    def counted(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return call

    for name in CALLS:
        setattr(os, name, counted(name))
    act()


@pytest.fixture
def source(tmp_path: Path) -> str:
    url = new_url(tmp_path)
    record(url, 0, UNITS)
    return url


@pytest.fixture
def folder(source: str, tmp_path: Path) -> Path:
    back_up(source, tmp_path / "b")
    return tmp_path / "b"


def newest(folder: Path) -> int:
    """The revision of the backup in a folder, 0 where there is none; it is sound."""
    try:
        read_chain(folder)
    except NotFoundError:
        return 0
    return verify_backup(folder, restore_target(f"sqlite:///{folder.parent / 'scratch.db'}")).state.revision


@pytest.mark.spec("P38")
def test_a_backup_killed_at_any_call_leaves_the_old_one_or_the_new_one(source: str, tmp_path: Path) -> None:
    found = []
    for die_at in range(1, 100):
        folder = tmp_path / f"b{die_at}"
        ended = run(partial(back_up, source, folder), die_at=die_at)
        found.append(newest(folder))
        back_up(source, folder, incremental=True)  # whatever was left, the next one goes on
        assert newest(folder) == UNITS
        if ended:
            break
    assert ended
    assert set(found) == {0, UNITS}
    assert found == sorted(found)


@pytest.mark.spec("P38")
def test_an_increment_killed_at_any_call_leaves_the_old_one_or_the_new_one(folder: Path, source: str) -> None:
    record(source, UNITS, UNITS + 6)
    found = []
    for die_at in range(1, 100):
        copy = folder.parent / f"b{die_at}"
        shutil.copytree(folder, copy)
        ended = run(partial(back_up, source, copy, incremental=True), die_at=die_at)
        found.append(newest(copy))
        if ended:
            break
    assert ended
    assert set(found) == {UNITS, UNITS + 6}


@pytest.mark.spec("P38")
def test_a_restore_killed_at_any_call_leaves_nothing_or_the_whole(folder: Path, source: str, tmp_path: Path) -> None:
    whole = dump(source)
    states = []
    for die_at in range(1, 100):
        place = tmp_path / f"place{die_at}"
        place.mkdir()
        target = place / "target.db"
        ended = run(partial(bring_back, folder, f"sqlite:///{target}"), die_at=die_at)
        states.append(target.exists())
        if target.exists():
            assert dump(f"sqlite:///{target}") == whole
        if ended:
            break
    assert ended
    assert states == sorted(states)
    assert set(states) == {False, True}


@pytest.mark.spec("P38")
def test_a_restore_over_a_store_killed_at_any_call_leaves_the_old_one_or_the_new_one(
    folder: Path, source: str, tmp_path: Path
) -> None:
    whole = dump(source)
    old_url = new_url(tmp_path, "old")
    with connect(old_url) as store:
        note(store, "old")
    old = dump(old_url)
    states = []
    for die_at in range(1, 100):
        place = tmp_path / f"place{die_at}"
        place.mkdir()
        url = f"sqlite:///{place / 'target.db'}"
        shutil.copyfile(tmp_path / "old.db", place / "target.db")
        ended = run(partial(bring_back, folder, url, replace=True), die_at=die_at)
        found = dump(url)
        assert found in (old, whole)
        states.append(found == whole)
        if ended:
            break
    assert ended
    assert states == sorted(states)
    assert set(states) == {False, True}


@pytest.mark.spec("P38")
@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
def test_a_restore_killed_at_any_time_leaves_the_old_store_or_the_new_one(
    folder: Path, source: str, backend: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'target.db'}"
    if backend == "postgres":
        url = str(request.getfixturevalue("postgres_database"))
    upgrade(url)
    with connect(url) as store:
        note(store, "old")
    old, whole = dump(url), dump(source)
    began = time.monotonic()
    verify_backup(folder, restore_target(url))
    at_most_s = 1.5 * (time.monotonic() - began)
    moments = random.Random(backend)
    for _ in range(12):
        run(partial(bring_back, folder, url, replace=True), die_after_s=moments.uniform(0.0, at_most_s))
        found = dump(url)
        assert found in (old, whole)
    bring_back(folder, url, replace=True)
    assert dump(url) == whole


def test_a_restore_killed_on_postgres_leaves_a_schema_that_may_be_dropped(folder: Path, postgres_database: str) -> None:
    run(partial(bring_back, folder, postgres_database), die_after_s=0.0)
    bring_back(folder, postgres_database)
    with sa.create_engine(postgres_database, poolclass=sa.NullPool).connect() as connection:
        names = set(connection.scalars(sa.text("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'charter%'")))
    assert "charter" in names
    assert all(name == "charter" or name.startswith("charter_restore_") for name in names)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a small disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.fixture
def large(tmp_path: Path) -> str:
    """A store that does not fit on the small disk."""
    url = new_url(tmp_path, "large")
    with connect(url) as store:
        for number in range(4):
            with store.begin() as uow:
                uow.objects.put("doc", {"number": number, "text": "x" * DISK_BYTES})
    return url


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
@pytest.mark.spec("P38")
def test_without_space_a_backup_leaves_what_was_there(full_disk: Path, source: str, large: str) -> None:
    with pytest.raises(StorageFullError):
        back_up(large, full_disk / "b")
    assert list((full_disk / "b").iterdir()) == []
    back_up(source, full_disk / "b")
    with connect(source) as store, store.begin() as uow:
        uow.objects.put("doc", "x" * DISK_BYTES)
    with pytest.raises(StorageFullError):
        back_up(source, full_disk / "b", incremental=True)
    assert newest(full_disk / "b") == UNITS


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
@pytest.mark.spec("P38")
@pytest.mark.parametrize("replace", [False, True])
def test_without_space_a_restore_leaves_what_was_there(
    full_disk: Path, large: str, tmp_path: Path, replace: bool
) -> None:
    back_up(large, tmp_path / "b")
    url = f"sqlite:///{full_disk / 'target.db'}"
    if replace:
        upgrade(url)
        with connect(url) as store:
            note(store, "mine")
    before = dump(url) if replace else None
    with pytest.raises(StorageFullError):
        bring_back(tmp_path / "b", url, replace=replace)
    assert [path.name for path in full_disk.iterdir()] == (["target.db"] if replace else [])
    if replace:
        assert dump(url) == before


def test_a_backup_and_a_restore_need_the_same_memory_for_a_store_of_any_size(tmp_path: Path) -> None:
    """Both stores are larger than the caches of SQLite; the larger one by 48 MB of objects."""
    peaks = []
    for units in (16, 40):
        url = new_url(tmp_path, f"store{units}")
        with connect(url) as store:
            for unit in range(units):
                with store.begin() as uow:
                    uow.objects.put_many(("doc", {"unit": unit, "n": n, "text": "x" * 2_000}) for n in range(1_000))
        reader, writer = multiprocessing.Pipe(duplex=False)
        child = server().Process(target=_measure, args=(url, tmp_path / f"b{units}", writer))
        child.start()
        peaks.append(reader.recv())
        child.join()
    assert peaks[1] - peaks[0] < 16 * 1024  # KiB


def _measure(url: str, folder: Path, answer: Any) -> None:
    back_up(url, folder)
    bring_back(folder, f"sqlite:///{folder}.db")
    answer.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def test_sqlite_leaves_no_log_beside_a_restored_store(folder: Path, tmp_path: Path) -> None:
    bring_back(folder, f"sqlite:///{tmp_path / 'target.db'}")
    assert not list(tmp_path.glob("target.db-*"))
    raw = sqlite3.connect(tmp_path / "target.db")
    assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    raw.close()
