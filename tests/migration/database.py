"""A database under test, and a way past the package to look into it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from charter_persist.backends.sql.engine import parse_target
from charter_persist.backends.sql.schema import current_revision
from tests.migration.inventory import Inventory, inventory


@dataclass(frozen=True)
class Database:
    """A database by its URL; ``schema`` is None on SQLite."""

    url: str
    schema: str | None

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """A transaction of SQLAlchemy's own, committed when the block ends well."""
        engine = sa.create_engine(parse_target(self.url).url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            yield connection

    def execute(self, *statements: str) -> None:
        with self.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def inventory(self) -> Inventory:
        with self.connect() as connection:
            return inventory(connection, self.schema)

    def revision(self) -> str | None:
        with self.connect() as connection:
            return current_revision(connection, schema=self.schema)

    def table(self, name: str) -> str:
        """A table's name as it stands in a statement."""
        return f'"{self.schema}".{name}' if self.schema else name

    @property
    def path(self) -> Path:
        """The file of a SQLite database."""
        return Path(str(sa.make_url(self.url).database))


def fingerprint(path: Path) -> dict[str, str]:
    """The digests of a SQLite file and of all that stands beside it."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(path.parent.iterdir())}
