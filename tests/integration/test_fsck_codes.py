"""Each kind of damage is reported under its own code, and of a sound store nothing is said."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charter_persist import connect, upgrade
from charter_persist.backends.contract import OBJECT, REF, ObjectRow, RefLogRow, RefRow
from charter_persist.engine.charter import Charter
from charter_persist.engine.work import Work
from charter_persist.errors import CharterError
from charter_persist.index.live import LiveIndex
from charter_persist.index.stored import StoredObject
from charter_persist.integrity.fsck import FsckReport, fsck
from charter_persist.journal.checkpoint import Checkpoint
from charter_persist.model.adoption import ImportRecord
from charter_persist.model.area import Area
from charter_persist.model.authority import AuthorityRule, Constraints
from charter_persist.model.digest import Digest, digest_bytes
from charter_persist.model.event import Custom
from charter_persist.model.finding import KINDS, Layer
from charter_persist.model.lifecycle import Transition
from charter_persist.model.resolution import Context, Resolution, ResolutionState, ResolutionType
from charter_persist.testing.history import record_history
from charter_persist.unit_of_work import UnitOfWork
from tests.damage import unguarded
from tests.governed_store import AUTHORITY, decide, initialise, record_everything, ticking

ABSENT = Digest("0" * 64)
AT = "2026-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("codes") / "charter.db"
    upgrade(f"sqlite:///{path}")
    with connect(f"sqlite:///{path}", clock=ticking()) as store:
        record_everything(store)
    return path


@pytest.fixture
def path(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(sound, tmp_path / "charter.db"))


def check(path: Path, **options: Any) -> FsckReport:
    with connect(f"sqlite:///{path}", read_only=True) as store:
        return fsck(store, **options)


# What is planted through the public verbs: the journal is in order, and what it recorded is wrong.


def resolution_of(uow: UnitOfWork, kind: str = "GENERAL", **changes: Any) -> Digest:
    """A copy of an accepted resolution with some fields changed, and with its event."""
    contents = (item.object for item in uow.objects.iter("resolution") if item.object["area_id"] == "a")
    content = {**next(item for item in contents if item["type"] == kind), **changes}
    digest = uow.objects.put("resolution", content)
    uow.audit.append("RESOLUTION_ACCEPTED", scope=f"AREA:{content['area_id']}", subject=("resolution", digest))
    return digest


def context_of(uow: UnitOfWork, **changes: Any) -> dict[str, Any]:
    content = next(item.object for item in uow.objects.iter("resolution"))
    return {**content["context"], **changes}


def forged_object(uow: UnitOfWork, data: bytes, *, version: str = "v1") -> None:
    """An object with its digest and its entry, whatever its bytes are."""
    raw = digest_bytes("doc", data)
    position = uow._context.record("object", f"doc/{raw.hex()}", "put", raw)
    uow._context.write.put(OBJECT, ObjectRow(position, raw, version, "doc", len(data), data))


def forged_ref(uow: UnitOfWork, name: str, raw: bytes, version: int = 1) -> None:
    """A ref with its entry, whatever it points to."""
    row = uow.refs._log("set", RefLogRow(0, name, raw, version, uow._context.journal.revision))
    uow._context.write.put(REF, RefRow(name, raw, version, row.revision, row.position))


def skipped_event(uow: UnitOfWork) -> None:
    """An event whose number does not follow the one before."""
    uow.events._ends["run-1"] = 7, "tenant of run-1"
    uow.events.append("run-1", Custom("n", 7), tenant_id="tenant of run-1")


def foreign_event(uow: UnitOfWork) -> None:
    """An event of another tenant than those before."""
    uow.events._ends["run-1"] = 4, "another"
    uow.events.append("run-1", Custom("n", 7), tenant_id="another")


def some_object(uow: UnitOfWork) -> bytes:
    return bytes.fromhex(next(uow.objects.iter("doc")).object_hash)


def governed_session(uow: UnitOfWork, area_id: str, authority: str | None, state: str, *ends: str) -> None:
    """A session as the engine makes it, and as it never would."""
    constraints = Constraints(ResolutionType.GENERAL, AuthorityRule.UNANIMOUS_PRESENT, ("ana",)).to_content()
    references = {"area_ids": [], "resolution_ids": []}
    scope = uow.refs.get(f"area/{area_id}/scope")
    uow.sessions.create(
        session_id="forged",
        area_id=area_id,
        problem_statement="why",
        authority_resolution_id=authority,
        scope_resolution_id=None if scope is None else scope.digest,
        constraints=constraints,
        references=references,
    )
    proposal = {"content": {"text": "this"}, "supersedes": [], "transitions": {}}
    uow.sessions.add_candidate("forged", proposal, candidate_id="c")
    if state != "CREATED":
        uow.sessions.set_state("forged", state)
    for end in ends:
        uow.sessions.seal("forged", end, accepted=["c"] if end == "ACCEPTED" else [])


def accept_against(uow: UnitOfWork, stance: str | None) -> None:
    """A session that is accepted although its stances do not carry it, and the resolution that it names."""
    authority = uow.refs.require("area/a/authority").digest
    governed_session(uow, "a", authority, "ACTIVE")
    if stance is not None:
        uow.sessions.record_stance("forged", actor_id="ana", candidate_id="c", stance=stance)
    sealed = uow.sessions.seal("forged", "ACCEPTED", accepted=["c"])
    session = uow.sessions.require("forged")
    context = Context(authority, session.scope_resolution_id)
    made = Resolution("a", ResolutionType.GENERAL, {"text": "this"}, session.closed_at, "forged", sealed, "c", context)
    resolution_of(uow, **made.to_content())


def former_authority(uow: UnitOfWork) -> str:
    """One that was superseded."""
    return next(ref.digest for ref in uow.refs.history("area/a/authority") if ref.digest)


def transition_of(uow: UnitOfWork, **changes: Any) -> None:
    target = uow.refs.require("area/a/label/best").digest
    last = [item for item in uow.objects.iter("transition") if item.object["resolution_id"] == target][-1]
    first = Transition.from_content(last.object)
    made = replace(first, before=first.after, previous=last.object_hash, session_id=None, **changes)
    uow.objects.put("transition", made.to_content())


def fork(uow: UnitOfWork) -> None:
    target = next(item.object["supersedes"] for item in uow.objects.iter("resolution") if item.object["supersedes"])
    resolution_of(uow, supersedes=target, content={"text": "another successor"})


def put_area(uow: UnitOfWork, **changes: Any) -> None:
    uow.objects.put("area", {**Area("z", "zed", None, {}, AT).to_content(), **changes})


Recorded = Callable[[UnitOfWork], object]
RECORDED: list[tuple[str, set[str], Recorded]] = [
    ("CORRUPT_OBJECT", set(), lambda uow: put_area(uow, area_id=1)),
    ("CORRUPT_OBJECT", set(), lambda uow: uow.objects.put("stance", {"actor_id": "ana"})),
    ("CORRUPT_OBJECT", set(), lambda uow: forged_object(uow, b'{"b":1,"a":2}')),
    ("CORRUPT_OBJECT", set(), lambda uow: forged_object(uow, b'{"a":1.0}')),
    ("CORRUPT_OBJECT", set(), lambda uow: forged_object(uow, b"not JSON")),
    ("UNKNOWN_OBJECT_KIND", set(), lambda uow: forged_object(uow, b"{}", version="v9")),
    ("DANGLING_REF", set(), lambda uow: forged_ref(uow, "label/x", bytes(32))),
    ("MALFORMED_REF", set(), lambda uow: forged_ref(uow, "label//x", some_object(uow))),
    ("VERSION_GAP", set(), lambda uow: forged_ref(uow, "label/x", some_object(uow), version=5)),
    ("SEQUENCE_GAP", set(), skipped_event),
    ("SEQUENCE_GAP", set(), foreign_event),
    (
        "DANGLING_RESOLUTION",
        {"ILLEGITIMATE_RESOLUTION"},
        lambda uow: resolution_of(uow, context=context_of(uow, referenced_resolution_ids=[ABSENT])),
    ),
    ("MISSING_SESSION", set(), lambda uow: resolution_of(uow, session_digest=ABSENT)),
    (
        "BROKEN_SUPERSESSION_CHAIN",
        {"ILLEGITIMATE_RESOLUTION"},
        lambda uow: resolution_of(uow, supersedes=[ABSENT]),
    ),
    ("SUPERSESSION_FORK", {"ILLEGITIMATE_RESOLUTION"}, fork),
    ("ILLEGITIMATE_RESOLUTION", set(), lambda uow: resolution_of(uow, content={"text": "what nobody accepted"})),
    ("ILLEGITIMATE_RESOLUTION", set(), lambda uow: resolution_of(uow, accepted_at=AT)),
    ("ILLEGITIMATE_RESOLUTION", set(), lambda uow: accept_against(uow, "REJECT")),
    ("ILLEGITIMATE_RESOLUTION", set(), lambda uow: accept_against(uow, None)),
    ("ILLEGITIMATE_RESOLUTION", set(), lambda uow: resolution_of(uow, candidate_id="nobody's")),
    (
        "ILLEGITIMATE_RESOLUTION",
        set(),
        lambda uow: resolution_of(uow, context=context_of(uow, referenced_area_ids=["b"])),
    ),
    (
        "MULTIPLE_ACTIVE_AUTHORITIES",
        {"ILLEGITIMATE_RESOLUTION"},
        lambda uow: resolution_of(uow, "AUTHORITY", content={**AUTHORITY, "text": "mine"}),
    ),
    (
        "MULTIPLE_ACTIVE_SCOPES",
        {"ILLEGITIMATE_RESOLUTION"},
        lambda uow: resolution_of(uow, "SCOPE", content={"text": "more"}),
    ),
    ("MISSING_AREA", set(), lambda uow: governed_session(uow, "nowhere", None, "CREATED", "CLOSED")),
    ("DUPLICATE_AREA", set(), lambda uow: put_area(uow, area_id="a")),
    (
        "IMPORT_INCOMPLETE",
        set(),
        lambda uow: uow.objects.put("import", ImportRecord("i", ABSENT, (), (ABSENT,), 1, 1, AT).to_content()),
    ),
    (
        "REF_MISMATCH",
        set(),
        lambda uow: uow.refs.set(
            "area/a/scope", uow.refs.require("area/b/scope").digest, expected=uow.refs.require("area/a/scope").version
        ),
    ),
    ("REF_MISMATCH", set(), lambda uow: uow.refs.delete("area/a/scope", expected=1)),
    ("SESSION_INVALID_CONTEXT", set(), lambda uow: governed_session(uow, "a", former_authority(uow), "ACTIVE")),
    (
        "SESSION_INVALID_CONTEXT",
        set(),
        lambda uow: governed_session(uow, "a", former_authority(uow), "ACTIVE", "ACCEPTED"),
    ),
    ("ILLEGAL_LIFECYCLE_TRANSITION", set(), lambda uow: transition_of(uow, after=ResolutionState.RETIRED)),
    ("ILLEGAL_LIFECYCLE_TRANSITION", set(), lambda uow: transition_of(uow, after=ResolutionState.SUPERSEDED)),
    (
        "AUDIT_SCOPE_VIOLATION",
        set(),
        lambda uow: uow.audit.append("SESSION_STARTED", scope="GLOBAL", subject=("session", "s")),
    ),
    (
        "AUDIT_SCOPE_VIOLATION",
        set(),
        lambda uow: uow.audit.append("AREA_CREATED", scope="AREA:a", subject=("area", "a")),
    ),
    (
        "AUDIT_SCOPE_VIOLATION",
        set(),
        lambda uow: uow.audit.append("SESSION_STARTED", scope="AREA:nowhere", subject=("session", "s")),
    ),
    (
        "AUDIT_MISSING",
        set(),
        lambda uow: (
            put_area(uow),
            uow.audit.append("SESSION_STARTED", scope="AREA:z", subject=("session", "s")),
        ),
    ),
]

# What somebody does with the file in his hands.
ALTERED: list[tuple[str, set[str], str]] = [
    ("HASH_MISMATCH", set(), "UPDATE object SET data = x'5b5d', size = 2 WHERE position = 1"),
    ("JOURNAL_GAP", {"NOT_JOURNALLED", "TILE_MISMATCH"}, "DELETE FROM journal WHERE position = 4"),
    ("JOURNAL_REVISION", {"JOURNAL_LEAF", "TILE_MISMATCH"}, "UPDATE journal SET revision = 9 WHERE position = 1"),
    ("JOURNAL_LEAF", set(), "UPDATE journal SET leaf = zeroblob(32) WHERE position = 2"),
    ("JOURNAL_LEAF", {"TILE_MISMATCH"}, "UPDATE journal SET recorded_at = 9223372036854775807 WHERE position = 2"),
    (
        "JOURNAL_STORE",
        {"JOURNAL_LEAF", "NOT_JOURNALLED", "TILE_MISMATCH"},
        "UPDATE journal SET store = 'drawer' WHERE position = 1",
    ),
    ("TILE_MISMATCH", set(), "DELETE FROM journal_tile"),
    ("TILE_MISMATCH", set(), "INSERT INTO journal_tile SELECT level, tile + 1, root, nodes FROM journal_tile"),
    ("TILE_MISMATCH", set(), "INSERT INTO journal_tile SELECT level + 70, tile, root, nodes FROM journal_tile"),
    ("VALUE_MISSING", set(), "DELETE FROM audit_event WHERE position = (SELECT min(position) FROM audit_event)"),
    (
        "VALUE_UNREADABLE",
        {"VERSION_GAP"},
        "UPDATE session_log SET data = x'ff' WHERE position = (SELECT min(position) FROM session_log)",
    ),
    ("COMMITMENT_MISMATCH", set(), "UPDATE metadata_log SET value = x'31' WHERE key = 'key/0'"),
    (
        "NOT_JOURNALLED",
        set(),
        "INSERT INTO object SELECT 100000, zeroblob(32), hash_version, type, size, data FROM object LIMIT 1",
    ),
    (
        "NOT_JOURNALLED",
        set(),
        "INSERT INTO object SELECT -5, zeroblob(32), hash_version, type, size, data FROM object LIMIT 1",
    ),
    ("OPERATION_MISMATCH", set(), "UPDATE operation SET revision = 1 WHERE operation_id = 'named'"),
    ("OPERATION_MISMATCH", set(), "UPDATE operation SET root = zeroblob(32) WHERE operation_id = 'named'"),
    ("OPERATION_MISMATCH", set(), "UPDATE operation SET recorded_at = 0 WHERE operation_id = 'named'"),
    ("OPERATION_MISMATCH", set(), "UPDATE operation SET value = x'5b5b392c392c395d5d' WHERE length(operation_id) = 32"),
    ("PROJECTION_MISMATCH", set(), "UPDATE ref SET version = 9 WHERE name = 'label/0'"),
    ("PROJECTION_MISMATCH", set(), "DELETE FROM session_stance"),
    ("PROJECTION_MISMATCH", set(), "DELETE FROM execution WHERE execution_id = 'run-1'"),
    ("PROJECTION_MISMATCH", set(), "UPDATE message SET deleted = 1 WHERE message_id = 'm0'"),
    ("VALUE_MISSING", set(), "UPDATE event SET data = NULL, nonce = x'' WHERE execution_id = 'run-1' AND sequence = 1"),
    ("COMMITMENT_MISMATCH", set(), "UPDATE event SET type = 'custom_' WHERE execution_id = 'run-2' AND sequence = 1"),
    ("PROJECTION_MISMATCH", set(), "INSERT INTO session_stance VALUES ('nobody', 'ana', 'c', 'ACCEPT', x'5b5d')"),
]
ELSEWHERE = {"HEAD_MISMATCH", "CHECKPOINT_SIGNATURE", "CONTENT_MISSING", "ORPHANED_CONTENT"}
"""Codes of Postgres, of ``charter verify --public-key`` and of what lies beside, which have tests of their own."""


@pytest.mark.spec("P30", "GOV-11", "IDX-7")
@pytest.mark.parametrize(
    ("code", "besides", "plant"), RECORDED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_was_recorded_wrongly_is_reported_under_its_code(
    path: Path, code: str, besides: set[str], plant: Recorded
) -> None:
    with connect(f"sqlite:///{path}") as store, store.begin() as uow:
        plant(uow)
    assert set(check(path).counts) == {code, *besides}


@pytest.mark.spec("P30", "GOV-11")
@pytest.mark.parametrize(("code", "besides", "statement"), ALTERED)
def test_what_was_altered_in_the_file_is_reported_under_its_code(
    path: Path, code: str, besides: set[str], statement: str
) -> None:
    with unguarded(path) as tamper:
        tamper.execute(statement)
    assert set(check(path).counts) == {code, "GUARD_MISSING", *besides}


@pytest.mark.spec("P30", "GOV-9")
def test_an_acceptance_without_its_event_is_reported(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit_area = Work.audit_area

    def forgetful(self: Work, event_type: str, *rest: Any) -> None:
        if event_type != "RESOLUTION_ACCEPTED":
            audit_area(self, event_type, *rest)

    monkeypatch.setattr(Work, "audit_area", forgetful)
    with connect(f"sqlite:///{path}") as store:
        accepted = decide(Charter(store), "a", "late", {"text": "in silence"})
    (finding,) = check(path).findings
    assert (finding.code, finding.subject) == ("AUDIT_MISSING", f"object/{accepted}")


@pytest.mark.spec("P30", "P21")
def test_each_guard_that_is_missing_is_named(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER guard_object_update")
    connection.close()
    (finding,) = check(path).findings
    assert (finding.code, finding.subject) == ("GUARD_MISSING", "guard/guard_object_update")


@pytest.mark.spec("P30", "P24")
def test_what_a_checkpoint_shows_has_codes_of_its_own(path: Path) -> None:
    with connect(f"sqlite:///{path}", read_only=True) as store, store.read() as view:
        true = Checkpoint(store.store_id, view.journal.size(), view.journal.root())
    assert check(path, checkpoint=true).counts == {}
    assert check(path, checkpoint=true).level == "checkpoint"
    for code, other in (
        ("CHECKPOINT_MISMATCH", replace(true, root=sha256(b"").digest())),
        ("CHECKPOINT_ORIGIN", replace(true, origin="another")),
        ("CHECKPOINT_AHEAD", replace(true, size=true.size + 1)),
    ):
        assert check(path, checkpoint=other).counts == {code: 1}


@pytest.mark.spec("P30", "IDX-11")
def test_a_live_index_that_differs_from_a_new_one_is_reported(path: Path) -> None:
    live = LiveIndex()
    with connect(f"sqlite:///{path}", read_only=True) as store:
        assert fsck(store, live=live).counts == {}
        with store.read() as view, live.at(view.reader) as index:
            index.apply([StoredObject(ABSENT, "area", Area("z", "zed", None, {}, AT))])
        assert fsck(store, live=live).counts == {"INDEX_MISMATCH": 1}


def test_every_code_is_planted_somewhere() -> None:
    planted = {code for code, *_ in RECORDED} | {code for code, *_ in ALTERED} | ELSEWHERE
    planted |= {"AUDIT_MISSING", "GUARD_MISSING", "INDEX_MISMATCH"}
    planted |= {"CHECKPOINT_MISMATCH", "CHECKPOINT_ORIGIN", "CHECKPOINT_AHEAD"}
    assert planted == {code for code, kind in KINDS.items() if kind.layer is not Layer.BUNDLE}
    assert len(planted) >= 30


def test_the_same_with_enough_stances_is_legitimate(path: Path) -> None:
    with connect(f"sqlite:///{path}") as store, store.begin() as uow:
        accept_against(uow, "ACCEPT")
    assert check(path).counts == {}


@pytest.mark.spec("P30")
def test_of_a_sound_store_nothing_is_said(path: Path) -> None:
    found = check(path)
    assert (found.findings, found.counts, found.level) == ((), {}, "chain")


VERBS: list[Callable[[Charter, str, str], object]] = [
    lambda charter, area, name: initialise(charter, name),
    lambda charter, area, name: decide(charter, area, name, {"text": name}),
    lambda charter, area, name: decide(charter, area, name, AUTHORITY | {"text": name}, session={"type": "AUTHORITY"}),
    lambda charter, area, name: decide(charter, area, name, {"text": name}, session={"type": "SCOPE"}),
    lambda charter, area, name: decide(charter, area, name, {"text": name}, supersedes=active(charter, area)[:1]),
    lambda charter, area, name: decide(
        charter, area, name, None, transitions=dict.fromkeys(active(charter, area)[-1:], "RETIRED")
    ),
    lambda charter, area, name: charter.mark_under_review(active(charter, area)[0]),
    lambda charter, area, name: charter.start_session(area, problem_statement="why", session_id=name),
    lambda charter, area, name: charter.start(name_before(name)),
    lambda charter, area, name: charter.pause(name_before(name)),
    lambda charter, area, name: charter.close(name_before(name)),
    lambda charter, area, name: charter.retire_area(area),
]


def active(charter: Charter, area_id: str) -> list[Digest]:
    return list(charter.resolutions(area_id, state=ResolutionState.ACTIVE, type="GENERAL"))


def name_before(name: str) -> str:
    return f"n{int(name[1:]) - 1}"


@pytest.mark.spec("P30", "GOV-11", "IDX-11")
@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, len(VERBS) - 1), st.integers(0, 3)), min_size=5, max_size=25))
def test_of_whatever_the_engine_did_nothing_is_said(steps: list[tuple[int, int]]) -> None:
    with connect("memory://", clock=ticking()) as store:
        charter = Charter(store)
        initialise(charter, "n0")
        areas = ["n0"]
        for number, (verb, area) in enumerate(steps, 1):
            try:
                VERBS[verb](charter, areas[area % len(areas)], f"n{number}")
            except (CharterError, IndexError):
                continue  # refused, so it wrote nothing
            if verb == 0:
                areas.append(f"n{number}")
        assert fsck(store, live=LiveIndex()).findings == ()


@pytest.mark.spec("GOV-11")
def test_every_object_is_of_exactly_one_class(path: Path) -> None:
    with connect(f"sqlite:///{path}") as store:
        with store.begin() as uow:
            put_area(uow, area_id=1)
        with store.read() as view:
            total = sum(1 for _ in view.objects.iter())
            pointed = {ref.digest for ref in view.refs.iter()}
            loose = [item for item in view.objects.iter("doc") if item.object_hash not in pointed]
    with unguarded(path) as tamper:
        tamper.execute("UPDATE object SET data = x'5b5d', size = 2 WHERE position = 1")
    classes = check(path).objects
    assert classes.reachable + classes.unattached + classes.broken == total
    assert classes.broken == len(classes.broken_objects) == 2
    closed = [name for name in classes.unattached_objects if name.startswith("session/")]
    assert len(closed) == 2  # one in each area was closed, so nothing came of it
    assert {name for name in classes.unattached_objects if name.startswith("doc/")} <= {
        f"doc/{item.object_hash}" for item in loose
    }


@pytest.mark.spec("P23", "P52")
def test_each_row_that_cannot_be_read_is_named_and_the_rest_is_read(path: Path) -> None:
    with unguarded(path) as tamper:
        places = [row[0] for row in tamper.execute("SELECT position FROM audit_event ORDER BY position")]
        bad = {places[0], places[1], places[len(places) // 2], places[-1]}
        for place in bad:
            tamper.execute(
                "UPDATE audit_event SET event_id = CAST(x'ff' || position AS TEXT) WHERE position = ?", (place,)
            )
    found = [finding for finding in check(path).findings if finding.code == "VALUE_UNREADABLE"]
    assert sorted(finding.subject for finding in found) == sorted(f"audit_event/{place}" for place in bad)


@pytest.mark.spec("P30")
@pytest.mark.parametrize("through_run", [False, True])
def test_of_the_history_that_every_backend_records_nothing_is_said(through_run: bool) -> None:
    with connect("sqlite://") as store:
        record_history(store, through_run=through_run)
        store.run(lambda uow: uow.objects.put("doc", "named"), operation_id="name")
        assert fsck(store).counts == {}


def test_findings_are_cut_off_and_all_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "charter.db"
    upgrade(f"sqlite:///{path}")
    with connect(f"sqlite:///{path}") as store, store.begin() as uow:
        uow.objects.put_many(("doc", n) for n in range(1_500))
    with unguarded(path) as tamper:
        tamper.execute("UPDATE object SET data = x'5b5d', size = 2")
    found = check(path)
    assert len(found.findings) == 1_000
    assert found.counts["HASH_MISMATCH"] == 1_500
    assert found.objects.broken == 1_500


def test_what_is_stale_is_a_note_and_no_finding(path: Path) -> None:
    found = check(path)
    texts = {note.text: note.ids for note in found.notes}
    assert texts["area without AUTHORITY: not initialised"] == ("c",)
    assert found.findings == ()
