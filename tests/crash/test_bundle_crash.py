"""An export or import that is killed, or finds no space, leaves what was there or the whole."""

from __future__ import annotations

import errno
import random
from functools import partial
from pathlib import Path

import pytest

from charter_persist import connect, upgrade
from charter_persist.engine.charter import Charter
from charter_persist.errors import StorageFullError
from charter_persist.integrity.verify import verify
from charter_persist.transfer.export import export_file
from charter_persist.transfer.importing import import_bundle
from tests.bundles import bundle_of, governed, take
from tests.crash.test_backup_crash import run

KILLS = 25


@pytest.fixture(scope="module")
def bundle() -> bytes:
    """Of enough objects that there is a middle."""
    with governed("a", "b") as store:
        with store.begin() as uow:
            uow.objects.put_many(("note", {"n": n}) for n in range(3_000))
        return bundle_of(store)


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'charter.db'}"
    upgrade(url)
    return url


def write_out(url: str, path: Path) -> None:
    """What an exporting child does."""
    with connect(url) as store, store.read() as view:
        export_file(view, path)


def take_in(url: str, path: Path) -> None:
    """What an importing child does."""
    with connect(url) as store:
        import_bundle(store, path, mode="restore")


@pytest.mark.spec("P38")
def test_an_export_killed_at_any_call_leaves_the_old_file_or_the_new_one(
    url: str, bundle: bytes, tmp_path: Path
) -> None:
    with connect(url) as store:
        take(store, bundle)
    path = tmp_path / "out.charter"
    found = []
    for die_at in range(1, 20):
        path.write_bytes(b"old")
        ended = run(partial(write_out, url, path), die_at=die_at)
        found.append(path.read_bytes())
        if ended:
            break
    assert ended
    assert set(found) == {b"old", bundle}


@pytest.mark.spec("P38")
def test_an_import_killed_at_any_time_leaves_nothing_or_the_whole(url: str, bundle: bytes, tmp_path: Path) -> None:
    path = tmp_path / "in.charter"
    path.write_bytes(bundle)
    with connect(url) as store:
        empty = bundle_of(store)
    chance = random.Random(3)
    for _ in range(KILLS):
        run(partial(take_in, url, path), die_after_s=chance.uniform(0.05, 0.8))
        with connect(url) as store:
            content = bundle_of(store)
            assert content in (empty, bundle)
            assert verify(store, store_id=store.store_id).findings == ()
    assert run(partial(take_in, url, path))
    with connect(url) as store:
        assert bundle_of(store) == bundle
        assert Charter(store).findings() == ()


@pytest.mark.spec("P38")
def test_an_export_without_space_leaves_the_old_file(url: str, bundle: bytes, tmp_path: Path) -> None:
    with connect(url) as store:
        take(store, bundle)
        path = tmp_path / "out.charter"
        path.write_bytes(b"old")
        with store.read() as view, pytest.raises(StorageFullError):
            export_file(view, path, progress=_no_space)
    assert path.read_bytes() == b"old"
    assert sorted(item.name for item in tmp_path.iterdir() if item.suffix != ".db") == ["out.charter"]


def _no_space(_done: int, _total: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
