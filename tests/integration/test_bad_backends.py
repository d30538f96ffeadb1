"""A backend that cannot be used: a typed error that says what to do, exit code 3, no traceback, nothing damaged."""

from __future__ import annotations

import os
import socket
import sqlite3
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from charter_persist import connect, upgrade
from charter_persist.backends.sql import engine
from charter_persist.backends.sql.migrate import migrations_path
from charter_persist.cli.failure import ExitCode
from charter_persist.errors import (
    BackendError,
    CharterError,
    InvalidInputError,
    MigrationRequiredError,
    ReadOnlyError,
    SchemaError,
    SchemaTooNewError,
    StorageFullError,
    UnavailableError,
)
from tests.command_line import Answer, charter

READS = ("status", "log", "verify", "doctor", "checkpoint")
MAKES = ("init", "upgrade", "demo")
NOBODY = 65534
DISK_BYTES = 1_048_576


def refused(url: str, names: tuple[str, ...], *errors: type[CharterError], says: str) -> None:
    """Each command ends with exit code 3 and one sentence, in either form."""
    codes = {error.code for error in errors}
    for name in names:
        told = charter(name, "--url", url)
        check(told)
        assert says in told.err, told.err
        told = charter(name, "--url", url, "--json")
        check(told)
        assert told.error["code"] in codes
        assert told.error["applied"] == "no"


def check(told: Answer) -> None:
    assert (told.code, told.out) == (ExitCode.UNAVAILABLE, ""), told
    assert "Traceback" not in told.err
    assert len(told.err.splitlines()) == 1


def fingerprint(folder: Path) -> dict[str, str]:
    return {file.name: sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def raw(url: str, *statements: str) -> None:
    """Run statements on Postgres past the package."""
    dsn = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "sqlite"
    folder.mkdir()
    return folder / "store.db"


class TestWrongUrl:
    @pytest.mark.parametrize(
        ("url", "error", "says"),
        [
            ("", InvalidInputError, "not a database URL"),
            ("nonsense", InvalidInputError, "not a database URL"),
            ("/tmp/charter.db", InvalidInputError, "not a database URL"),
            ("sqlite:/x.db", InvalidInputError, "not a database URL"),
            ("postgresql+psycopg://host:port/x", InvalidInputError, "not a database URL"),
            ("mysql://host/x", InvalidInputError, "use sqlite or postgresql+psycopg"),
            ("postgresql+asyncpg://host/x", InvalidInputError, "use sqlite or postgresql+psycopg"),
        ],
    )
    def test_it_is_named_and_an_example_is_given(self, url: str, error: type[CharterError], says: str) -> None:
        with pytest.raises(error):
            connect(url)
        refused(url, READS, error, says=says)
        refused(url, MAKES, error, InvalidInputError, says=says if error is InvalidInputError else "")

    def test_a_file_in_no_folder_and_a_folder_are_no_store(self, tmp_path: Path) -> None:
        absent = f"sqlite:///{tmp_path}/no/such/store.db"
        refused(absent, READS, MigrationRequiredError, says="charter upgrade")
        refused(absent, MAKES, UnavailableError, says="folder")
        refused(f"sqlite:///{tmp_path}", (*READS, *MAKES), UnavailableError, BackendError, says="")
        assert list(tmp_path.iterdir()) == []


class TestUnreachableServer:
    @pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
    def test_nobody_listens(self, host: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
        url = f"postgresql+psycopg://someone@{host}:{port}/x"
        with pytest.raises(UnavailableError):
            connect(url)
        refused(url, ("status", "verify", "init", "demo"), UnavailableError, says="Postgres server")

    def test_the_server_has_no_such_database(self, postgres_database: str) -> None:
        url = sa.make_url(postgres_database).set(database="no_such").render_as_string(hide_password=False)
        refused(url, ("status", "init", "demo"), UnavailableError, says="no_such")


class TestNotOurs:
    def test_a_sqlite_file_of_another_application_is_left_alone(self, file: Path) -> None:
        foreign = sqlite3.connect(file)
        foreign.execute("CREATE TABLE journal (position INTEGER, note TEXT)")
        foreign.execute("INSERT INTO journal VALUES (1, 'mine')")
        foreign.commit()
        foreign.close()
        before = fingerprint(file.parent)
        refused(f"sqlite:///{file}", (*READS, *MAKES), SchemaError, says="another application")
        assert fingerprint(file.parent) == before

    @pytest.mark.parametrize("text", [b"hi", b"This is a text and no database.\n" * 200])
    def test_a_file_that_is_no_database_is_left_alone(self, file: Path, text: bytes) -> None:
        file.write_bytes(text)
        refused(f"sqlite:///{file}", (*READS, *MAKES), SchemaError, says="not a SQLite database")
        assert file.read_bytes() == text
        assert [other.name for other in file.parent.iterdir()] == [file.name]

    def test_an_empty_file_is_no_store_until_it_is_upgraded(self, file: Path) -> None:
        file.touch()
        refused(f"sqlite:///{file}", READS, MigrationRequiredError, says="charter upgrade")
        assert charter("init", "--url", f"sqlite:///{file}").code == ExitCode.FINE

    def test_foreign_tables_in_the_schema_are_left_alone(self, postgres_database: str) -> None:
        raw(postgres_database, "CREATE SCHEMA charter", "CREATE TABLE charter.journal (note text)")
        refused(postgres_database, READS, MigrationRequiredError, SchemaError, says="")
        refused(postgres_database, MAKES, SchemaError, says="another application")
        raw(postgres_database, "INSERT INTO charter.journal VALUES ('mine')")

    def test_a_database_without_a_store_says_what_to_run(self, postgres_database: str) -> None:
        refused(postgres_database, READS, MigrationRequiredError, says="charter upgrade")


@pytest.fixture(params=["sqlite", "postgresql"])
def at_revision(request: pytest.FixtureRequest, file: Path) -> Callable[[str], str]:
    """Makes a store whose schema says that it is of some revision."""
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{file}" if is_sqlite else request.getfixturevalue("postgres_database")

    def make(revision: str) -> str:
        upgrade(url)
        if is_sqlite:
            with sqlite3.connect(file) as connection:
                connection.execute("UPDATE charter_alembic_version SET version_num = ?", (revision,))
            connection.close()
        else:
            raw(url, f"UPDATE charter.charter_alembic_version SET version_num = '{revision}'")
        return str(url)

    return make


@pytest.mark.spec("P45")
class TestSchema:
    def test_too_old_names_the_command(self, at_revision: Callable[[str], str]) -> None:
        url = at_revision("0000")
        with pytest.raises(MigrationRequiredError):
            connect(url)
        refused(url, READS, MigrationRequiredError, says="charter upgrade")

    def test_too_new_names_the_package_and_is_never_touched(self, at_revision: Callable[[str], str]) -> None:
        url = at_revision("9999")
        with pytest.raises(SchemaTooNewError):
            connect(url)
        refused(url, (*READS, *MAKES), SchemaTooNewError, says="upgrade charter_persist")


@contextmanager
def ordinary_user() -> Iterator[None]:
    """No rights of root inside the block: permission bits hold for this process."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def makes() -> tuple[str, ...]:
    """The commands that read files of the checkout, where an ordinary user can: one in the home of root is closed to them."""
    with ordinary_user():
        try:
            (migrations_path() / "env.py").read_bytes()
        except OSError:
            return ()
        return MAKES


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that an ordinary user reaches and owns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        yield folder
        folder.chmod(stat.S_IRWXU)


def store_of_an_ordinary_user(folder: Path) -> str:
    """A store with one object; whatever is imported late has been imported after this."""
    url = f"sqlite:///{folder / 'store.db'}"
    upgrade(url)
    with connect(url) as store, store.begin() as uow:
        uow.objects.put("note", 1)
    for file in folder.iterdir():
        if os.geteuid() == 0:
            os.chown(file, NOBODY, NOBODY)
    return url


class TestReadOnly:
    def put(self, url: str, *form: str) -> Answer:
        return charter("put", "note", "--url", url, *form, stdin=b"2")

    def test_a_file_that_may_not_be_written_can_be_read_and_verified(self, open_folder: Path) -> None:
        url = store_of_an_ordinary_user(open_folder)
        (open_folder / "store.db").chmod(stat.S_IRUSR)
        before = (open_folder / "store.db").read_bytes()
        with ordinary_user():
            told = self.put(url)
            check(told)
            assert "permissions" in told.err
            told = self.put(url, "--json")
            assert (told.code, told.error["code"]) == (ExitCode.UNAVAILABLE, ReadOnlyError.code)
            assert charter("verify", "--url", url, "--json").json["level"] == "chain"
            assert charter("status", "--url", url, "--json").json["entries"] == 1
        assert (open_folder / "store.db").read_bytes() == before

    def test_a_folder_that_may_not_be_written_is_a_typed_error(self, open_folder: Path) -> None:
        url = store_of_an_ordinary_user(open_folder)
        (open_folder / "store.db").chmod(stat.S_IRUSR)
        open_folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
        with ordinary_user():
            told = self.put(url)
            check(told)
            assert "database file cannot be" in told.err
            refused(f"sqlite:///{open_folder}/new.db", makes(), UnavailableError, says="folder")

    def test_a_file_that_may_not_be_read_is_a_typed_error(self, open_folder: Path) -> None:
        url = store_of_an_ordinary_user(open_folder)
        (open_folder / "store.db").chmod(0)
        with ordinary_user():
            refused(url, (*READS, *makes()), UnavailableError, ReadOnlyError, says="database file cannot be")

    def test_a_folder_that_may_not_be_entered_is_a_typed_error(self, open_folder: Path) -> None:
        inner = open_folder / "closed"
        inner.mkdir()
        url = store_of_an_ordinary_user(inner)
        inner.chmod(0)
        with ordinary_user():
            refused(url, READS, UnavailableError, MigrationRequiredError, says="")
            refused(url, makes(), UnavailableError, says="")
        inner.chmod(stat.S_IRWXU)

    def test_a_server_that_takes_no_writes_can_be_read_and_verified(self, postgres_database: str) -> None:
        upgrade(postgres_database)
        name = sa.make_url(postgres_database).database
        raw(postgres_database, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        told = self.put(postgres_database)
        check(told)
        assert "standby" in told.err
        told = self.put(postgres_database, "--json")
        assert (told.code, told.error["code"]) == (ExitCode.UNAVAILABLE, ReadOnlyError.code)
        assert charter("verify", "--url", postgres_database).code == ExitCode.FINE


@pytest.fixture
def full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with room for a store and hardly more; a real small disk where one can be mounted.

    Elsewhere SQLite is told that the file must not grow, and answers as it does on a full disk.
    """
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    if not mounted:
        limit_pages(monkeypatch)
    yield disk
    if mounted:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def limit_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no SQLite file grow beyond the size of the small disk."""
    prepare = engine.prepare_sqlite

    def prepare_small(connection: sqlite3.Connection, **options: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {DISK_BYTES // 4096}")
        prepare(connection, **options)

    monkeypatch.setattr(engine, "prepare_sqlite", prepare_small)


class TestFullDisk:
    LARGE = b'"' + b"x" * 2 * DISK_BYTES + b'"'

    def check_full(self, disk: Path) -> None:
        url = f"sqlite:///{disk / 'store.db'}"
        assert charter("init", "--url", url).code == ExitCode.FINE
        assert charter("put", "note", "--url", url, stdin=b"1").code == ExitCode.FINE
        before = charter("status", "--url", url, "--json").json
        told = charter("put", "note", "--url", url, stdin=self.LARGE)
        check(told)
        assert "Free space" in told.err
        told = charter("put", "note", "--url", url, "--json", stdin=self.LARGE)
        assert (told.code, told.error["code"]) == (ExitCode.UNAVAILABLE, StorageFullError.code)
        assert told.error["applied"] == "no"
        assert charter("status", "--url", url, "--json").json == before
        assert charter("verify", "--url", url).code == ExitCode.FINE
        assert charter("put", "note", "--url", url, stdin=b"2").code == ExitCode.FINE

    def test_a_write_that_does_not_fit_leaves_nothing_and_the_store_goes_on(self, full_disk: Path) -> None:
        self.check_full(full_disk)

    def test_the_same_holds_where_only_the_file_may_not_grow(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limit_pages(monkeypatch)
        self.check_full(tmp_path)

    def test_a_demonstration_that_does_not_fit_ends_with_a_typed_error(self, full_disk: Path) -> None:
        refused(f"sqlite:///{full_disk / 'store.db'}", ("demo",), StorageFullError, says="Free space")

    def test_a_server_without_space_is_the_same_error(self, postgres_database: str) -> None:
        upgrade(postgres_database)
        raw(
            postgres_database,
            "CREATE FUNCTION charter.full() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$",
            "CREATE TRIGGER full_disk BEFORE INSERT ON charter.journal EXECUTE FUNCTION charter.full()",
        )
        told = charter("put", "note", "--url", postgres_database, "--json", stdin=b"1")
        assert (told.code, told.error["code"]) == (ExitCode.UNAVAILABLE, StorageFullError.code)
        counts = charter("status", "--url", postgres_database, "--json").json["counts"]
        assert set(counts.values()) == {0}
