"""A wheel brings its migrations and the scripts for Postgres with it, and an installed package can upgrade a database."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from charter_persist.backends.sql.schema import SCHEMA_HEAD
from tests.migration.database import Database

ROOT = Path(__file__).parents[2]


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder))
    (built,) = folder.glob("*.whl")
    return built


def test_a_wheel_holds_every_migration_and_the_scripts(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    here = {path.relative_to(ROOT).as_posix() for path in (ROOT / "migrations").rglob("*.py")}
    assert {f"charter_persist/{name}" for name in here | {"migrations/script.py.mako"}} <= names
    assert {f"charter_persist/backends/sql/{name}.sql" for name in ("roles", "vectors")} <= names
    assert "charter_persist/py.typed" in names


def test_a_wheel_holds_nothing_beside_the_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "charter_persist",
        f"{'-'.join(wheel.name.split('-')[:2])}.dist-info",
    }
    assert not [name for name in names if name.endswith((".pyc", ".db"))]


def test_an_installed_wheel_upgrades_a_database(wheel: Path, database: Database, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    run(
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(installed),
        str(wheel),
    )
    program = (
        "from charter_persist.backends.sql.migrate import migrations_path, upgrade\n"
        f"upgrade({database.url!r})\n"
        "print(migrations_path())\n"
    )
    printed = run(sys.executable, "-P", "-c", program, PYTHONPATH=str(installed))
    assert Path(printed.strip()) == installed / "charter_persist" / "migrations"
    assert database.revision() == SCHEMA_HEAD
