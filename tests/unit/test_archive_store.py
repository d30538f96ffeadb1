"""What a store of archives offers, and how it refuses everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from charter_persist import Store, connect
from charter_persist.errors import InvalidInputError, NotSupportedError, ReadOnlyError, StoreClosedError

PLAN = {"plan_id": "p", "body": "text"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with connect(f"file://{tmp_path / 'archive'}") as store:
        yield store


@pytest.mark.spec("CCOS-6", "ENA-1")
def test_a_unit_has_a_receipt_without_places(store: Store) -> None:
    with store.begin() as uow:
        kept = uow.archive("plan").store(PLAN)
    assert uow.receipt is not None
    assert (uow.receipt.revision, uow.receipt.first_position, uow.receipt.size, uow.receipt.root) == (
        0,
        None,
        None,
        None,
    )
    with store.begin() as uow:
        pass
    assert uow.receipt is None
    outcome = store.run(lambda uow: uow.archive("plan").store(PLAN))
    assert (outcome.value, outcome.repeated) == (kept, False)
    assert not store.requires_network
    assert store.supports_air_gapped
    assert store.health_check().ok


@pytest.mark.spec("CCOS-6")
@pytest.mark.parametrize(
    ("what", "name"),
    [
        (lambda store: store.watch("kv:/*"), "watching"),
        (lambda store: store.lease(10), "leases"),
        (lambda store: store.elect("/leader"), "leases"),
        (lambda store: store.resolve("id"), "operation ids"),
        (lambda store: store.run(lambda uow: None, operation_id="id"), "operation ids"),
        (lambda store: store.read(as_of=1), "past revision"),
        (lambda store: store.read().objects, "objects"),
        (lambda store: store.read().journal, "journal"),
        (lambda store: store.read().reader, "reader"),
        (lambda store: store.run(lambda uow: uow.kv), "kv"),
        (lambda store: store.run(lambda uow: uow.flush()), "not before"),
        (lambda store: store.begin(connection=object()), "join"),
        (lambda store: store.store_id, "no journal"),
        (lambda store: store.scrub(), "scrub"),
    ],
)
def test_what_it_does_not_offer_names_backend_and_store(store: Store, what: Callable[[Store], Any], name: str) -> None:
    with pytest.raises(NotSupportedError, match=name) as caught:
        what(store)
    assert "file" in caught.value.message
    assert caught.value.applied == "no"


@pytest.mark.spec("CCOS-6")
def test_reading_only_refuses_units(store: Store, tmp_path: Path) -> None:
    kept = store.run(lambda uow: uow.archive("plan").store(PLAN)).value
    with connect(f"file://{tmp_path / 'archive'}", read_only=True) as reader:
        with reader.read() as view:
            assert view.archive("plan").retrieve(kept) == PLAN
        with pytest.raises(ReadOnlyError), reader.begin():
            pass


def test_a_closed_store_refuses_everything(store: Store) -> None:
    store.close()
    for what in (store.begin, store.read, lambda: store.lease(1), lambda: store.watch("kv:/*")):
        with pytest.raises(StoreClosedError):
            what()
    assert store.health_check().problem is not None


def test_units_do_not_nest(store: Store) -> None:
    with store.begin() as uow:
        with pytest.raises(InvalidInputError, match="open"), store.begin():
            pass
        uow.archive("plan").store(PLAN)
    assert uow.receipt is not None


@pytest.mark.parametrize("url", ["file://host/folder", "file:relative", "file:///a?x=1", "file://"])
def test_a_folder_is_named_by_its_absolute_path(url: str) -> None:
    with pytest.raises(InvalidInputError, match="absolute"):
        connect(url)


@pytest.mark.spec("ENA-1")
def test_what_needs_the_network_is_refused_without_one() -> None:
    with pytest.raises(NotSupportedError, match="s3 backend needs the network"):
        connect("s3://bucket/prefix", air_gapped=True)
