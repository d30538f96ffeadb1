"""An empty database of each kind for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.migration.database import Database


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Database:
    folder = tmp_path / "sqlite"
    folder.mkdir()
    return Database(f"sqlite:///{folder / 'store.db'}", None)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    if request.param == "sqlite":
        found: Database = request.getfixturevalue("sqlite_database")
        return found
    return Database(request.getfixturevalue("postgres_database"), "charter")
