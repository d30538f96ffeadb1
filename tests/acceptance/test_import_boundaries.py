"""What leaves a store and what may come in: whole histories, no open sessions, and no power over what is decided here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

from charter_persist import connect
from charter_persist.engine.charter import Charter
from charter_persist.engine.queries import Queries
from charter_persist.errors import (
    AlreadyExistsError,
    BundleError,
    CharterError,
    ConflictError,
    InvalidInputError,
    RuleError,
    SealedError,
)
from charter_persist.integrity.fsck import fsck
from charter_persist.model.resolution import ResolutionState, ResolutionType
from charter_persist.store import Store
from charter_persist.testing import Place, contents, nothing_written, refused
from charter_persist.testing.deciding import (
    CANDIDATE,
    authority_content,
    decide,
    govern,
    initialise,
    propose,
    resolve,
    vote,
)
from charter_persist.transfer.export import export_bundle
from charter_persist.transfer.importing import import_bundle
from charter_persist.transfer.rehash import rehash


@pytest.fixture
def elsewhere() -> Iterator[Store]:
    """Another store, whose area works has a history: replaced, retired, reviewed, referred to."""
    with connect("memory://") as store:
        charter = Charter(store)
        initialise(charter, "works")
        old, gone = resolve(charter, "works", "old"), resolve(charter, "works", "gone")
        resolve(charter, "works", "new", supersedes=[old], referenced_areas=["works"], referenced_resolutions=[gone])
        charter.retire(gone, actor="ana")
        decide(charter, "works", type="AUTHORITY", content=authority_content("SOLE_ACTOR", ["ana"], "again"))
        discarded = propose(charter, "works")
        charter.close(discarded)
        yield store


def exported(store: Store) -> bytes:
    written = io.BytesIO()
    with store.read() as view:
        export_bundle(view, written.write)
    return written.getvalue()


def decisions(queries: Queries) -> dict[str, Any]:
    """What was decided in each area, and what led to it."""
    told: dict[str, Any] = {}
    for entry in queries.areas():
        views = [queries.resolution(name) for name in queries.resolutions(entry.area_id)]
        sessions = {view.resolution.accepted_in_session for view in views}
        told[entry.area_id] = (
            queries.area(entry.area_id),
            views,
            queries.supersessions(entry.area_id),
            [queries.resolutions(entry.area_id, state=state) for state in ResolutionState],
            [queries.resolutions(entry.area_id, type=kind) for kind in ResolutionType],
            {name: queries.outcome(name) for name in sessions},
            {name: queries.session(name).to_json() | {"version": 0} for name in sessions},
            [event.to_json() for event in queries.log(entry.area_id, limit=10_000).items],
        )
    return told


def divided(store: Store, other: Store) -> str:
    """Make one area in two stores, with nothing decided in it yet, so that each goes its own way."""
    area_id = Charter(other).create_area(label="divided", area_id="divided").area_id
    import_bundle(store, io.BytesIO(exported(other)), mode="restore")
    return area_id


def import_events(store: Store) -> list[Any]:
    return [event for event in Charter(store).log(limit=10_000).items if event.event_type.startswith("IMPORT_")]


def refuse(place: Place, store: Store, bundle: bytes, mode: str, error: type[CharterError]) -> None:
    """The import is refused with this error, and leaves nothing but the one event that says so."""
    before = contents(place.backdoor)
    with pytest.raises(error):
        import_bundle(store, io.BytesIO(bundle), mode=mode)
    after = contents(place.backdoor)
    grown = {name for name, rows in after.items() if rows != before[name]}
    assert grown <= {"audit_event", "journal", "journal_head", "journal_tile", "journal_tile_root"}
    assert len(after["audit_event"]) == len(before["audit_event"]) + 1
    event = import_events(store)[-1]
    assert (event.event_type, event.scope, event.details["mode"]) == ("IMPORT_REJECTED", "GLOBAL", mode)
    assert (event.details["result"], event.details["code"]) == ("rejected", error.code)
    assert len(event.details["source"]) == 64


@pytest.mark.spec("AT-19", "AT-CLI-2", "AT-ENG-EXP-01", "AT-ENG-EXP-02", "AT-REF-08", "GOV-12")
def test_an_export_restores_to_the_same_decisions(store: Store, charter: Charter, elsewhere: Store) -> None:
    bundle = exported(elsewhere)
    import_bundle(store, io.BytesIO(bundle), mode="restore", actor="ana")
    assert decisions(charter) == decisions(Charter(elsewhere))
    assert charter.resolutions("works", state="UNDER_REVIEW") == ()
    assert fsck(store).findings == ()
    assert exported(store) == bundle
    assert resolve(charter, "works", "life goes on") in charter.resolutions("works", state="ACTIVE")


@pytest.mark.spec("AT-20", "AT-22", "GOV-12", "P10")
@pytest.mark.parametrize("mode", ["restore", "consolidate"])
@pytest.mark.parametrize(
    ("was", "becomes"), [(b'"text":"old"', b'"text":"odd"'), (b"ana", b"eva"), (b'"to":"RETIRED"', b'"to":"REVISED"')]
)
def test_a_bundle_that_was_tampered_with_is_refused(
    place: Place, store: Store, elsewhere: Store, mode: str, was: bytes, becomes: bytes
) -> None:
    bundle = exported(elsewhere)
    assert was in bundle
    tampered = bundle.replace(was, becomes, 1)
    before = contents(place.backdoor)["object"]
    with pytest.raises(CharterError):
        import_bundle(store, io.BytesIO(tampered), mode=mode)
    assert contents(place.backdoor)["object"] == before
    assert [event.event_type for event in import_events(store)] == ["IMPORT_REJECTED"]


@pytest.mark.spec("AT-21", "AT-22", "AT-23", "AT-IMP-04", "GOV-12", "GOV-14")
@pytest.mark.parametrize("mode", ["restore", "consolidate"])
def test_resolutions_without_their_session_create_nothing(
    place: Place, store: Store, elsewhere: Store, mode: str
) -> None:
    """A flat list, or a history with a hole: refused with what is missing, whatever the mode."""
    far = Charter(elsewhere)
    content = far.get(resolve(far, "works", "flat")).object
    with elsewhere.begin() as uow:
        uow.objects.put("resolution", {**content, "accepted_in_session": "never", "session_digest": "e" * 64})
    refuse(place, store, exported(elsewhere), mode, BundleError)
    assert Charter(store).areas() == ()


@pytest.mark.spec("AT-IMP-LEG-02", "GOV-12")
@pytest.mark.parametrize("mode", ["restore", "consolidate"])
def test_a_session_that_has_not_ended_cannot_come_in(place: Place, store: Store, elsewhere: Store, mode: str) -> None:
    far = Charter(elsewhere)
    sealed = far.get(decide(far, "works").session_digest).object
    with elsewhere.begin() as uow:
        uow.objects.put("session", {**sealed, "session_id": "running", "state": "ACTIVE", "closed_at": None})
    refuse(place, store, exported(elsewhere), mode, InvalidInputError)


@pytest.mark.spec("AT-EXP-01", "AT-EXP-02", "AT-EXP-03", "GOV-12")
def test_an_export_holds_no_open_session_and_changes_nothing(
    place: Place, store: Store, charter: Charter, area: str
) -> None:
    resolve(charter, area)
    running = [propose(charter, area, session_id=f"running-{n}") for n in range(3)]
    charter.pause(running[1])
    charter.block(running[2], reason="wait")
    with nothing_written(place.backdoor):
        bundle = exported(store)
    with connect("memory://") as other:
        import_bundle(other, io.BytesIO(bundle), mode="restore")
        far = Charter(other)
        assert not [name for name in running if _has_session(far, name)]
        for name in far.resolutions(area):
            session = far.session(far.resolution(name).resolution.accepted_in_session)
            assert session.state == "ACCEPTED"


def _has_session(charter: Charter, session_id: str) -> bool:
    try:
        charter.session(session_id)
    except CharterError:
        return False
    return True


@pytest.mark.spec("AT-IMP-LEG-01", "AT-IMP-LEG-03", "GOV-3")
@pytest.mark.parametrize("mode", ["restore", "consolidate"])
def test_an_imported_session_never_acts_here(
    place: Place, store: Store, charter: Charter, elsewhere: Store, mode: str
) -> None:
    session_id = decide(Charter(elsewhere), "works").session_id
    import_bundle(store, io.BytesIO(exported(elsewhere)), mode=mode)
    session = charter.session(session_id)
    assert session.state == "ACCEPTED"
    for act in (
        lambda: charter.accept(session_id),
        lambda: vote(charter, session_id, "ana"),
        lambda: charter.add_candidate(session_id, content={"text": "x"}),
        lambda: charter.start(session_id),
        lambda: charter.resume(session_id),
        lambda: charter.close(session_id),
    ):
        with nothing_written(place.backdoor), refused(SealedError, session_id):
            act()
    with nothing_written(place.backdoor), refused(AlreadyExistsError, session_id):
        charter.start_session("works", problem_statement="What?", session_id=session_id)


@pytest.mark.spec("AT-IMP-01", "GOV-9", "GOV-12")
@pytest.mark.parametrize("mode", ["restore", "consolidate"])
def test_every_import_is_recorded_globally(store: Store, elsewhere: Store, mode: str) -> None:
    import_bundle(store, io.BytesIO(exported(elsewhere)), mode=mode, actor="ana")
    events = import_events(store)
    done = {"restore": "IMPORT_ACCEPTED", "consolidate": "IMPORT_CONSOLIDATED"}[mode]
    assert [event.event_type for event in events] == ["IMPORT_STARTED", done, "IMPORT_CLOSED"]
    assert {(event.scope, event.actor) for event in events} == {("GLOBAL", "ana")}
    assert (events[0].details["mode"], events[-1].details["result"]) == (mode, "imported")
    assert events[0].details["source"] == events[-1].details["source"]


@pytest.mark.spec("AT-AUD-02", "AT-IMP-03", "GOV-12", "P10")
def test_a_restore_over_an_area_is_refused_and_names_it(
    place: Place, store: Store, charter: Charter, area: str, elsewhere: Store
) -> None:
    """An area is never replaced; the attempt leaves a GLOBAL event with the ids of both."""
    resolve(charter, area)
    before = decisions(charter)
    refuse(place, store, exported(elsewhere), "restore", ConflictError)
    assert decisions(charter) == before
    assert area in str(import_events(store)[-1].details["areas"])


@pytest.mark.spec("AT-IMP-02", "AT-CLI-3", "AT-HIST-01", "AT-HIST-02", "GOV-12", "GOV-14")
def test_a_consolidation_leaves_what_is_decided_here_alone(store: Store, charter: Charter) -> None:
    with connect("memory://") as elsewhere:
        area, far = divided(store, elsewhere), Charter(elsewhere)
        govern(charter, area)
        govern(far, area, actors=["ben"])
        resolve(far, area, "new", supersedes=[resolve(far, area, "old", actors=["ben"])], actors=["ben"])
        ours = resolve(charter, area, "ours")
        before, views = charter.area(area), [charter.resolution(name) for name in charter.resolutions(area)]
        report = import_bundle(store, io.BytesIO(exported(elsewhere)), mode="consolidate")
        (brought,) = report.areas
        assert brought.import_id is not None
        assert {found.ref for found in brought.divergences} == {f"area/{area}/authority", f"area/{area}/scope"}
        # What was here is as it was, and what came has no force.
        assert charter.area(area) == before
        assert [charter.resolution(view.digest) for view in views] == views
        came = charter.imported(brought.import_id)
        assert set(came) == set(far.resolutions(area))
        assert set(charter.resolutions(area, state="UNDER_REVIEW")) == set(came)
        # The lineage came with it.
        lineage = far.supersessions(area)
        assert len(lineage) == 1
        assert {name: charter.supersedes(name) for name in lineage} == dict(lineage)
        assert ours in charter.resolutions(area, state="ACTIVE")
        recorded = charter.log(area, event_type="RESOLUTION_IMPORTED_UNDER_REVIEW").items
        assert len(recorded) == 1
        assert fsck(store).findings == ()


@pytest.mark.spec("AT-IR-02", "AT-IR-04", "AT-IR-05", "AT-IMP-LEG-01", "GOV-14")
def test_what_was_imported_is_decided_on_under_the_authority_here(place: Place, store: Store, charter: Charter) -> None:
    with connect("memory://") as other:
        area, far = divided(store, other), Charter(other)
        govern(charter, area)
        govern(far, area, rule="MAJORITY_PRESENT", actors=["ben", "eva", "zoe"])
        theirs = resolve(far, area, "theirs", actors=["ben", "eva"])
        context = far.resolution(theirs).resolution.context
        report = import_bundle(store, io.BytesIO(exported(other)), mode="consolidate")
    import_id = report.areas[0].import_id
    assert import_id is not None
    assert charter.resolution(theirs).resolution.context == context
    session_id = propose(charter, area, content={"text": "theirs"}, referenced_resolutions=[theirs])
    with nothing_written(place.backdoor), refused(RuleError, "ben"):
        vote(charter, session_id, "ben")
    vote(charter, session_id, "ana")
    (local,) = charter.accept(session_id, candidate_ids=[CANDIDATE]).resolutions
    charter.review_import(import_id, theirs, outcome="CONSOLIDATED", local_resolution_id=local)
    assert [charter.resolution(name).state for name in (theirs, local)] == ["RETIRED", "ACTIVE"]
    assert charter.resolution(local).resolution.context.authority_resolution_id == charter.area(area).authority
    charter.close_import(import_id)
    assert charter.resolutions(area, state="UNDER_REVIEW") == ()
    assert fsck(store).findings == ()


@pytest.mark.spec("AT-22", "GOV-12")
def test_importing_twice_is_importing_once(store: Store, charter: Charter, elsewhere: Store) -> None:
    bundle = exported(elsewhere)
    import_bundle(store, io.BytesIO(bundle), mode="restore")
    before = decisions(charter)
    report = import_bundle(store, io.BytesIO(bundle), mode="restore")
    assert not report.changed
    again = import_bundle(store, io.BytesIO(bundle), mode="consolidate")
    assert not again.changed
    assert decisions(charter) == before


@pytest.mark.spec("HASH-6", "GOV-7", "GOV-8")
def test_decisions_go_on_after_a_rehash_under_the_digests_they_had(store: Store, charter: Charter, area: str) -> None:
    old, kept = resolve(charter, area, "old"), resolve(charter, area, "kept")
    running = propose(charter, area, referenced_resolutions=[kept])
    before = charter.area(area), charter.resolutions(area)
    rehash(store, "v2", actor="ana")
    assert (charter.area(area), charter.resolutions(area)) == before
    authority = charter.authority(area)
    assert authority is not None
    assert authority.object_hash != before[0].authority
    assert charter.resolution(authority.object_hash).digest == before[0].authority
    with store.read() as view:
        copies = {
            envelope.object["content"]["text"]: envelope.object_hash
            for envelope in view.objects.iter("resolution")
            if envelope.charter_hash_version == "v2"
        }
    new = resolve(charter, area, "new", supersedes=[copies["old"]])
    assert (charter.supersedes(new), charter.resolution(old).state) == ((old,), "SUPERSEDED")
    decide(charter, area, type="AUTHORITY", content=authority_content("SOLE_ACTOR", ["ana"], "again"))
    charter.retire(copies["kept"], actor="ana")
    assert charter.resolution(kept).state == "RETIRED"
    assert charter.session(running).state == "BLOCKED"
    assert fsck(store).findings == ()
