"""What the tests of this suite say in one line.

Imported before the modules of tests: it asks pytest to explain their assertions, as it does for test files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, Final

import pytest

from charter_persist.backends.contract import RELATIONS
from charter_persist.errors import CharterError
from charter_persist.testing.backdoor import BackDoor

EXPLAINED: Final = (
    "archive",
    "as_of",
    "audit",
    "audit_replay",
    "batches",
    "charter_machine",
    "event_history",
    "events",
    "intent_input",
    "intents",
    "interrupts",
    "journal",
    "kv",
    "kv_history",
    "leases",
    "limits",
    "machine",
    "messages",
    "metadata",
    "names",
    "object_lists",
    "objects",
    "races",
    "refs",
    "relations",
    "runs",
    "session_ends",
    "sessions",
    "states",
    "units",
    "vectors",
    "watch",
    "watch_ends",
    "watch_executions",
)
pytest.register_assert_rewrite(*[f"charter_persist.testing.{name}" for name in EXPLAINED])

Contents = dict[str, list[tuple[Any, ...]]]


def contents(backdoor: BackDoor) -> Contents:
    """Every row of every relation, read behind the package's back."""
    return {relation.name: sorted(backdoor.raw_rows(relation), key=repr) for relation in RELATIONS}


@contextmanager
def nothing_written(backdoor: BackDoor) -> Iterator[None]:
    """Assert that the block leaves every relation as it was, also where it ends with an error."""
    before = contents(backdoor)
    try:
        yield
    finally:
        assert contents(backdoor) == before


def refused(error: type[CharterError], *words: str) -> AbstractContextManager[pytest.ExceptionInfo[CharterError], bool]:
    """Assert that the block raises exactly this error, that nothing was applied, and that the message has the words.

    A subclass is another promise: who catches LimitExceededError must not be given an InvalidKeyError.
    """
    return _Refusal(error, words)


class _Refusal:
    """`pytest.raises`, and what every error of ours must say besides."""

    def __init__(self, error: type[CharterError], words: tuple[str, ...]) -> None:
        self._error = error
        self._words = words
        self._raises = pytest.raises(error)

    def __enter__(self) -> pytest.ExceptionInfo[CharterError]:
        self._caught = self._raises.__enter__()
        return self._caught

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not self._raises.__exit__(kind, error, trace):
            return False
        found = self._caught.value
        assert type(found) is self._error
        assert found.applied == "no"
        assert [word for word in self._words if word not in found.message] == [], found.message
        return True
