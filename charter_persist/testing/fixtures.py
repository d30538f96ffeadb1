"""What a backend author overrides: two fixtures, and the list of what the backend lacks.

Imports ``store`` and what stands under it. Source: DESIGN 2, RELIABILITY P58.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeVar

import pytest

from charter_persist.backends.contract import LedgerBackend
from charter_persist.errors import NotSupportedError
from charter_persist.model.limits import DEFAULT_OPTIONS, Options
from charter_persist.repositories.base import Sources
from charter_persist.store import Store
from charter_persist.stores.ledger import LedgerStore
from charter_persist.testing.backdoor import BackDoor

F = TypeVar("F", bound=Callable[..., Any])


class OpenStore(Protocol):
    """Opens the same store again at each call; what one handle committed, every other one sees."""

    def __call__(
        self,
        *,
        read_only: bool = False,
        unit_timeout_s: float = 30.0,
        batching: bool = True,
        options: Options = DEFAULT_OPTIONS,
        clock: Callable[[], datetime] | None = None,
        new_id: Callable[[], str] | None = None,
        nonce: Callable[[], bytes] | None = None,
    ) -> Store:
        """A new handle; the arguments are those of `charter_persist.connect`."""
        ...


class Requirement(StrEnum):
    """What some tests need and not every backend has.

    Attributes:
        REOPEN: the store is there after every handle was closed, and each handle has resources of its own.
        READ_ONLY: the same store can be opened for reading only.
        JOURNAL: the store is a ledger: every kind of record, each change logged in a journal, units that share a commit
            or are flushed before it, history that is compacted by prefix and erased by key.
    """

    REOPEN = "reopen"
    READ_ONLY = "read_only"
    JOURNAL = "journal"


def requires(*requirements: Requirement) -> Callable[[F], F]:
    """Mark a test: it is skipped, with the reason, where the backend declares that it lacks one of these."""

    def mark(test: F) -> F:
        test.requirements = frozenset(requirements)  # type: ignore[attr-defined]  # functions take attributes
        return test

    return mark


@dataclass(frozen=True, slots=True)
class Place:
    """Where one store lives, empty at first.

    Attributes:
        open_store: opens it.
        backdoor: leads to its rows.
        url: by which another process can open it; None where none can.
        remove: ends it, once every handle is closed.
    """

    open_store: OpenStore
    backdoor: BackDoor
    url: str | None
    remove: Callable[[], None]


class StoreFixtures:
    """Fixtures of the suite; override `open_store` and `backdoor`.

    Attributes:
        lacks: what the backend does not have; tests that require it are skipped and counted.
    """

    lacks: ClassVar[frozenset[Requirement]] = frozenset()

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """A function that opens the test's own store, empty at first, again at each call."""
        raise NotImplementedError("override the fixture open_store")

    @pytest.fixture
    def backdoor(self) -> BackDoor:
        """A way to the rows of that store behind the backend's back."""
        raise NotImplementedError("override the fixture backdoor")

    @pytest.fixture
    def store(self, open_store: OpenStore) -> Iterator[Store]:
        """The test's store, open."""
        with open_store() as store:
            yield store

    @pytest.fixture
    def lacking(self) -> frozenset[Requirement]:
        """What the backend does not have; the attribute ``lacks``, unless it is known in the run only."""
        return self.lacks

    @pytest.fixture(autouse=True)
    def _skip_what_the_backend_lacks(self, request: pytest.FixtureRequest, lacking: frozenset[Requirement]) -> None:
        missing = sorted(getattr(request.function, "requirements", frozenset()) & lacking)
        if missing:
            pytest.skip(f"the backend declares that it lacks: {', '.join(missing)}")


class PlaceFixtures(StoreFixtures):
    """Fixtures over a `Place`; override `place`."""

    @pytest.fixture
    def place(self) -> Iterator[Place]:
        """Where the test's store lives."""
        raise NotImplementedError("override the fixture place")

    @pytest.fixture
    def open_store(self, place: Place) -> OpenStore:
        """Opens the store of the place."""
        return place.open_store

    @pytest.fixture
    def backdoor(self, place: Place) -> BackDoor:
        """Leads to the rows of the place."""
        return place.backdoor


def open_over(make_backend: Callable[[], LedgerBackend]) -> OpenStore:
    """Make the fixture `open_store` from a function that opens a backend.

    Args:
        make_backend: opens the same store again at each call; where a store lives in one object, wrap that in
            `SharedBackend`.

    Returns:
        What the fixture gives. It has no ``read_only``: declare `Requirement.READ_ONLY` as lacking.
    """

    def open_store(
        *,
        read_only: bool = False,
        unit_timeout_s: float = 30.0,
        batching: bool = True,
        options: Options = DEFAULT_OPTIONS,
        clock: Callable[[], datetime] | None = None,
        new_id: Callable[[], str] | None = None,
        nonce: Callable[[], bytes] | None = None,
    ) -> Store:
        if read_only:
            raise NotSupportedError("a store over a backend object has no read-only handle")
        sources = Sources(
            clock=clock or (lambda: datetime.now(UTC)),
            new_id=new_id or (lambda: str(uuid.uuid4())),
            nonce=nonce or (lambda: os.urandom(16)),
            options=options,
        )
        return LedgerStore(make_backend(), sources, unit_timeout_s=unit_timeout_s, batching=batching)

    return open_store
