"""A bundle carries what was decided from store to store: nothing is lost, nothing changes, nothing takes force by itself."""

from __future__ import annotations

import io
import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from charter_persist import Store, connect, upgrade
from charter_persist.backends.contract import RELATIONS
from charter_persist.engine.charter import Charter
from charter_persist.errors import (
    AlreadyExistsError,
    BundleError,
    ConflictError,
    DigestMismatchError,
    IntegrityError,
    InvalidInputError,
    LimitExceededError,
    NotFoundError,
    UnavailableError,
)
from charter_persist.integrity.verify import verify
from charter_persist.model.adoption import ImportRecord
from charter_persist.model.finding import Finding
from charter_persist.model.limits import Options
from charter_persist.model.session import SessionState
from charter_persist.transfer.export import export_file
from charter_persist.transfer.importing import import_bundle
from charter_persist.transfer.report import Case, Divergence, ImportReport
from tests.bundles import bundle_of, event_types, governed, memory_store, pack, records, take
from tests.governed_store import AUTHORITY, decide, initialise

ROOTS = ("area", "area_retirement", "session", "resolution", "transition", "import", "import_review", "rehash")


@pytest.fixture
def source() -> Iterator[Store]:
    """Two areas with something of every kind."""
    with governed("a", "b") as store:
        yield store


@pytest.fixture
def target() -> Iterator[Store]:
    """An empty store."""
    with memory_store("here") as store:
        yield store


def rows(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of a store."""
    with store.read() as view:
        return {relation.name: list(view.reader.scan(relation, relation.key)) for relation in RELATIONS}


def assert_sound(store: Store) -> None:
    """The journal verifies, and the decisions contradict neither each other nor the refs."""
    assert verify(store, store_id=store.store_id).findings == ()
    assert Charter(store).findings() == ()


def state_of(store: Store, resolution_id: str) -> str:
    return str(Charter(store).resolution(resolution_id).state)


def test_the_bundle_is_lines_of_canonical_json_that_can_be_read(source: Store) -> None:
    lines = bundle_of(source).splitlines()
    assert lines[0].startswith(b'{"areas":null,"content_digest":"')
    assert b'"format":"charter-bundle","format_version":1,"hash_version":"v1","kind":"header"}' in lines[0]
    assert pack(records(bundle_of(source))) == bundle_of(source)


@pytest.mark.spec("GOV-12", "IDX-12")
def test_a_bundle_has_content_and_nothing_of_the_store(source: Store) -> None:
    with source.begin() as uow:
        uow.metadata.set("secret", "kept here")
    bundle = bundle_of(source)
    for word in (b"position", b"revision", b'recorded_at"', b"root", b"kept here"):
        found = [line for line in bundle.splitlines() if b'"%b"' % word in line]
        assert not found or word == b'recorded_at"', word
    kinds = {record["kind"] for record in records(bundle)}
    assert kinds == {"object", "ref", "audit_event"}
    sessions = [r["object"]["state"] for r in records(bundle) if r.get("object_type") == "session"]
    assert set(sessions) == {"ACCEPTED", "CLOSED"}


@pytest.mark.spec("GOV-12")
def test_what_was_restored_is_exported_to_the_same_bytes(source: Store, target: Store) -> None:
    bundle = bundle_of(source)
    report = take(target, bundle)
    assert bundle_of(target) == bundle
    assert report.changed
    assert report.totals.objects_new + report.totals.refs_new + report.totals.events_new == len(records(bundle))
    assert_sound(target)


@pytest.mark.spec("GOV-12")
def test_what_was_restored_decides_as_before(source: Store, target: Store) -> None:
    take(target, bundle_of(source))
    here, there = Charter(target), Charter(source)
    assert here.areas() == there.areas()
    for area in there.areas():
        for state in ("ACTIVE", "UNDER_REVIEW", "SUPERSEDED", "RETIRED"):
            assert here.resolutions(area.area_id, state=state) == there.resolutions(area.area_id, state=state)
    decide(here, "a", "further", {"text": "further"})
    assert_sound(target)


@pytest.mark.spec("GOV-12")
def test_restoring_twice_is_restoring_once_and_both_attempts_are_recorded(source: Store, target: Store) -> None:
    bundle = bundle_of(source)
    take(target, bundle)
    again = take(target, bundle)
    assert not again.changed
    assert bundle_of(target) == bundle
    assert event_types(target, "IMPORT_") == ["IMPORT_STARTED", "IMPORT_ACCEPTED", "IMPORT_CLOSED"] * 2


@pytest.mark.spec("GOV-9", "GOV-12")
def test_the_events_of_a_restore_say_what_was_restored(source: Store, target: Store) -> None:
    report = take(target, bundle_of(source))
    with target.read() as view:
        accepted = next(view.audit.iter(event_type="IMPORT_ACCEPTED"))
    assert (accepted.scope, accepted.actor) == ("GLOBAL", "ivy")
    assert accepted.subject == ("bundle", report.bundle_digest)
    assert accepted.details["mode"] == "restore"
    assert accepted.details["source"] == report.fingerprint
    assert accepted.details["objects_new"] == report.totals.objects_new
    assert accepted.details["hash_mismatches"] == 0


def assert_refused(store: Store, bundle: bytes, mode: str, error: type[Exception]) -> Any:
    """Refused, with nothing changed but one event."""
    before, content = rows(store), bundle_of(store)
    with pytest.raises(error) as caught:
        take(store, bundle, mode)
    after = rows(store)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"audit_event", "journal"}
    (event,) = [row for row in after["audit_event"] if row not in before["audit_event"]]
    assert event.event_type == "IMPORT_REJECTED"
    assert event.scope == "GLOBAL"
    assert bundle_of(store) == content
    return caught.value


@pytest.mark.spec("GOV-12")
def test_an_area_that_is_here_is_not_restored_over(source: Store, target: Store) -> None:
    initialise(Charter(target), "a")
    error = assert_refused(target, bundle_of(source), "restore", ConflictError)
    assert error.areas == [{"here": "a", "there": "a", "label": "the a"}]
    with target.read() as view:
        rejected = next(view.audit.iter(event_type="IMPORT_REJECTED"))
    assert rejected.details["areas"] == error.areas
    assert rejected.details["code"] == "conflict"
    assert rejected.details["result"] == "rejected"


@pytest.mark.spec("GOV-12")
@pytest.mark.parametrize("mode", ["restore", "consolidate"])
def test_a_label_that_is_taken_is_refused_with_both_ids(source: Store, target: Store, mode: str) -> None:
    Charter(target).create_area(label="the a", area_id="other")
    error = assert_refused(target, bundle_of(source), mode, ConflictError)
    assert error.areas == [{"here": "other", "there": "a", "label": "the a"}]


@pytest.mark.spec("GOV-12")
def test_another_area_under_the_same_id_is_refused(source: Store, target: Store) -> None:
    Charter(target).create_area(label="the a", area_id="a")
    assert_refused(target, bundle_of(source), "consolidate", ConflictError)


@pytest.mark.spec("GOV-12")
def test_case_a_an_unknown_area_comes_whole_and_in_force(source: Store, target: Store) -> None:
    initialise(Charter(target), "c")
    report = take(target, bundle_of(source), "consolidate")
    assert [area.case for area in report.areas] == [Case.A, Case.A]
    assert bundle_of(target, ["a", "b"]) == bundle_of(source, ["a", "b"])
    assert Charter(target).resolutions("a", state="ACTIVE") == Charter(source).resolutions("a", state="ACTIVE")
    assert (report.totals.refs_left, report.totals.events_left) == (1, 1)  # those of the application
    assert_sound(target)


@pytest.mark.spec("GOV-12")
def test_case_b_an_area_without_authority_here_gets_objects_alone(target: Store) -> None:
    with memory_store() as source:
        Charter(source).create_area(label="paint", area_id="a")
        take(target, bundle_of(source))
        first = {"type": "AUTHORITY", "participants": ["ana", "ben"]}
        authority = decide(Charter(source), "a", "s1", AUTHORITY, session=first)
        (area,) = take(target, bundle_of(source), "consolidate").areas
    assert (area.case, area.under_review) == (Case.B, 1)
    assert authority is not None
    assert state_of(target, authority) == "UNDER_REVIEW"
    with target.read() as view:
        assert list(view.refs.iter()) == []
    assert_sound(target)


def grown(target: Store, *, authority: bool = False) -> tuple[Store, list[str]]:
    """A copy of a store that went on by itself; the resolutions that it has more."""
    copy = memory_store("copy")
    take(copy, bundle_of(target))
    charter = Charter(copy)
    new = [decide(charter, "a", "grown-1", {"text": "grown"})]
    if authority:
        session = {"type": "AUTHORITY"}
        new.append(decide(charter, "a", "grown-2", {**AUTHORITY, "text": "they decide"}, session=session))
    return copy, [name for name in new if name]


@pytest.mark.spec("GOV-12", "GOV-14")
def test_case_c_a_superset_waits_for_review(source: Store) -> None:
    refs = rows(source)["ref"]
    active = Charter(source).resolutions("a", state="ACTIVE")
    copy, new = grown(source)
    with copy:
        report = take(source, bundle_of(copy), "consolidate")
    area = report.areas[0]
    assert (area.area_id, area.case, area.under_review, area.divergences) == ("a", Case.C, 1, ())
    assert area.import_id is not None
    assert list(Charter(source).imported(area.import_id)) == new
    assert [state_of(source, name) for name in new] == ["UNDER_REVIEW"]
    assert Charter(source).resolutions("a", state="ACTIVE") == active
    assert rows(source)["ref"] == refs
    assert_sound(source)


@pytest.mark.spec("GOV-12", "GOV-14")
def test_case_d_another_authority_is_reported_and_audited_and_does_not_govern(source: Store) -> None:
    refs, here = rows(source)["ref"], Charter(source).resolutions("a", state="ACTIVE", type="AUTHORITY")
    copy, new = grown(source, authority=True)
    with copy:
        report = take(source, bundle_of(copy), "consolidate")
    divergence = Divergence("a", "area/a/authority", here[0], new[1])
    assert report.divergences == (divergence,)
    assert report.areas[0].case is Case.D
    assert Charter(source).resolutions("a", state="ACTIVE", type="AUTHORITY") == here
    assert rows(source)["ref"] == refs
    with source.read() as view:
        events = {event.subject: event.details for event in view.audit.iter(event_type="IMPORT_CONSOLIDATED")}
        reviewed = next(view.audit.iter(event_type="RESOLUTION_IMPORTED_UNDER_REVIEW"))
    assert events["area", "a"]["case"] == "D"
    assert events["area", "a"]["divergences"] == [{"ref": divergence.ref, "here": here[0], "there": new[1]}]
    assert (reviewed.scope, reviewed.details["resolutions"]) == ("AREA:a", 2)
    assert_sound(source)


@pytest.mark.spec("GOV-12")
def test_both_sides_went_on_and_neither_is_lost(source: Store) -> None:
    copy, theirs = grown(source, authority=True)
    ours = [
        decide(Charter(source), "a", "ours-1", {"text": "ours"}),
        decide(Charter(source), "a", "ours-2", {**AUTHORITY, "text": "we decide"}, session={"type": "AUTHORITY"}),
    ]
    with copy:
        report = take(source, bundle_of(copy), "consolidate")
        back = take(copy, bundle_of(source), "consolidate")
        assert_sound(copy)
        assert {state_of(copy, name) for name in ours if name} == {"UNDER_REVIEW"}
    assert_sound(source)
    assert [report.areas[0].case, back.areas[0].case] == [Case.D, Case.D]
    assert {state_of(source, name) for name in theirs} == {"UNDER_REVIEW"}
    assert {state_of(source, name) for name in ours if name} == {"ACTIVE"}


@pytest.mark.spec("GOV-12")
def test_consolidating_twice_is_consolidating_once(source: Store) -> None:
    copy, _ = grown(source, authority=True)
    with copy:
        bundle = bundle_of(copy)
    take(source, bundle, "consolidate")
    content = bundle_of(source)
    again = take(source, bundle, "consolidate")
    assert not again.changed
    assert [area.import_id for area in again.areas] == [None, None]
    assert [area.sessions_paused for area in again.areas] == [0, 0]
    assert bundle_of(source) == content
    assert event_types(source, "IMPORT_").count("IMPORT_CLOSED") == 2


@pytest.mark.spec("GOV-12")
def test_ones_own_export_by_way_of_another_store_brings_nothing(source: Store, target: Store) -> None:
    content = bundle_of(source)
    take(target, content, "consolidate")
    assert not take(source, bundle_of(target), "consolidate").changed
    assert bundle_of(source) == content


@pytest.mark.spec("GOV-14")
def test_what_came_for_review_goes_on_with_its_import_record(source: Store, target: Store) -> None:
    copy, new = grown(source, authority=True)
    with copy:
        report = take(source, bundle_of(copy), "consolidate")
    (import_id,) = [area.import_id for area in report.areas if area.import_id]
    take(target, bundle_of(source))
    assert [state_of(target, name) for name in new] == ["UNDER_REVIEW"] * 2
    charter = Charter(target)
    charter.review_import(import_id, new[0], outcome="REJECTED")
    charter.close_import(import_id)
    assert [state_of(target, name) for name in new] == ["RETIRED"] * 2
    assert not take(source, bundle_of(target), "consolidate").changed or state_of(source, new[0]) == "UNDER_REVIEW"
    assert_sound(source)
    assert_sound(target)


@pytest.mark.spec("GOV-12")
def test_sessions_of_an_area_into_which_something_came_are_paused(source: Store) -> None:
    copy, _ = grown(source)
    active = {session.session_id for session in Charter(source).sessions("a", state="ACTIVE")}
    elsewhere = Charter(source).sessions("b", state="ACTIVE")
    with copy:
        report = take(source, bundle_of(copy), "consolidate")
    assert active
    assert report.areas[0].sessions_paused == len(active)
    assert {s.session_id for s in Charter(source).sessions("a", state=SessionState.PAUSED)} >= active
    assert Charter(source).sessions("b", state="ACTIVE") == elsewhere
    assert_sound(source)


@pytest.mark.spec("GOV-14")
def test_a_retirement_elsewhere_does_not_retire_an_area_here(target: Store) -> None:
    with memory_store() as source:
        initialise(Charter(source), "a")
        take(target, bundle_of(source))
        Charter(source).retire_area("a", reason="done")
        take(target, bundle_of(source), "consolidate")
        with memory_store("new") as new:
            take(new, bundle_of(source), "consolidate")
            assert Charter(new).area("a").retired
    assert not Charter(target).area("a").retired
    decide(Charter(target), "a", "on", {"text": "we go on"})
    assert_sound(target)


@pytest.mark.spec("GOV-14")
@pytest.mark.parametrize("ends_here", [True, False])
def test_a_session_that_ended_otherwise_elsewhere_is_kept_beside_ours(source: Store, ends_here: bool) -> None:
    Charter(source).create_area(label="new", area_id="n")
    first = {"type": "AUTHORITY", "participants": ["ana", "ben"]}
    copy = memory_store("copy")
    take(copy, bundle_of(source))
    decide(Charter(copy), "n", "same-id", {**AUTHORITY, "text": "theirs"}, session=first)
    if ends_here:
        decide(Charter(source), "n", "same-id", {**AUTHORITY, "text": "ours"}, session=first)
    else:
        Charter(source).start_session("n", problem_statement="ours", session_id="same-id", **first)
    active = Charter(source).resolutions("n", state="ACTIVE")
    with copy:
        report = take(source, bundle_of(copy), "consolidate")
    assert {area.area_id: area.under_review for area in report.areas}["n"] == 1
    assert Charter(source).resolutions("n", state="ACTIVE") == active
    assert Charter(source).session("same-id").sealed is ends_here
    assert_sound(source)
    with memory_store("last") as last:
        take(last, bundle_of(source))
        assert bundle_of(last) == bundle_of(source)


def test_a_long_list_is_divided_into_parts(source: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charter_persist.transfer.consolidating.PART_OBJECTS_MAX", 2)
    copy, _ = grown(source, authority=True)
    with copy:
        report = take(source, bundle_of(copy), "consolidate")
    with source.read() as view:
        parts = [ImportRecord.from_content(item.object) for item in view.objects.iter("import")]
    assert {part.import_id for part in parts} == {report.areas[0].import_id}
    assert sorted((part.part, part.parts) for part in parts) == [(1, 2), (2, 2)]
    assert_sound(source)


@pytest.mark.spec("GOV-12")
def test_one_area_goes_alone(source: Store, target: Store) -> None:
    one = bundle_of(source, ["b"])
    take(target, one)
    assert bundle_of(target, ["b"]) == one
    assert [area.area_id for area in Charter(target).areas()] == ["b"]
    scopes = {record["event"]["scope"] for record in records(one) if record["kind"] == "audit_event"}
    assert scopes == {"GLOBAL", "AREA:b"}
    assert_sound(target)


@pytest.mark.spec("GOV-12")
def test_areas_one_by_one_are_all_areas_together(source: Store, target: Store) -> None:
    for area_id in ("a", "b"):
        take(target, bundle_of(source, [area_id]))
    assert bundle_of(target, ["a", "b"]) == bundle_of(source, ["b", "a"])


def test_an_area_that_refers_to_another_one_needs_it_there(source: Store, target: Store) -> None:
    there = Charter(source).resolutions("b", state="ACTIVE")[0]
    references = {"referenced_areas": ["b"], "referenced_resolutions": [there]}
    decide(Charter(source), "a", "referring", {"text": "as b says"}, session=references)
    one = bundle_of(source, ["a"])
    error = assert_refused(target, one, "restore", BundleError)
    assert {finding.subject for finding in error.findings} == {"area/b", f"resolution/{there}"}
    take(target, bundle_of(source, ["b"]))
    take(target, one)
    assert_sound(target)


def test_an_unknown_area_cannot_be_exported(source: Store) -> None:
    with pytest.raises(NotFoundError, match="no area z"):
        bundle_of(source, ["a", "z"])


@pytest.mark.spec("GOV-12", "GOV-15")
def test_a_past_revision_is_exported_as_it_was(source: Store, target: Store) -> None:
    before = bundle_of(source)
    with source.read() as view:
        revision = view.revision
    decide(Charter(source), "a", "later", {"text": "later"})
    assert bundle_of(source) != before
    assert bundle_of(source, as_of=revision) == before
    assert bundle_of(source, ["a"], as_of=revision) == records_of(before, "a")


def records_of(bundle: bytes, area_id: str) -> bytes:
    """The bundle of one area, by way of a store."""
    with memory_store("way") as way:
        take(way, bundle)
        return bundle_of(way, [area_id])


@pytest.mark.spec("GOV-12")
@pytest.mark.parametrize("kind", ["event", "event about it", "label"])
def test_a_bundle_that_tells_of_an_area_here_without_holding_it_is_refused(
    source: Store, target: Store, kind: str
) -> None:
    initialise(Charter(target), "z")
    found = records(bundle_of(source))
    event = next(record["event"] for record in reversed(found) if record["kind"] == "audit_event")
    if kind == "event":
        found.append({"kind": "audit_event", "event": {**event, "event_id": "x", "scope": "AREA:z"}})
    elif kind == "event about it":
        about = {"object_type": "area", "object_id": "z"}
        found.append({"kind": "audit_event", "event": {**event, "event_id": "x", "subject": about}})
    else:
        digest = next(record["digest"] for record in found)
        found.append({"kind": "ref", "name": "area/z/label/mine", "digest": digest})
    error = assert_refused(target, pack(found), "restore", BundleError)
    assert error.findings == (
        Finding("FOREIGN_AREA", "area/z", "the bundle tells of it and does not hold it, and it is here"),
    )


def test_a_session_id_of_another_area_here_is_refused(source: Store, target: Store) -> None:
    charter = Charter(target)
    initialise(charter, "z")
    charter.start_session("z", problem_statement="mine", session_id="a-4")
    for mode in ("restore", "consolidate"):
        assert assert_refused(target, bundle_of(source), mode, ConflictError).session_id == "a-4"


def test_a_ref_of_an_application_that_points_elsewhere_is_refused(source: Store, target: Store) -> None:
    with target.begin() as uow:
        uow.refs.set("notes/newest", uow.objects.put("note", "mine"), expected=0)
    assert_refused(target, bundle_of(source), "restore", ConflictError)


def test_an_event_id_that_is_taken_is_refused(source: Store, target: Store) -> None:
    with target.begin() as uow:
        uow.audit.append("NOTED", scope="GLOBAL", subject=("x", "y"), event_id="id-3")
    assert_refused(target, bundle_of(source), "restore", AlreadyExistsError)


@pytest.mark.spec("HASH-4")
def test_a_damaged_object_is_never_exported(tmp_path: Path) -> None:

    path = tmp_path / "charter.db"
    upgrade(f"sqlite:///{path}")
    with connect(f"sqlite:///{path}") as store, store.begin() as uow:
        uow.objects.put("note", "right")
    with sqlite3.connect(path) as raw:
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f'DROP TRIGGER "{name}"')
        raw.execute("UPDATE object SET data = CAST('\"wrong\"' AS BLOB)")
    raw.close()
    with connect(f"sqlite:///{path}") as store, store.read() as view:
        target = tmp_path / "out.charter"
        with pytest.raises(DigestMismatchError):
            export_file(view, target)
    assert not target.exists()


def test_a_stream_that_cannot_be_read_twice_is_imported(source: Store, target: Store) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    import_bundle(target, Pipe(bundle_of(source)), mode="restore")
    assert bundle_of(target) == bundle_of(source)


@pytest.mark.parametrize("change_at", [2, 3])
def test_a_file_that_changes_between_the_passes_is_refused(source: Store, target: Store, change_at: int) -> None:
    good = bundle_of(source)

    class Shifty(io.BytesIO):
        rewound = 0

        def seek(self, offset: int, whence: int = 0, /) -> int:
            self.rewound += 1
            if self.rewound == change_at:
                at = good.rindex(b"NOTED")
                self.getbuffer()[at : at + 5] = b"OTHER"
            return super().seek(offset, whence)

    with pytest.raises(IntegrityError):
        import_bundle(target, Shifty(good), mode="consolidate" if change_at == 2 else "restore")
    assert bundle_of(target) == bundle_of(memory_store())


def test_a_store_with_lower_limits_refuses_what_it_would_not_have_taken(source: Store) -> None:
    with connect("memory://", options=Options(object_bytes_max=500)) as small, pytest.raises(LimitExceededError):
        take(small, bundle_of(source))
    with (
        connect("memory://", options=Options(audit_details_bytes_max=10)) as small,
        pytest.raises(LimitExceededError),
    ):
        take(small, bundle_of(source))


def test_there_are_two_modes(target: Store) -> None:
    with pytest.raises(InvalidInputError, match="restore or consolidate"):
        take(target, b"", "merge")
    assert event_types(target, "") == []


def test_a_file_that_is_not_there_is_no_attempt(target: Store, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        import_bundle(target, tmp_path / "none", mode="restore")
    assert event_types(target, "") == []


def test_the_empty_store_has_an_empty_bundle(target: Store) -> None:
    with memory_store() as empty:
        assert len(bundle_of(empty).splitlines()) == 1
        assert not take(target, bundle_of(empty)).changed


def test_a_report_is_json(source: Store, target: Store) -> None:
    report: ImportReport = take(target, bundle_of(source), "consolidate")
    told = report.to_json()
    assert told["mode"] == "consolidate"
    assert [area["case"] for area in told["areas"]] == ["A", "A"]


def test_progress_is_told_for_each_pass(source: Store, target: Store) -> None:
    told: list[tuple[int, int]] = []
    lines = len(records(bundle_of(source)))
    import_bundle(target, io.BytesIO(bundle_of(source)), mode="restore", progress=lambda *pair: told.append(pair))
    assert (lines, lines) in told
    assert all(done <= total for done, total in told)


@pytest.mark.spec("GOV-12", "P39")
def test_every_pair_of_backends_carries_the_same_bytes(postgres_database: str, tmp_path: Path, source: Store) -> None:
    content = bundle_of(source)
    urls = ["memory://", f"sqlite:///{tmp_path / 'charter.db'}", postgres_database]
    for url in urls[1:]:
        upgrade(url)
    stores = [connect(url) for url in urls]
    for store in stores:
        take(store, content)
        assert bundle_of(store) == content
        assert_sound(store)
    for one, other in itertools.permutations(stores, 2):
        assert not take(other, bundle_of(one), "consolidate").changed
        assert not take(other, bundle_of(one), "restore").changed
    for store in stores:
        store.close()
