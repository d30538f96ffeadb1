"""The declarative base, its naming convention, and the column types shared by all tables.

No table names a schema: on Postgres the statements are compiled with a schema translation, so the search path never
matters. Source: DESIGN 4, RELIABILITY 4.1-10, 4.2-11.
"""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, mapped_column

NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}


class HexDigest(sa.TypeDecorator[str]):
    """32 raw bytes in the database, 64 lower-case hex characters in Python."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> bytes | None:
        """Turn hex into bytes."""
        return None if value is None else bytes.fromhex(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> str | None:
        """Turn bytes into hex."""
        return None if value is None else bytes(value).hex()


# Byte order on every database: SQLite compares text by its bytes already.
BYTE_ORDERED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
# STRICT tables know INTEGER and not BIGINT.
INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

Name = Annotated[str, mapped_column(BYTE_ORDERED)]
Bytes = Annotated[bytes, mapped_column(sa.LargeBinary)]
Int = Annotated[int, mapped_column(INT64)]
Hex = Annotated[str, mapped_column(HexDigest)]
Position = Annotated[int, mapped_column(INT64, primary_key=True, autoincrement=False)]
NameKey = Annotated[str, mapped_column(BYTE_ORDERED, primary_key=True)]


class Base(DeclarativeBase):
    """Base of every mapped class; its metadata is the one source of the schema."""

    metadata = sa.MetaData(naming_convention=NAMING_CONVENTION)


def length(column: str, size: int) -> sa.CheckConstraint:
    """A check that a byte column holds exactly ``size`` bytes (or is null)."""
    return sa.CheckConstraint(
        sa.func.length(sa.column(column)) == sa.literal_column(str(size)), name=f"{column}_length"
    )


STRICT: dict[str, Any] = {"sqlite_strict": True}
KEYED: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}
