"""Of a store that took content in from elsewhere nothing is said either, whatever way it came and was reviewed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from charter_persist import Store, connect
from charter_persist.engine.boot import BootMode, boot
from charter_persist.engine.charter import Charter
from charter_persist.index.live import LiveIndex
from charter_persist.integrity.fsck import fsck
from charter_persist.transfer.export import export_file
from charter_persist.transfer.importing import import_bundle
from charter_persist.transfer.rehash import rehash
from tests.governed_store import decide, govern, ticking


@pytest.fixture
def origin() -> Iterator[Store]:
    with connect("memory://", clock=ticking()) as store:
        govern(store)
        yield store


@pytest.fixture
def here() -> Iterator[Store]:
    with connect("memory://", clock=ticking()) as store:
        yield store


def bundle(store: Store, path: Path) -> Path:
    with store.read() as view:
        export_file(view, path)
    return path


def assert_sound(store: Store) -> None:
    assert fsck(store, live=LiveIndex()).findings == ()
    assert boot(store, BootMode.NORMAL).ready


@pytest.mark.spec("P30", "GOV-12")
@pytest.mark.parametrize("mode", ["restore", "consolidate"])
def test_an_area_that_is_new_here(origin: Store, here: Store, tmp_path: Path, mode: str) -> None:
    import_bundle(here, bundle(origin, tmp_path / "bundle"), mode=mode)
    assert_sound(here)
    decide(Charter(here), "a", "later", {"text": "decided here"})
    assert_sound(here)


@pytest.mark.spec("P30", "GOV-12", "GOV-14")
def test_an_area_that_went_on_in_both_places(origin: Store, here: Store, tmp_path: Path) -> None:
    import_bundle(here, bundle(origin, tmp_path / "first"), mode="restore")
    decide(Charter(origin), "a", "there", {"text": "decided there"})
    local = decide(Charter(here), "a", "here", {"text": "decided here"})
    report = import_bundle(here, bundle(origin, tmp_path / "second"), mode="consolidate")
    assert_sound(here)
    charter = Charter(here)
    (import_id,) = [area.import_id for area in report.areas if area.import_id]
    (imported,) = charter.imported(import_id)
    charter.review_import(import_id, imported, outcome="CONSOLIDATED", local_resolution_id=local)
    assert_sound(here)


@pytest.mark.spec("P30", "HASH-6")
def test_objects_of_another_hash_version(origin: Store) -> None:
    before = fsck(origin).objects
    rehash(origin, "v2")
    assert_sound(origin)
    decide(Charter(origin), "a", "later", {"text": "decided under the second version"})
    assert_sound(origin)
    assert fsck(origin).objects.reachable > 2 * before.reachable
