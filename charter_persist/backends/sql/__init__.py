"""The SQL backend: SQLite and Postgres over one set of mapped classes."""
