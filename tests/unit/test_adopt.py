"""What repositories take over from elsewhere is held to the rules of what they write themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from charter_persist import Store, connect
from charter_persist.errors import (
    AlreadyExistsError,
    CharterError,
    DigestMismatchError,
    InvalidInputError,
    LimitExceededError,
    NotCanonicalError,
    NotSupportedError,
    TimedOutError,
)
from charter_persist.integrity.verify import verify
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.digest import digest
from charter_persist.model.limits import Options
from tests.bundles import memory_store


@pytest.fixture
def store() -> Iterator[Store]:
    with memory_store() as store:
        yield store


@pytest.mark.spec("GOV-12", "HASH-6")
def test_an_object_is_adopted_under_the_digest_of_its_own_hash_version(store: Store) -> None:
    data = canonical_bytes({"n": 1})
    with store.begin() as uow:
        assert uow.objects.adopt_many([("note", "v1", data), ("note", "v2", data)]) == [True, True]
        assert uow.objects.adopt_many([("note", "v1", data), ("note", "v1", data)]) == [False, False]
    with store.read() as view:
        for version in ("v1", "v2"):
            envelope = view.objects.require(digest("note", {"n": 1}, version=version))
            assert (envelope.charter_hash_version, envelope.object) == (version, {"n": 1})
    assert verify(store, store_id=store.store_id).findings == ()


def test_the_same_object_twice_in_one_call_is_stored_once(store: Store) -> None:
    with store.begin() as uow:
        assert uow.objects.adopt_many([("note", "v1", b"1"), ("note", "v1", b"1")]) == [True, False]


@pytest.mark.parametrize(
    ("item", "error"),
    [(("note", "v9", b"1"), NotSupportedError), (("no te", "v1", b"1"), InvalidInputError)],
)
def test_when_adopting_fails_the_unit_cannot_commit(
    store: Store, item: tuple[str, str, bytes], error: type[Exception]
) -> None:
    with pytest.raises(CharterError, match="half-way"), store.begin() as uow, pytest.raises(error):
        uow.objects.adopt_many([("note", "v1", b"1"), item])
    with store.read() as view:
        assert view.revision == 0


def test_too_many_objects_are_refused() -> None:
    options = Options(batch_objects_max=1)
    with connect("memory://", options=options) as store, store.begin() as uow, pytest.raises(LimitExceededError):
        uow.objects.adopt_many([("note", "v1", b"1"), ("note", "v1", b"2")])


def test_other_bytes_under_the_same_digest_are_never_taken_for_the_same(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.begin() as uow:
        uow.objects.adopt_many([("note", "v1", b"1")])
    first = bytes.fromhex(digest("note", 1))
    monkeypatch.setattr(
        "charter_persist.repositories.objects.hash_version",
        lambda name: type("Same", (), {"digest_bytes": staticmethod(lambda kind, data: first)}),
    )
    with pytest.raises(CharterError), store.begin() as uow, pytest.raises(DigestMismatchError):
        uow.objects.adopt_many([("note", "v1", b"2")])


def event_bytes(store: Store, **fields: object) -> bytes:
    """The canonical bytes of an event of another store."""
    with memory_store("other") as other, other.begin() as uow:
        event = uow.audit.append("NOTED", scope="AREA:x", subject=("note", "y"), details={"n": 1})
    return canonical_bytes({**event.to_json(), **fields})


@pytest.mark.spec("GOV-12")
def test_an_event_is_adopted_byte_for_byte_once(store: Store) -> None:
    data = event_bytes(store)
    with store.begin() as uow:
        uow.audit.append("BEFORE", scope="GLOBAL", subject=("x", "y"))
        adopted = uow.audit.adopt(data)
        with pytest.raises(AlreadyExistsError):
            uow.audit.adopt(data)
    with store.read() as view:
        assert [event.event_type for event in view.audit.replay()] == ["BEFORE", "NOTED"]
        assert view.audit.get(adopted.event_id) == adopted
        assert canonical_bytes(adopted.to_json()) == data
    assert verify(store, store_id=store.store_id).findings == ()


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"event_id": ""}, InvalidInputError),
        ({"event_id": 1}, InvalidInputError),
        ({"scope": None}, InvalidInputError),
        ({"occurred_at": "2026-01-01"}, InvalidInputError),
        ({"occurred_at": "2026-01-01T00:00:00.5Z"}, InvalidInputError),
        ({"subject": None}, InvalidInputError),
        ({"subject": {"object_type": "x"}}, InvalidInputError),
        ({"context": []}, InvalidInputError),
        ({"context": {"session_id": None}}, NotCanonicalError),
        ({"context": {"other": None}}, InvalidInputError),
        ({"extra": None}, NotCanonicalError),
        ({"details": "x" * 300_000}, LimitExceededError),
    ],
)
def test_what_append_would_not_have_written_is_not_adopted(
    store: Store, fields: dict[str, object], error: type[Exception]
) -> None:
    with store.begin() as uow, pytest.raises(error):
        uow.audit.adopt(event_bytes(store, **fields))


@pytest.mark.parametrize("data", [b"", b"[]", b"1", b"{", b"null", b'{"event_id":"x"}'])
def test_bytes_that_are_no_event_are_not_adopted(store: Store, data: bytes) -> None:
    with store.begin() as uow, pytest.raises(InvalidInputError):
        uow.audit.adopt(data)


def test_spaces_in_an_event_are_refused(store: Store) -> None:
    with store.begin() as uow, pytest.raises(NotCanonicalError):
        uow.audit.adopt(event_bytes(store).replace(b":", b": ", 1))


def test_a_unit_may_be_given_its_own_time() -> None:
    with connect("memory://", unit_timeout_s=60) as store:
        with pytest.raises(TimedOutError), store.begin(timeout_s=1e-9) as uow:
            uow.objects.put("note", 1)
        with store.begin(timeout_s=60) as uow:
            uow.objects.put("note", 1)
