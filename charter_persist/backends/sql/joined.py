"""The transaction of the caller that a unit joined: it must still be open, and the same, at each write of the unit.

A caller who ends it inside the unit's block would have the rest of the unit written without the writer lock, statement
by statement. Imports ``errors``. Source: DESIGN 5, RELIABILITY 1.2.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from charter_persist.errors import InvalidInputError


class JoinedTransaction:
    """What a SQLAlchemy connection was in when a unit joined it.

    Args:
        connection: in a transaction.
        in_transaction: whether its driver is in one.
    """

    def __init__(self, connection: sa.Connection, in_transaction: Callable[[], bool]) -> None:
        self._connection = connection
        self._in_transaction = in_transaction
        self._joined = self._now()

    def _now(self) -> tuple[sa.Transaction | None, sa.Transaction | None]:
        return self._connection.get_transaction(), self._connection.get_nested_transaction()

    def lasts(self) -> bool:
        """Whether the connection still is where the unit joined it."""
        connection = self._connection
        usable = not connection.closed and not connection.invalidated
        return usable and self._now() == self._joined and self._in_transaction()

    def check(self) -> None:
        """Refuse to write anywhere else.

        Raises:
            InvalidInputError: the caller ended the transaction, or is in another savepoint of it.
        """
        if not self.lasts():
            raise InvalidInputError(
                "the connection left the transaction that this unit joined; commit, roll back and close it after the "
                "unit's block, and end a savepoint where you began it. Only what was flushed before may be stored"
            )
