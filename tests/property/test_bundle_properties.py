"""Laws of the bundle, for stores that were grown by chance through the engine, on every backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from charter_persist import Store, connect, upgrade
from charter_persist.engine.charter import Charter
from charter_persist.errors import CharterError
from charter_persist.integrity.verify import verify
from charter_persist.transfer.rehash import rehash
from tests.bundles import bundle_of, counting, memory_store, take
from tests.governed_store import AUTHORITY, decide, initialise, ticking
from tests.postgres.fixtures import MakePostgresDatabase

NAMES = st.sampled_from(["a", "b", "é/c"])
TEXTS = st.text("ab é€😀", min_size=1, max_size=12)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["decide", "replace", "retire", "review", "authority", "close", "label", "note", "rehash", "end"]
        ),
        NAMES,
        TEXTS,
    ),
    max_size=12,
)


def grow(store: Store, steps: list[tuple[str, str, str]], tag: str) -> None:
    """Do what is possible of these steps, in areas that are made when they are first named."""
    charter = Charter(store)
    for number, (what, area_id, text) in enumerate(steps):
        try:
            if all(area.area_id != area_id for area in charter.areas()):
                initialise(charter, area_id)
            _step(store, charter, what, area_id, text, f"{tag}-{area_id}-{number}")
        except CharterError as exc:
            if exc.code in ("integrity", "charter", "digest-mismatch"):
                raise


def _step(store: Store, charter: Charter, what: str, area_id: str, text: str, name: str) -> None:
    active = charter.resolutions(area_id, state="ACTIVE", type="GENERAL")
    if what == "decide":
        decide(charter, area_id, name, {"text": text, "half": 0.5})
    elif what == "replace" and active:
        decide(charter, area_id, name, {"text": text}, supersedes=active[:2])
    elif what == "retire" and active:
        decide(charter, area_id, name, None, transitions={active[-1]: "RETIRED"})
    elif what == "review" and active:
        charter.mark_under_review(active[0])
    elif what == "authority":
        decide(charter, area_id, name, {**AUTHORITY, "text": text}, session={"type": "AUTHORITY"})
    elif what == "close":
        charter.start_session(area_id, problem_statement=text, session_id=name)
        charter.close(name, reason=text)
    elif what == "label" and active:
        charter.set_label(area_id, name, active[0])
    elif what == "rehash":
        rehash(store, "v2")
    elif what == "end":
        charter.retire_area(area_id, reason=text)
    else:
        with store.begin() as uow:
            digest = uow.objects.put("note", {"text": text, "\U0001f600": [1e300, -0.0]})
            uow.audit.append("NOTED", scope=f"AREA:outside {area_id}", subject=("note", digest), details=text)


def assert_sound(store: Store) -> None:
    assert verify(store, store_id=store.store_id).findings == ()
    assert Charter(store).findings() == ()


@pytest.mark.spec("GOV-12", "GOV-14", "HASH-6", "P39")
@settings(max_examples=60)
@given(STEPS, STEPS, STEPS)
def test_stores_that_parted_can_tell_each_other_everything(
    before: list[tuple[str, str, str]], here: list[tuple[str, str, str]], there: list[tuple[str, str, str]]
) -> None:
    """Restore is verbatim; consolidation is sound, changes no answer of before, and done again it does nothing."""
    with memory_store("one") as one, memory_store("two") as two, memory_store("three") as three:
        grow(one, before, "before")
        take(two, bundle_of(one))
        assert bundle_of(two) == bundle_of(one)
        grow(one, here, "here")
        grow(two, there, "there")
        made = {area.label: area.digest for area in Charter(one).areas()}
        # Both may have made an area of one name after they had parted; that is refused, and tested elsewhere.
        assume(all(made.get(area.label, area.digest) == area.digest for area in Charter(two).areas()))
        for store, other in ((one, two), (two, one)):
            bundle = bundle_of(other)
            standing = answers(store)
            take(store, bundle, "consolidate")
            assert standing.items() <= answers(store).items()
            content = bundle_of(store)
            assert not take(store, bundle, "consolidate").changed
            assert bundle_of(store) == content
            assert_sound(store)
        take(three, bundle_of(one))
        assert bundle_of(three) == bundle_of(one)
        assert_sound(three)


def answers(store: Store) -> dict[str, object]:
    """What stands in each area, and where its refs point."""
    charter = Charter(store)
    found: dict[str, object] = {}
    for area in charter.areas():
        for state in ("ACTIVE", "SUPERSEDED"):
            found[f"{area.area_id} {state}"] = charter.resolutions(area.area_id, state=state)
        found[f"{area.area_id} retired"] = area.retired
    with store.read() as view:
        found.update((ref.name, ref.digest) for ref in view.refs.iter())
    return found


@pytest.fixture
def open_each(make_postgres_database: MakePostgresDatabase, tmp_path: Path) -> Iterator[Callable[[str], list[Store]]]:
    """A function that makes an empty store on each backend; all of them are closed after the test."""
    opened: list[Store] = []

    def open_each(prefix: str) -> list[Store]:
        urls = ["memory://", f"sqlite:///{tmp_path / f'{len(opened)}.db'}", make_postgres_database()]
        for url in urls[1:]:
            upgrade(url)
        stores = [connect(url, clock=ticking(), new_id=counting(prefix)) for url in urls]
        opened.extend(stores)
        return stores

    yield open_each
    for store in opened:
        store.close()


@pytest.mark.spec("GOV-12", "P39")
def test_every_backend_exports_the_same_bytes_and_takes_in_those_of_every_other(
    open_each: Callable[[str], list[Store]],
) -> None:
    """Stores grown by the same steps on each backend, all ordered pairs."""

    # Not shrunk: each example makes databases.
    @settings(max_examples=4, database=None, phases=[Phase.generate])
    @given(STEPS)
    def check(steps: list[tuple[str, str, str]]) -> None:
        grown = open_each("id")
        for store in grown:
            grow(store, steps, "step")
        (content,) = {bundle_of(store) for store in grown}
        for store in open_each("here"):
            take(store, content)
            assert bundle_of(store) == content
            for source in grown:
                assert not take(store, bundle_of(source), "consolidate").changed
            assert_sound(store)

    check()
