"""Plain ``alembic`` with the ini file of the repository does what `upgrade` does, and fails without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from charter_persist.backends.sql.engine import parse_target
from charter_persist.backends.sql.migrate import migration_connection, upgrade
from charter_persist.backends.sql.schema import SCHEMA_HEAD
from tests.migration.database import Database, fingerprint

ROOT = Path(__file__).parents[2]


def alembic(*arguments: str, url: str | None = None, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "CHARTER_URL"}
    if url is not None:
        environment["CHARTER_URL"] = url
    command = [sys.executable, "-m", "alembic", "--config", str(ROOT / "alembic.ini"), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_it_makes_the_same_schema_as_upgrade(database: Database, tmp_path: Path) -> None:
    done = alembic("upgrade", "head", url=database.url)
    assert done.returncode == 0, done.stderr
    made = database.inventory()
    if database.schema:
        database.execute("DROP SCHEMA charter CASCADE")
    else:
        database.path.unlink()
    upgrade(database.url)
    assert database.inventory() == made


def test_the_url_of_the_command_line_goes_before_that_of_the_environment(tmp_path: Path) -> None:
    wanted = Database(f"sqlite:///{tmp_path / 'wanted.db'}", None)
    done = alembic("-x", f"url={wanted.url}", "upgrade", "head", url=f"sqlite:///{tmp_path / 'other.db'}")
    assert done.returncode == 0, done.stderr
    assert wanted.revision() == SCHEMA_HEAD
    assert [file.name for file in tmp_path.iterdir()] == ["wanted.db"]


def test_without_a_url_it_is_a_file_in_the_working_directory(tmp_path: Path) -> None:
    done = alembic("upgrade", "head", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert Database(f"sqlite:///{tmp_path / 'charter.db'}", None).revision() == SCHEMA_HEAD


def test_current_and_check_know_the_schema(database: Database) -> None:
    upgrade(database.url)
    assert f"{SCHEMA_HEAD} (head)" in alembic("current", url=database.url).stdout
    assert "No new upgrade operations detected" in alembic("check", url=database.url).stdout


def test_it_waits_for_the_same_lock_as_upgrade(database: Database) -> None:
    command = [sys.executable, "-m", "alembic", "-x", f"url={database.url}", "upgrade", "head"]
    with migration_connection(parse_target(database.url), known={SCHEMA_HEAD}, lock_timeout_s=1):
        waiting = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(3)
    assert waiting.wait(30) == 0
    assert database.revision() == SCHEMA_HEAD


@pytest.mark.spec("P45")
@pytest.mark.parametrize("revision", ["base", "-1"])
def test_a_downgrade_is_refused_before_any_statement(database: Database, revision: str) -> None:
    upgrade(database.url)
    before = database.inventory()
    files = None if database.schema else fingerprint(database.path)
    done = alembic("downgrade", revision, url=database.url)
    assert done.returncode != 0
    assert "nothing was changed" in done.stderr
    assert "Traceback" not in done.stderr
    assert database.inventory() == before
    assert database.revision() == SCHEMA_HEAD
    assert files is None or fingerprint(database.path) == files


@pytest.mark.parametrize(
    "url", ["mysql://host/db", "sqlite:////no/such/folder/x.db", "postgresql://u:canary@127.0.0.1:1/db"]
)
def test_an_error_is_one_line_without_traceback_or_password(url: str) -> None:
    done = alembic("upgrade", "head", url=url)
    assert done.returncode != 0
    assert "FAILED" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "canary" not in done.stdout + done.stderr


@pytest.mark.parametrize("schema", ["charter", "elsewhere", "Order"])
def test_sql_for_postgres_makes_the_same_schema(postgres_database: str, schema: str) -> None:
    database = Database(f"{postgres_database}?schema={schema}", schema)
    written = alembic("upgrade", "head", "--sql", url=database.url)
    assert written.returncode == 0, written.stderr
    upgrade(database.url)
    made = database.inventory()
    database.execute(f'DROP SCHEMA "{schema}" CASCADE', written.stdout)
    assert database.inventory() == made
    assert database.revision() == SCHEMA_HEAD


def test_sql_for_sqlite_is_refused_with_a_way_out(sqlite_database: Database) -> None:
    done = alembic("upgrade", "head", "--sql", url=sqlite_database.url)
    assert done.returncode != 0
    assert "charter upgrade" in done.stderr
    assert "Traceback" not in done.stderr
    assert not sqlite_database.path.exists()
