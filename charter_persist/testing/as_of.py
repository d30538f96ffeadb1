"""Conformance of views as of a past revision: whatever a view showed then, a view as of that revision shows later.

Source: GOV-15, REQUIREMENTS 8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

import pytest

from charter_persist.errors import AmbiguousError, CharterError, CompactedError, InvalidInputError, NotFoundError
from charter_persist.model.digest import digest
from charter_persist.proofs import verify_consistency, verify_inclusion
from charter_persist.store import Store
from charter_persist.testing.assertions import refused
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.testing.intents import change_graph, graph_of
from charter_persist.testing.machine import observed
from charter_persist.testing.operations import (
    CANDIDATES,
    KEYS,
    KV_KEYS,
    REFS,
    SESSIONS,
    AddCandidate,
    Append,
    Begin,
    Compact,
    DeleteKey,
    DeleteRef,
    Flush,
    KvDelete,
    KvSet,
    Operation,
    Put,
    PutMany,
    RecordStance,
    Rollback,
    Seal,
    SetKey,
    SetRef,
    SetState,
    perform,
)
from charter_persist.testing.sources import CountingSources
from charter_persist.unit_of_work import ReadView

UNITS: Final = 40
CONTENTS: Final = 20
SCOPES: Final = ("GLOBAL", "AREA:x")
MORE_SESSIONS: Final = (*SESSIONS, "t0", "\ufb33", "\U0001f600")

_DRAWN: Final[tuple[Callable[[Random], Operation], ...]] = (
    lambda chance: Put(chance.randrange(CONTENTS)),
    lambda chance: PutMany(chance.randrange(400), chance.choice([1, 3, 130])),
    lambda chance: SetRef(chance.choice(REFS), chance.randrange(9), True, None),
    lambda chance: DeleteRef(chance.choice(REFS), None),
    lambda chance: SetKey(chance.choice(KEYS), chance.randrange(9), None),
    lambda chance: DeleteKey(chance.choice(KEYS), None),
    lambda chance: KvSet(chance.choice(KV_KEYS), chance.randbytes(2)),
    lambda chance: KvDelete(chance.choice(KV_KEYS), True),
    lambda chance: Append(chance.choice(SCOPES), chance.choice([None, "e0", "e1", "e2"]), None),
    lambda chance: Begin(chance.choice(MORE_SESSIONS)),
    lambda chance: AddCandidate(chance.choice(MORE_SESSIONS), None),
    lambda chance: RecordStance(
        chance.choice(MORE_SESSIONS),
        chance.choice("ab"),
        chance.choice(CANDIDATES),
        chance.choice(["ACCEPT", "REJECT"]),
    ),
    lambda chance: SetState(chance.choice(MORE_SESSIONS), chance.choice(["PAUSED", "ACTIVE"])),
    lambda chance: Rollback(chance.choice(MORE_SESSIONS), chance.randrange(1, 4)),
    lambda chance: Seal(chance.choice(MORE_SESSIONS), chance.choice(["ACCEPTED", "CLOSED"]), ()),
    lambda _chance: Flush(),
)
"""Everything that the state machine does but what ends the knowledge of the past: compaction and erasure."""

ENTITY_TYPES: Final = ("note", "plan")
EXECUTIONS: Final = ("x", "y", "\u00e9")


def random_unit(store: Store, chance: Random) -> None:
    """A unit of several operations; what some of them refuse is part of the history."""
    graph = Random()  # noqa: S311  # chance of its own, so that the other draws stay what they were
    graph.setstate(chance.getstate())
    with store.begin() as uow:
        perform([draw(chance) for draw in chance.choices(_DRAWN, k=6)], uow)
        for _ in range(3):
            change_graph(uow, graph)
        uow.events.append(graph.choice(EXECUTIONS), {"type": "execution_resumed"}, tenant_id="t")
        uow.audit.append("NOTED", scope="GLOBAL", subject=("doc", "y"))
        uow.archive(chance.choice(ENTITY_TYPES)).store({"id": str(chance.randrange(10))})


def everything(view: ReadView) -> dict[str, Any]:
    """All that can be read in a view, by every way that leads to it."""
    return {
        **observed(view),
        **graph_of(view),
        "objects by digest": [view.objects.get(digest("doc", number)) for number in range(CONTENTS)],
        "objects by type": list(view.objects.iter("bulk")),
        "objects by prefix": [_found(view, prefix) for prefix in ("0", "7f", "f", "ff")],
        "refs by name": [view.refs.get(name) for name in REFS],
        "refs by prefix": [list(view.refs.iter(prefix)) for prefix in ("a", "\U0001f600", "b")],
        "events by id": [view.audit.get(name) for name in ("e0", "e1", "e2")],
        "events by scope": [list(view.audit.iter(scope=scope, reverse=True)) for scope in SCOPES],
        "events by subject": list(view.audit.iter(subject=("doc", "x"), event_type="NOTED")),
        "events replayed": list(view.audit.replay()),
        "metadata by key": [view.metadata.entry(key) for key in KEYS],
        "entries by key": [view.kv.get(key) for key in KV_KEYS],
        "entries by prefix": [list(view.kv.iter(prefix)) for prefix in ("/", "/a", "/a/", "/\U0001f600")],
        "entities": [list(view.archive(kind).list_hashes()) for kind in ENTITY_TYPES],
        "entities counted": [view.archive(kind).stats() for kind in ENTITY_TYPES],
        "session histories whole": [list(view.sessions.history(name)) for name in MORE_SESSIONS],
        "sessions by id": [view.sessions.get(name) for name in MORE_SESSIONS],
        "sessions by area": [list(view.sessions.iter(area_id=area)) for area in ("0", "1", "\ufb33")],
        "sessions by state": list(view.sessions.iter(area_id="0", state="ACTIVE")),
        "pages": [_pages(listing) for listing in _listings(view)],
        "last": view.journal.last(),
        "proofs": _proofs(view),
    }


def _found(view: ReadView, prefix: str) -> Any:
    try:
        return view.objects.find(prefix)
    except (NotFoundError, AmbiguousError) as exc:
        return exc.message


def _listings(view: ReadView) -> list[Callable[..., Any]]:
    return [view.objects.list, view.refs.list, view.audit.list, view.sessions.list, view.kv.list]


def _pages(listing: Callable[..., Any]) -> list[Any]:
    """The pages of a listing, with their cursors and revisions."""
    pages = [listing(limit=3)]
    while pages[-1].cursor is not None:
        pages.append(listing(limit=3, cursor=pages[-1].cursor))
    return pages


def _proofs(view: ReadView) -> list[Any]:
    """Roots and proofs of several sizes, each verified."""
    journal, total = view.journal, view.journal.size()
    sizes = sorted({size for size in (1, total // 2, 255, 256, 257, total) if 0 < size <= total})
    proofs: list[Any] = [sizes]
    for size in sizes:
        entry = journal.entry(size)
        assert entry is not None
        inclusion, consistency = journal.inclusion_proof(size), journal.consistency_proof(size)
        verify_inclusion(entry.leaf, size - 1, total, inclusion, journal.root())
        verify_consistency(size, total, journal.root(size), journal.root(), consistency)
        proofs.append((journal.root(size), inclusion, consistency))
    return proofs


def _differing(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    return [part for part in expected if found[part] != expected[part]]


@pytest.mark.spec("GOV-15")
class AsOfConformance(StoreFixtures):
    """What a view as of a past revision must show."""

    @pytest.fixture
    def counting_store(self, open_store: OpenStore) -> Iterator[Store]:
        """A store with sources that count."""
        with open_store(**CountingSources().arguments()) as store:
            yield store

    @pytest.mark.parametrize("seed", [1, 2])
    def test_the_past_is_what_a_view_showed_then(self, counting_store: Store, seed: int) -> None:
        """After each unit of a random history everything is read; as of each revision it reads equal in the end."""
        store, chance = counting_store, Random(seed)  # noqa: S311  # chance, not a secret
        with store.read() as view:
            shown = [everything(view)]
        for _ in range(UNITS):
            random_unit(store, chance)
            with store.read() as view:
                shown.append(everything(view))
        assert shown[-1]["last"].position > 256, "the history finishes no tile"
        # Catches a view that is right only while little came after it, or only below the newest revision.
        for revision, expected in enumerate(shown):
            with store.read(as_of=revision) as view:
                assert view.revision == revision
                assert _differing(everything(view), expected) == []

    def test_a_past_view_does_not_move(self, counting_store: Store) -> None:
        """Neither what is written later nor a cursor of a page changes what it shows."""
        store = counting_store
        for number in range(3):
            perform_in(store, PutMany(number * 5, 5), SetRef(REFS[number], number, True, None))
        with store.read(as_of=2) as view:
            before = everything(view)
            first = view.refs.list(limit=1)
            assert (first.revision, first.cursor is None) == (2, False)
            perform_in(store, PutMany(900, 5), SetRef(REFS[3], 3, True, None), DeleteRef(REFS[1], None))
            assert _differing(everything(view), before) == []
            rest = view.refs.list(limit=9, cursor=first.cursor)
        # A cursor goes on in another view as of the same revision.
        with store.read(as_of=2) as view:
            assert view.refs.list(limit=9, cursor=first.cursor) == rest
        assert sorted(ref.name for ref in (*first.items, *rest.items)) == sorted(REFS[:2])

    def test_a_ref_is_back_where_it_was_deleted_later(self, counting_store: Store) -> None:
        """Absent before it was set, there between, absent after its deletion, with its versions going on."""
        store = counting_store
        perform_in(store, Put("other"))
        perform_in(store, SetRef("a", 1, True, None))
        perform_in(store, DeleteRef("a", None))
        perform_in(store, SetRef("a", 2, True, None))
        seen = []
        for revision in range(5):
            with store.read(as_of=revision) as view:
                ref = view.refs.get("a")
                assert list(view.refs.iter()) == ([] if ref is None else [ref])
                seen.append((ref and ref.version, [past.version for past in view.refs.history("a")]))
        assert seen == [(None, []), (None, []), (1, [1]), (None, [1, 2]), (3, [1, 2, 3])]

    def test_a_session_is_open_again_before_its_seal(self, counting_store: Store) -> None:
        """State, candidates and stances follow each revision, through a rollback up to the seal."""
        store = counting_store
        perform_in(store, Begin("s0"))
        perform_in(store, RecordStance("s0", "ana", "c0", "ACCEPT"))
        perform_in(store, Rollback("s0", 1))
        perform_in(store, Seal("s0", "CLOSED", ()))
        seen = []
        for revision in range(1, 5):
            with store.read(as_of=revision) as view:
                session, sealed = view.sessions.require("s0"), view.sessions.sealed_digest("s0")
                assert list(view.sessions.iter(area_id="0", state=session.state)) == [session]
                assert (sealed is not None) == session.sealed
                assert sealed is None or view.objects.require(sealed).object_type == "session"
                seen.append((str(session.state), session.version, len(session.stances)))
        assert seen == [("ACTIVE", 1, 0), ("ACTIVE", 2, 1), ("ACTIVE", 3, 0), ("CLOSED", 4, 0)]

    def test_metadata_below_a_compaction_is_refused_and_the_rest_is_read(self, counting_store: Store) -> None:
        """Each read says from which revision on it is known; every other store is as it was."""
        store = counting_store
        for number in range(3):
            perform_in(store, SetKey("k", number, None), SetRef("a", number, True, None))
        with store.begin() as uow:
            assert uow.metadata.compact() == 2
            uow.metadata.set("k", "in the same unit")
        with store.read() as view:
            shown = everything(view)
        perform_in(store, SetKey("k", 4, None))
        for revision in range(4):
            with store.read(as_of=revision) as view:
                # Catches the newest revision below it, where current values are all there and their history is not.
                reads: list[Callable[[], Any]] = [
                    lambda view=view: view.metadata.get("k"),  # type: ignore[misc]
                    lambda view=view: list(view.metadata.iter()),  # type: ignore[misc]
                    lambda view=view: list(view.metadata.history("k")),  # type: ignore[misc]
                ]
                for read in reads:
                    with refused(CompactedError, "4") as caught:
                        read()
                    assert isinstance(caught.value, CompactedError)
                    assert caught.value.oldest == 4
                assert (view.revision, len(list(view.refs.history("a")))) == (revision, revision)
        with store.read(as_of=4) as view:
            assert _differing(everything(view), shown) == []

    def test_metadata_is_known_as_of_the_revision_that_only_compacted_it(self, counting_store: Store) -> None:
        """Its own entry is the last one then; each compaction moves what is known to its own revision."""
        store = counting_store
        perform_in(store, SetKey("k", 1, None), SetKey("k", 2, None), SetRef("a", 1, True, None))
        perform_in(store, SetKey("k", 3, None))
        for oldest in (3, 5):
            perform_in(store, Compact())
            with store.read() as view:
                assert view.revision == oldest
                shown = everything(view)
            perform_in(store, SetKey("k", oldest, None))
            with store.read(as_of=oldest) as view:
                assert _differing(everything(view), shown) == []
            with store.read(as_of=oldest - 1) as view, refused(CompactedError, str(oldest)):
                view.metadata.get("k")

    def test_before_the_first_unit_there_is_nothing(self, counting_store: Store) -> None:
        """Revision 0 is the empty store, also where the store is empty still."""
        with counting_store.read() as view:
            empty = everything(view)
        with counting_store.read(as_of=0) as view:
            assert _differing(everything(view), empty) == []
        perform_in(counting_store, PutMany(0, 300), SetRef("a", 1, True, None), Begin("s0"), SetKey("k", 1, None))
        with counting_store.read(as_of=0) as view:
            assert _differing(everything(view), empty) == []

    @pytest.mark.parametrize("as_of", [3, 2**63 - 1, 2**63, 2**70])
    def test_a_revision_that_is_not_there_yet_is_not_found(self, counting_store: Store, as_of: int) -> None:
        """The message names the newest one; the present is never shown in its place."""
        perform_in(counting_store, Put(1))
        perform_in(counting_store, Put(2))
        with refused(NotFoundError, "the newest is 2"):
            counting_store.read(as_of=as_of)

    @pytest.mark.parametrize("as_of", [-1, True, "1", 1.0, (1,)], ids=ascii)
    def test_as_of_must_be_a_revision(self, counting_store: Store, as_of: Any) -> None:
        """Nothing else is read as one, and the store goes on."""
        perform_in(counting_store, Put(1))
        with refused(InvalidInputError, "as_of"):
            counting_store.read(as_of=as_of)
        perform_in(counting_store, Put(2))

    def test_a_past_view_that_has_ended_refuses_everything(self, counting_store: Store) -> None:
        """As any view: its repositories end with it."""
        perform_in(counting_store, Put(1), SetRef("a", 1, True, None))
        with counting_store.read(as_of=1) as view:
            pass
        reads: list[Callable[[], Any]] = [
            view.journal.root,
            lambda: view.refs.get("a"),
            lambda: list(view.objects.iter()),
        ]
        for read in reads:
            with pytest.raises(CharterError, match="ended"):
                read()


def perform_in(store: Store, *operations: Operation) -> None:
    """One unit of these operations, none of which may be refused."""
    with store.begin() as uow:
        for operation in operations:
            operation(uow)
