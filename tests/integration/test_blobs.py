"""Large contents beside a ledger: uploaded before the unit, named by it, and told of whatever becomes of them."""

from __future__ import annotations

import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from charter_persist import Store, connect, connect_async, upgrade
from charter_persist.backends.contract import OBJECT
from charter_persist.backends.files import FileArchive
from charter_persist.backends.s3 import S3Archive
from charter_persist.engine.boot import BootMode, boot
from charter_persist.errors import (
    BackendError,
    CharterError,
    ContentMissingError,
    DigestMismatchError,
    InvalidInputError,
    MigrationRequiredError,
    NotStagedError,
    NotSupportedError,
    ReadOnlyError,
    StoreClosedError,
)
from charter_persist.integrity.fsck import fsck
from charter_persist.integrity.verify import verify
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.digest import digest
from charter_persist.model.limits import DEFAULT_OPTIONS
from charter_persist.repositories import contents as contents_module
from charter_persist.repositories.contents import Contents
from charter_persist.transfer.backup import backup
from charter_persist.transfer.export import export_bundle
from tests.backups import bring_back
from tests.bundles import bundle_of, counting, memory_store, take
from tests.command_line import charter
from tests.governed_store import govern, ticking
from tests.s3_server import Bucket, FaultProxy

pytestmark = pytest.mark.spec("CCOS-3", "STO-3.1")

THRESHOLD = 100
LARGE = {"text": "x" * 1_000}
SMALL = {"text": "y"}
NAME = digest("doc", LARGE)
DAY_S = 24 * 3_600


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory":
        return "memory://"
    made = f"sqlite:///{tmp_path / 'charter.db'}"
    if request.param == "postgres":
        made = request.getfixturevalue("postgres_database")
    upgrade(made)
    return made


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'charter.db'}"
    upgrade(url)
    return url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture(params=["files", "s3"])
def blobs(request: pytest.FixtureRequest, folder: Path) -> str:
    if request.param == "files":
        return folder.as_uri()
    bucket: Bucket = request.getfixturevalue("bucket")
    return bucket.url("beside")


@pytest.fixture
def store(url: str, blobs: str) -> Iterator[Store]:
    with open_store(url, blobs) as store:
        yield store


def open_store(url: str, blobs: str | None, **arguments: Any) -> Store:
    return connect(url, blobs=blobs, blob_threshold_bytes=THRESHOLD, **arguments)


def put(store: Store, content: Any = LARGE) -> str:
    """Stage and put."""
    store.stage("doc", content)
    with store.begin() as uow:
        return uow.objects.put("doc", content)


def beside(store: Store) -> list[str]:
    """The digests of what lies beside."""
    backend = store._sources.contents.backend
    assert backend is not None
    return [kept.content_hash for kept in backend.scan("object")]


def place_of(folder: Path, name: str = NAME) -> Path:
    return folder / "object" / name[:2] / name[2:4] / f"{name}.json"


def age(path: Path, seconds: float) -> None:
    """Make a file as old as that."""
    os.utime(path, (time.time() - seconds,) * 2)


def codes(store: Store) -> dict[str, int]:
    return dict(fsck(store).counts)


class TestStaging:
    """What is large goes beside before the unit, and the unit only names it."""

    def test_what_is_staged_is_named_and_read_like_any_object(self, store: Store) -> None:
        assert store.stage("doc", LARGE) == NAME
        with store.read() as view:
            assert view.objects.get(NAME) is None  # it is no object before a unit names it
        with store.begin() as uow:
            assert uow.objects.put("doc", LARGE) == NAME
            assert uow.objects.require(NAME).object == LARGE
            uow.refs.set("doc/newest", NAME, expected=0)
        with store.read() as view:
            (row,) = view.rows.scan(OBJECT, ("position",))
            assert (row.data, row.size) == (b"", len(canonical_bytes(LARGE)))
            for read in (
                view.objects.require(NAME),
                view.objects.find(NAME[:9]),
                *view.objects.iter("doc"),
                *view.objects.list().items,
            ):
                assert (read.object, read.object_hash) == (LARGE, NAME)
        assert beside(store) == [NAME]
        assert codes(store) == {}

    def test_what_is_not_staged_is_refused_and_nothing_is_written(self, store: Store) -> None:
        with pytest.raises(NotStagedError) as caught, store.begin() as uow:
            uow.objects.put("doc", SMALL)
            uow.objects.put("doc", LARGE)
        assert (caught.value.digest, caught.value.threshold, caught.value.applied) == (NAME, THRESHOLD, "no")
        assert caught.value.size == len(canonical_bytes(LARGE))
        with pytest.raises(NotStagedError), store.begin() as uow:
            uow.objects.put_many([("doc", SMALL), ("doc", LARGE)])
        with store.read() as view:
            assert view.revision == 0
        assert beside(store) == []

    def test_what_is_small_goes_into_its_row_staged_or_not(self, store: Store) -> None:
        at_most = "x" * (THRESHOLD - 2)
        for content in (SMALL, at_most):
            store.stage("doc", content)
        with store.begin() as uow:
            uow.objects.put_many([("doc", SMALL), ("doc", at_most)])
        assert beside(store) == []
        store.stage("doc", at_most + "x")
        assert len(beside(store)) == 1

    def test_what_is_stored_needs_no_staging_any_more(self, url: str, store: Store, blobs: str) -> None:
        put(store)
        revision = store.read().revision
        again = store if url == "memory://" else open_store(url, blobs)
        with again.begin() as uow:
            assert uow.objects.put("doc", LARGE) == NAME
            assert uow.objects.put_many([("doc", LARGE)]) == [NAME]
        assert again.read().revision == revision
        again.close()

    def test_a_unit_that_fails_after_staging_can_be_run_again(self, store: Store) -> None:
        store.stage("doc", LARGE)
        with pytest.raises(ZeroDivisionError), store.begin() as uow:
            uow.objects.put("doc", LARGE)
            raise ZeroDivisionError
        assert store.run(lambda uow: uow.objects.put("doc", LARGE)).value == NAME

    def test_nothing_is_staged_while_a_unit_is_open(self, store: Store) -> None:
        """Every other writer would wait for the upload."""
        with store.begin(), pytest.raises(InvalidInputError, match="unit of work open"):
            store.stage("doc", LARGE)
        assert beside(store) == []

    def test_where_content_lies_changes_no_root(self, url: str, blobs: str, tmp_path: Path) -> None:
        def grown(store: Store) -> tuple[bytes, str]:
            with store:
                for n in range(5):
                    put(store, {"n": n, "text": "z" * 60 * n})
                with store.read() as view:
                    return view.journal.root(), verify(store, store_id="any").level

        def sources() -> dict[str, Any]:
            return {"clock": ticking(), "new_id": counting("id"), "nonce": lambda: bytes(16)}

        assert grown(open_store(url, blobs, **sources())) == grown(connect("memory://", **sources()))

    def test_inside_a_unit_nothing_beside_is_touched(
        self, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Every writer waits meanwhile."""
        with open_store(url, folder.as_uri()) as store:
            store.stage("doc", LARGE)
            for name in ("put", "renew", "get", "stat", "scan"):
                monkeypatch.setattr(FileArchive, name, None)
            with store.begin() as uow:
                uow.objects.put("doc", LARGE)
                uow.objects.put("doc", LARGE)
                assert uow.objects.exists(NAME)
                uow.refs.set("doc/newest", NAME, expected=0)
            monkeypatch.undo()
            with store.read() as view:
                assert view.objects.require(NAME).object == LARGE

    def test_what_governs_is_in_rows_whatever_its_size(self, url: str, folder: Path) -> None:
        """It is made within units, where nobody can have staged it."""
        with connect(url, blobs=folder.as_uri(), blob_threshold_bytes=0) as store:
            store.stage("session", LARGE)
            govern(store)
            assert beside(store) == []
            assert codes(store) == {}

    def test_the_same_content_of_two_types_lies_there_twice(self, store: Store) -> None:
        put(store)
        store.stage("note", LARGE)
        with store.begin() as uow:
            other = uow.objects.put("note", LARGE)
        assert sorted(beside(store)) == sorted([NAME, other])

    def test_a_view_of_the_past_and_a_watch_read_it_too(self, store: Store) -> None:
        put(store)
        put(store, SMALL)
        with store.read(as_of=1) as past:
            assert past.objects.require(NAME).object == LARGE
        with store.watch("object:doc", after=0) as watch:
            (event,) = next(iter(watch)).events
        assert event.new_value == canonical_bytes(LARGE)

    @pytest.mark.parametrize("bad", [{"n": float("nan")}, object(), {"deep": "x" * DEFAULT_OPTIONS.object_bytes_max}])
    def test_what_no_object_can_hold_is_refused_when_it_is_staged(self, store: Store, bad: Any) -> None:
        with pytest.raises(InvalidInputError):
            store.stage("doc", bad)
        with pytest.raises(InvalidInputError):
            store.stage("no type", LARGE)
        assert beside(store) == []

    def test_without_a_place_beside_everything_is_in_its_row(self, url: str) -> None:
        with connect(url, blob_threshold_bytes=0) as store:
            assert put(store) == NAME
            with store.read() as view:
                assert next(iter(view.rows.scan(OBJECT, ("position",)))).data == canonical_bytes(LARGE)

    async def staged_in_a_task(self, url: str, blobs: str) -> Any:
        async with await connect_async(url, blobs=blobs, blob_threshold_bytes=THRESHOLD) as store:
            assert await store.stage("doc", LARGE) == NAME
            async with store.begin() as uow:
                await uow.objects.put("doc", LARGE)
            async with store.read() as view:
                return (await view.objects.require(NAME)).object

    async def staged_in_a_unit(self, blobs: str) -> None:
        async with await connect_async("memory://", blobs=blobs, blob_threshold_bytes=THRESHOLD) as store:
            async with store.begin():
                with pytest.raises(InvalidInputError, match="unit of work open"):
                    await store.stage("doc", LARGE)
            assert beside(store.sync_store) == []

    def test_no_task_stages_while_its_unit_is_open(self, folder: Path) -> None:
        import asyncio

        asyncio.run(self.staged_in_a_unit(folder.as_uri()))

    def test_through_the_async_face(self, url: str, blobs: str) -> None:
        import asyncio

        assert asyncio.run(self.staged_in_a_task(url, blobs)) == LARGE


class TestAges:
    """What a unit may still name is never taken for left over."""

    @pytest.fixture
    def archive(self, folder: Path) -> FileArchive:
        return FileArchive(folder)

    def test_what_was_staged_half_a_day_ago_must_be_staged_again(self, archive: FileArchive) -> None:
        now = [0.0]
        contents = Contents(archive, 0, now=lambda: now[0])
        contents.stage("doc", b"d" * 32, b"data")
        now[0] = DAY_S / 2
        assert contents.placed("doc", b"d" * 32, b"data") == b""
        now[0] += 1
        with pytest.raises(NotStagedError):
            contents.placed("doc", b"d" * 32, b"data")
        contents.stage("doc", b"d" * 32, b"data")
        assert contents.placed("doc", b"d" * 32, b"data") == b""

    def test_staging_again_makes_an_old_upload_new(self, archive: FileArchive, folder: Path) -> None:
        raw = b"d" * 32
        Contents(archive, 0).stage("doc", raw, b"data")
        path = place_of(folder, raw.hex())
        age(path, 2 * DAY_S)
        later = Contents(archive, 0)
        assert [kept.content_hash for kept in later.abandoned()] == [raw.hex()]
        later.stage("doc", raw, b"data")
        assert time.time() - path.stat().st_mtime < 60
        assert list(later.abandoned()) == []
        assert path.read_bytes() == b"data"

    def test_so_it_does_in_a_bucket(self, bucket: Bucket) -> None:
        raw = b"d" * 32
        archive = S3Archive(bucket.address("beside"))
        Contents(archive, 0).stage("doc", raw, b"data")
        (first,) = archive.scan("object")
        time.sleep(1.1)  # a bucket dates in whole seconds
        Contents(archive, 0, now=lambda: time.time() + 7_200).stage("doc", raw, b"data")
        (second,) = archive.scan("object")
        assert second.stored_at > first.stored_at
        assert archive.get("object", raw.hex()) == b"data"

    def test_what_is_damaged_there_is_mended_by_staging(self, archive: FileArchive, folder: Path) -> None:
        raw = b"d" * 32
        contents = Contents(archive, 0)
        contents.stage("doc", raw, b"data")
        place_of(folder, raw.hex()).write_bytes(b"dat")
        contents.stage("doc", raw, b"data")
        assert archive.get("object", raw.hex()) == b"data"

    def test_what_is_staged_again_can_be_named_all_the_time(self, archive: FileArchive) -> None:
        """A thread may stage it while the unit of another one names it."""
        named: list[bytes] = []
        naming = True

        def now() -> float:
            nonlocal naming
            if not naming:
                naming = True  # to name it asks for the time as well
                named.append(contents.placed("doc", b"d" * 32, b"data"))
                naming = False
            return 0.0

        contents = Contents(archive, 0, now=now)
        contents.stage("doc", b"d" * 32, b"data")
        naming = False
        contents.stage("doc", b"d" * 32, b"data")
        assert len(named) == 2  # before the upload is looked at, and before it is remembered

    def test_the_memory_of_what_was_staged_has_a_bound(
        self, archive: FileArchive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(contents_module, "STAGED_MAX", 2)
        contents = Contents(archive, 0)
        for n in (1, 2, 1, 3):
            contents.stage("doc", bytes([n]) * 32, b"data")
        assert contents.placed("doc", b"\1" * 32, b"data") == contents.placed("doc", b"\3" * 32, b"data") == b""
        with pytest.raises(NotStagedError):
            contents.placed("doc", b"\2" * 32, b"data")


class TestFsck:
    """What lies beside is checked with the rest."""

    def test_an_unnamed_upload_is_left_over_after_a_day(self, url: str, folder: Path) -> None:
        with open_store(url, folder.as_uri()) as store:
            put(store)
            left = store.stage("doc", [LARGE])
            assert codes(store) == {}
            for name in (NAME, left):
                age(place_of(folder, name), DAY_S - 60)
            assert codes(store) == {}
            for name in (NAME, left):
                age(place_of(folder, name), DAY_S + 60)
            (finding,) = fsck(store).findings
            assert (finding.code, finding.subject) == ("ORPHANED_CONTENT", f"blobs/{left}")
            assert finding.kind.severity == "soft"

    def test_many_of_them_are_all_told_of(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from charter_persist.integrity import beside as beside_module

        monkeypatch.setattr(beside_module, "CHUNK", 3)
        with open_store("memory://", folder.as_uri()) as store:
            for n in range(10):
                named = put(store, [n, LARGE])
                age(place_of(folder, named), 2 * DAY_S)
            for n in range(8):
                age(place_of(folder, store.stage("doc", [n, n, LARGE])), 2 * DAY_S)
            assert codes(store) == {"ORPHANED_CONTENT": 8}

    @pytest.mark.parametrize(
        ("damage", "code", "error"),
        [
            (lambda path: path.unlink(), "CONTENT_MISSING", ContentMissingError),
            (lambda path: path.write_bytes(b"{}"), "HASH_MISMATCH", DigestMismatchError),
            (lambda path: path.write_bytes(path.read_bytes()[:-1]), "HASH_MISMATCH", DigestMismatchError),
            (lambda path: (path.unlink(), path.mkdir()), "CONTENT_MISSING", BackendError),
        ],
        ids=["missing", "other", "cut", "no file"],
    )
    def test_damage_is_found_and_never_read(
        self, url: str, folder: Path, damage: Callable[[Path], object], code: str, error: type[Exception]
    ) -> None:
        with open_store(url, folder.as_uri()) as store:
            put(store)
            put(store, [LARGE, LARGE])
            damage(place_of(folder))
            (finding,) = fsck(store).findings
            assert (finding.code, finding.subject) == (code, "object/1")
            assert [found.code for found in verify(store, store_id="any").findings] == [code]
            with store.read() as view:
                with pytest.raises(error):
                    view.objects.get(NAME)
                assert view.objects.exists(NAME)
            report = boot(store, BootMode.RECOVERY)
            told = {found.code for phase in report.phases for found in phase.findings}
            assert told & {code, "UNKNOWN_OBJECT_KIND"}  # another size is told of first

    def test_without_its_place_a_store_says_what_is_missing(self, sqlite: str, folder: Path) -> None:
        with open_store(sqlite, folder.as_uri()) as store:
            put(store)
        with connect(sqlite) as store:
            (finding,) = fsck(store).findings
            assert finding.code == "CONTENT_MISSING"
            assert "blobs=" in finding.message
            with store.read() as view, pytest.raises(ContentMissingError, match="blobs="):
                view.objects.require(NAME)


class TestCopies:
    """A copy of a store is whole by itself, or is not made."""

    def test_a_backup_takes_along_what_lies_beside(self, url: str, blobs: str, tmp_path: Path) -> None:
        with open_store(url, blobs) as store:
            put(store)
            backup(store, tmp_path / "copy", store_id=store.store_id)
            put(store, [LARGE])
            backup(store, tmp_path / "copy", store_id=store.store_id, incremental=True)
            with store.read() as view:
                root = view.journal.root()
        bring_back(tmp_path / "copy", f"sqlite:///{tmp_path / 'back.db'}")
        with connect(f"sqlite:///{tmp_path / 'back.db'}") as back, back.read() as view:
            assert view.objects.require(NAME).object == LARGE
            assert view.objects.require(digest("doc", [LARGE])).object == [LARGE]
            assert view.journal.root() == root
            assert fsck(back).findings == ()

    def test_without_its_place_no_backup_is_made(self, sqlite: str, folder: Path, tmp_path: Path) -> None:
        with open_store(sqlite, folder.as_uri()) as store:
            put(store)
        with connect(sqlite) as store, pytest.raises(ContentMissingError):
            backup(store, tmp_path / "copy", store_id=store.store_id)
        with open_store(sqlite, folder.as_uri()) as store:
            assert backup(store, tmp_path / "copy", store_id=store.store_id).is_new

    def test_a_store_that_was_restored_goes_on_with_the_same_place(
        self, sqlite: str, folder: Path, tmp_path: Path
    ) -> None:
        with open_store(sqlite, folder.as_uri()) as store:
            put(store)
            backup(store, tmp_path / "copy", store_id=store.store_id)
        bring_back(tmp_path / "copy", sqlite, replace=True)
        with open_store(sqlite, folder.as_uri()) as store:
            put(store, [LARGE])
            age(place_of(folder), 2 * DAY_S)
            with store.read() as view:
                assert [found.object for found in view.objects.iter()] == [LARGE, [LARGE]]
            assert codes(store) == {}

    def test_a_bundle_holds_what_lies_beside(self, store: Store) -> None:
        put(store)
        other = memory_store("other")
        take(other, bundle_of(store))
        with other.read() as view:
            assert view.objects.require(NAME).object == LARGE
        other.close()

    def test_without_its_place_nothing_is_exported(self, sqlite: str, folder: Path) -> None:
        with open_store(sqlite, folder.as_uri()) as store:
            put(store)
        with connect(sqlite) as store, store.read() as view, pytest.raises(ContentMissingError):
            export_bundle(view, io.BytesIO().write)


class TestOpening:
    """A place beside is opened with the store, and is what it is said to be."""

    def test_a_place_in_the_network_is_refused_where_there_is_none(self, bucket: Bucket) -> None:
        with pytest.raises(NotSupportedError, match="s3"):
            connect("memory://", blobs=bucket.url("beside"), air_gapped=True)

    def test_what_lies_in_the_network_needs_it(self, blobs: str, folder: Path) -> None:
        with open_store("memory://", blobs) as store:
            assert store.requires_network == blobs.startswith("s3")
            assert store.supports_air_gapped != store.requires_network

    @pytest.mark.parametrize(
        "blobs", ["memory://", "sqlite:///x.db", "etcd://127.0.0.1:1", "blobs", "file:relative", ""]
    )
    def test_what_is_no_such_place_is_refused(self, blobs: str) -> None:
        with pytest.raises(InvalidInputError):
            connect("memory://", blobs=blobs)

    def test_a_threshold_is_not_negative(self, folder: Path) -> None:
        with pytest.raises(InvalidInputError, match="blob_threshold_bytes"):
            connect("memory://", blobs=folder.as_uri(), blob_threshold_bytes=-1)

    @pytest.mark.parametrize("url", ["etcd://127.0.0.1:1", "file:///tmp", "s3://bucket/prefix"])
    def test_nothing_lies_beside_a_store_that_has_no_objects(self, url: str, folder: Path) -> None:
        with pytest.raises(NotSupportedError, match="beside"):
            connect(url, blobs=folder.as_uri())

    def test_a_store_without_objects_stages_nothing(self, tmp_path: Path) -> None:
        with connect((tmp_path / "archive").as_uri()) as store, pytest.raises(NotSupportedError, match="objects"):
            store.stage("doc", LARGE)

    def test_a_reader_uploads_nothing(self, sqlite: str, folder: Path) -> None:
        with open_store(sqlite, folder.as_uri()) as store:
            put(store)
        with open_store(sqlite, folder.as_uri(), read_only=True) as store:
            with pytest.raises(ReadOnlyError):
                store.stage("doc", [LARGE])
            with store.read() as view:
                assert view.objects.require(NAME).object == LARGE

    def test_a_closed_store_stages_nothing(self, folder: Path) -> None:
        store = open_store("memory://", folder.as_uri())
        put(store)
        store.close()
        store.close()
        with pytest.raises(StoreClosedError):
            store.stage("doc", LARGE)
        assert NAME in (folder / "object" / "index.json").read_text()

    def test_a_place_that_is_away_is_told_of(self, sqlite: str, folder: Path) -> None:
        with open_store(sqlite, folder.as_uri()) as store:
            assert store.health_check().problem is None
            assert store.diagnose().facts["blobs folder"] == str(folder)
            folder.rmdir()
            health = store.health_check()
            assert health.ok
            assert str(folder) in str(health.problem)
            assert any(str(folder) in problem for problem in store.diagnose().problems)

    def test_a_place_that_cannot_be_opened_leaves_no_ledger_open(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A private file is gone when its store is closed."""
        (tmp_path / "private").mkdir()
        (tmp_path / "occupied").touch()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "private"))
        with pytest.raises(CharterError, match="occupied"):
            open_store("sqlite://", (tmp_path / "occupied").as_uri())
        assert list((tmp_path / "private").iterdir()) == []

    def test_a_ledger_that_cannot_be_opened_makes_no_place(self, tmp_path: Path, folder: Path) -> None:
        with pytest.raises(MigrationRequiredError, match="charter upgrade"):
            open_store(f"sqlite:///{tmp_path / 'none.db'}", folder.as_uri())
        assert not folder.exists()


class TestFaults:
    """An upload that fails is an error of `stage`, and no unit can name what is not there."""

    def test_a_bucket_that_fails_refuses_the_unit(self, bucket: Bucket, fault_proxy: FaultProxy) -> None:
        with connect(
            "memory://",
            blobs=bucket.url("beside", fault_proxy.endpoint),
            blob_threshold_bytes=THRESHOLD,
            unit_timeout_s=2.0,
        ) as store:
            fault_proxy.act = lambda method, _path: "500" if method == "PUT" else None
            with pytest.raises(BackendError):
                store.stage("doc", LARGE)
            with pytest.raises(NotStagedError), store.begin() as uow:
                uow.objects.put("doc", LARGE)
            fault_proxy.act = lambda method, path: None
            assert put(store) == NAME

    def test_an_answer_that_is_lost_is_asked_for_again(self, bucket: Bucket, fault_proxy: FaultProxy) -> None:
        left = [1]

        def act(method: str, path: str) -> str | None:
            if method == "PUT" and NAME in path and left[0]:
                left[0] -= 1
                return "lose the answer"
            return None

        with open_store("memory://", bucket.url("beside", fault_proxy.endpoint)) as store:
            fault_proxy.act = act
            assert put(store) == NAME
            assert not left[0]
            with store.read() as view:
                assert view.objects.require(NAME).object == LARGE


class TestCommandLine:
    """Every command knows the place, by an option or by the environment."""

    def test_put_get_and_fsck(self, sqlite: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        large = canonical_bytes({"text": "x" * 2_000_000})
        told = charter("put", "doc", "--url", sqlite, "--blobs", folder.as_uri(), stdin=large)
        assert told.code == 0, told.err
        name = told.out.strip()
        assert place_of(folder, name).read_bytes() == large
        assert charter("get", name, "--url", sqlite).code != 0
        monkeypatch.setenv("CHARTER_BLOBS", folder.as_uri())
        assert charter("get", name, "--url", sqlite).out.encode() in (large, large + b"\n")
        assert charter("fsck", "--url", sqlite).code == 0
        age(place_of(folder, name), 2 * DAY_S)
        assert charter("fsck", "--url", sqlite).code == 0
        monkeypatch.delenv("CHARTER_BLOBS")
        assert "CONTENT_MISSING" in charter("fsck", "--url", sqlite).out
