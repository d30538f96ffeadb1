"""What the tests of this suite say in one line.

Imported before the modules of tests: it asks pytest to explain their assertions, as it does for test files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from charter_persist.backends.contract import RELATIONS
from charter_persist.errors import CharterError
from charter_persist.testing.backdoor import BackDoor

_EXPLAINED: Final = (
    "assertions",
    "audit",
    "batches",
    "journal",
    "limits",
    "machine",
    "metadata",
    "names",
    "objects",
    "races",
    "refs",
    "sessions",
    "units",
)
pytest.register_assert_rewrite(*[f"charter_persist.testing.{name}" for name in _EXPLAINED[1:]])

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


@contextmanager
def refused(error: type[CharterError], *words: str) -> Iterator[pytest.ExceptionInfo[CharterError]]:
    """Assert that the block raises exactly this error, that nothing was applied, and that the message has the words."""
    with pytest.raises(error) as caught:
        yield caught
    # A subclass is another promise: who catches LimitExceededError must not be given an InvalidKeyError.
    assert caught.type is error
    assert caught.value.applied == "no"
    assert [word for word in words if word not in caught.value.message] == [], caught.value.message
