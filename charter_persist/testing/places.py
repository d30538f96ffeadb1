"""Places for stores: empty ones, one after another, wherever a URL points.

A test must begin with an empty store and leave nothing behind. What stands at the URL itself is never touched: SQLite
files are made in a folder of their own beside it, and on Postgres a schema of its own is made and dropped.

Imports ``store`` and concrete backends, because it is a composition root for tests.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from functools import partial
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from charter_persist.backends.memory import MemoryBackend
from charter_persist.backends.sql.engine import parse_target
from charter_persist.backends.sql.sqlite import SqliteBackend
from charter_persist.errors import UnavailableError
from charter_persist.store import connect, upgrade
from charter_persist.testing.backdoors import MemoryBackDoor, PostgresBackDoor, SqliteBackDoor
from charter_persist.testing.delegating import SharedBackend
from charter_persist.testing.fixtures import Place, Requirement, open_over

IN_ONE_OBJECT = frozenset({Requirement.REOPEN, Requirement.READ_ONLY})
"""What a store lacks that lives in one object and ends with it."""


class Places(Protocol):
    """Makes places; the last one is gone when the next is made."""

    @property
    def lacks(self) -> frozenset[Requirement]:
        """What these stores do not have."""
        ...

    def new(self) -> Place:
        """A place with an empty store."""
        ...

    def close(self) -> None:
        """Leave nothing behind."""
        ...


class MemoryPlaces:
    """Stores in memory; each place is one backend object that all its handles share."""

    lacks = IN_ONE_OBJECT

    def new(self) -> Place:
        """A new backend."""
        backend = MemoryBackend()
        return Place(open_over(lambda: SharedBackend(backend)), MemoryBackDoor(backend), None, lambda: None)

    def close(self) -> None:
        """Nothing is left."""


class PrivatePlaces:
    """Private temporary SQLite files, as ``sqlite://`` makes them; all handles share the one that owns the file."""

    lacks = IN_ONE_OBJECT

    def new(self) -> Place:
        """A new private file."""
        owner = connect("sqlite://")
        backend = owner._backend
        assert isinstance(backend, SqliteBackend)
        backdoor = SqliteBackDoor(backend.path)

        def remove() -> None:
            backdoor.close()
            owner.close()

        return Place(open_over(lambda: SharedBackend(backend)), backdoor, None, remove)

    def close(self) -> None:
        """Nothing is left: an owner that closes removes its file."""


class SqlitePlaces:
    """SQLite files in a new folder; the schema is made once and copied.

    Args:
        beside: the new folder is made in this one; it decides which disk is tested.

    Raises:
        UnavailableError: no folder can be made there.
    """

    lacks: frozenset[Requirement] = frozenset()

    def __init__(self, beside: Path) -> None:
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="charter-conformance-", dir=beside))
        except OSError as exc:
            raise UnavailableError(f"no folder can be made in {beside}: {exc.strerror}") from exc
        self._template = self._folder / "template.db"
        upgrade(f"sqlite:///{self._template}")

    def new(self) -> Place:
        """A copy of the template."""
        folder = self._folder / uuid.uuid4().hex
        folder.mkdir()
        path = folder / "store.db"
        shutil.copyfile(self._template, path)
        url = f"sqlite:///{path}"
        backdoor = SqliteBackDoor(path)

        def remove() -> None:
            backdoor.close()
            shutil.rmtree(folder)

        return Place(partial(connect, url), backdoor, url, remove)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder)


class PostgresPlaces:
    """One schema of a Postgres database, made once and emptied for each place.

    Emptying takes a few milliseconds, where dropping a database can take half a second.

    Args:
        url: of a database in which the role may make a schema.
    """

    lacks: frozenset[Requirement] = frozenset()

    def __init__(self, url: str) -> None:
        self._schema = f"charter_conformance_{uuid.uuid4().hex}"
        self._database = parse_target(url).url
        self._url = _text(self._database.update_query_dict({"schema": self._schema}))
        upgrade(self._url)
        self._backdoor = PostgresBackDoor(_text(self._database), self._schema)

    def new(self) -> Place:
        """The schema, emptied."""
        self._backdoor.empty()
        return Place(partial(connect, self._url), self._backdoor, self._url, lambda: None)

    def close(self) -> None:
        """Drop the schema."""
        self._backdoor.close()
        engine = sa.create_engine(self._database, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.execute(sa.schema.DropSchema(self._schema, cascade=True))


def places_for(url: str) -> Places:
    """Make empty stores of the kind that a URL names; what stands at the URL itself is not touched.

    Args:
        url: as for `charter_persist.connect`.

    Raises:
        InvalidInputError: it names no backend of this package.
        UnavailableError: the server cannot be reached.
    """
    if url.startswith("memory:"):
        return MemoryPlaces()
    if url == "sqlite://":
        return PrivatePlaces()
    target = parse_target(url)
    if target.schema is not None:
        return PostgresPlaces(url)
    return SqlitePlaces(Path(target.url.database or "charter.db").absolute().parent)


def _text(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)
