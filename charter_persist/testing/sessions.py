"""Conformance of the session store: mutable while open, immutable once terminal.

Source: STO-3.5, GOV-3, GOV-4, NEIGHBOURS 2.4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from charter_persist.backends.contract import (
    OBJECT,
    SESSION,
    SESSION_CANDIDATE,
    SESSION_LOG,
    SESSION_STANCE,
    ObjectRow,
)
from charter_persist.errors import (
    AlreadyExistsError,
    CharterError,
    DigestMismatchError,
    FrozenError,
    InvalidInputError,
    InvalidTransitionError,
    NotFoundError,
    SealedError,
)
from charter_persist.model.session import TRANSITIONS, SessionState, StanceKind
from charter_persist.repositories.sessions import SessionRepository
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.testing.objects import all_pages
from charter_persist.testing.sources import CountingSources

OPEN_STATES: Final = (SessionState.CREATED, SessionState.ACTIVE, SessionState.PAUSED, SessionState.BLOCKED)
FINAL_STATES: Final = (SessionState.ACCEPTED, SessionState.CLOSED)
CHANGES: Final[dict[str, Callable[[SessionRepository], Any]]] = {
    "candidate": lambda sessions: sessions.add_candidate("s", "late"),
    "stance": lambda sessions: sessions.record_stance("s", actor_id="ana", candidate_id="c", stance="ACCEPT"),
    "state": lambda sessions: sessions.set_state("s", "PAUSED"),
    "rollback": lambda sessions: sessions.rollback("s", to=1),
    "seal": lambda sessions: sessions.seal("s", "CLOSED"),
}


def open_session(store: Store, state: SessionState = SessionState.ACTIVE, session_id: str = "s") -> None:
    """Create a session with the candidate ``c`` and bring it to an open state, in one unit."""
    path = {SessionState.CREATED: (), SessionState.ACTIVE: ("ACTIVE",)}.get(state, ("ACTIVE", state))
    with store.begin() as uow:
        uow.sessions.create(session_id=session_id, area_id="x", problem_statement="why")
        uow.sessions.add_candidate(session_id, {"text": "this"}, candidate_id="c")
        for step in path:
            uow.sessions.set_state(session_id, step)


@pytest.mark.spec("STO-3.5")
class SessionStoreConformance(StoreFixtures):
    """What a session store must do while a session is open."""

    def test_a_session_is_stored_whole(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """All fields come back, in the log and in the tables of the present state."""
        with open_store(**CountingSources().arguments()) as store:
            with store.begin() as uow:
                made = uow.sessions.create(
                    session_id="s",
                    area_id="x",
                    problem_statement="why \u20ac",
                    authority_resolution_id="a",
                    constraints={"n": 1.0},
                    references={"scopes": []},
                )
                assert made.created_at == "2026-01-01T00:00:01Z"
                candidate = uow.sessions.add_candidate("s", {"text": "this"}, rationale="because")
                uow.sessions.set_state("s", "ACTIVE")
                uow.sessions.record_stance(
                    "s", actor_id="ana", candidate_id=candidate.candidate_id, stance=StanceKind.ACCEPT
                )
            with store.read() as view:
                found = view.sessions.require("s")
                assert view.sessions.get("t") is None
                assert view.sessions.exists("s")
                assert not view.sessions.exists("t")
                with refused(NotFoundError, "t"):
                    view.sessions.require("t")
        assert (found.state, found.version, found.started_at, found.closed_at) == (
            SessionState.ACTIVE,
            1,
            "2026-01-01T00:00:01Z",
            None,
        )
        assert (found.constraints, found.references) == ({"n": 1}, {"scopes": []})
        assert (found.authority_resolution_id, found.scope_resolution_id) == ("a", None)
        assert list(found.candidates.values()) == [candidate]
        assert [(key, stance.type) for key, stance in found.stances.items()] == [
            (("ana", candidate.candidate_id), StanceKind.ACCEPT)
        ]
        # Once a unit, with the net effect: three more changes after `create` make no version of their own.
        assert [(row.session_id, row.version) for row in backdoor.raw_rows(SESSION_LOG)] == [("s", 1)]
        assert [row[:5] for row in backdoor.raw_rows(SESSION)] == [("s", "x", "ACTIVE", 1, None)]
        assert [row[:3] for row in backdoor.raw_rows(SESSION_CANDIDATE)] == [("s", candidate.candidate_id, 1)]
        assert [row[:4] for row in backdoor.raw_rows(SESSION_STANCE)] == [
            ("s", "ana", candidate.candidate_id, "ACCEPT")
        ]

    def test_every_version_of_a_session_has_a_nonce_of_its_own(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """Nonces come from the source that the store was given; equal versions do not have equal commitments."""
        sources = CountingSources()
        given: list[bytes] = []

        def nonce() -> bytes:
            given.append(sources.nonce())
            return given[-1]

        with open_store(clock=sources.clock, new_id=sources.new_id, nonce=nonce) as store:
            for name in "ab":
                open_session(store, session_id=name)
            with store.begin() as uow:
                uow.sessions.set_state("a", "PAUSED")
        # Catches a nonce that is always the same, or none: a small value could be guessed from its commitment.
        assert [row.nonce for row in sorted(backdoor.raw_rows(SESSION_LOG))] == given
        assert len(set(given)) == 3

    def test_a_session_id_is_used_once(self, store: Store, backdoor: BackDoor) -> None:
        """In the same unit, in a later one, and after the end of the session."""
        open_session(store)
        with store.begin() as uow:
            uow.sessions.seal("s", "CLOSED")
        with nothing_written(backdoor), store.begin() as uow, refused(AlreadyExistsError, "s"):
            uow.sessions.create(session_id="s", area_id="y", problem_statement="again")
        with store.begin() as uow:
            uow.sessions.create(session_id="t", area_id="y", problem_statement="again")
            with refused(AlreadyExistsError, "t"):
                uow.sessions.create(session_id="t", area_id="z", problem_statement="again")
        with store.read() as view:
            assert view.sessions.require("t").area_id == "y"

    @pytest.mark.spec("GOV-3")
    @pytest.mark.parametrize("before", OPEN_STATES)
    def test_only_the_listed_transitions_are_possible(self, store: Store, backdoor: BackDoor, before: Any) -> None:
        """Every pair of states is either in the table of transitions or refused."""
        for number, after in enumerate(SessionState):
            name = f"{before}-{number}"
            open_session(store, before, name)
            with store.begin() as uow:
                if after in FINAL_STATES:
                    with refused(InvalidInputError, "seal"):
                        uow.sessions.set_state(name, after)
                elif after in TRANSITIONS[before]:
                    assert uow.sessions.set_state(name, str(after)).state is after
                else:
                    with refused(InvalidTransitionError, name, before, after) as caught:
                        uow.sessions.set_state(name, after)
                    assert caught.value.rule == "GOV-3"  # type: ignore[attr-defined]  # a RuleError has it
        for after in FINAL_STATES:
            name = f"{before}-{after}"
            open_session(store, before, name)
            if after in TRANSITIONS[before]:
                with store.begin() as uow:
                    uow.sessions.seal(name, after)
            else:
                with nothing_written(backdoor), store.begin() as uow, refused(InvalidTransitionError, name):
                    uow.sessions.seal(name, after)

    @pytest.mark.spec("GOV-3")
    def test_candidates_freeze_at_the_first_stance(self, store: Store, backdoor: BackDoor) -> None:
        """No candidate is added once anyone said anything, in the same unit or later."""
        open_session(store)
        with store.begin() as uow:
            uow.sessions.add_candidate("s", "second", candidate_id="d")
            uow.sessions.record_stance("s", actor_id="ana", candidate_id="c", stance="ABSTAIN")
            with refused(FrozenError, "s"):
                uow.sessions.add_candidate("s", "third")
        with nothing_written(backdoor), store.begin() as uow, refused(FrozenError, "s"):
            uow.sessions.add_candidate("s", "third")

    @pytest.mark.spec("GOV-3")
    @pytest.mark.parametrize("state", [SessionState.PAUSED, SessionState.BLOCKED])
    def test_what_a_session_state_forbids_is_refused(
        self, store: Store, backdoor: BackDoor, state: SessionState
    ) -> None:
        """A session that is paused or blocked takes neither candidates nor stances."""
        open_session(store, state)
        with nothing_written(backdoor), store.begin() as uow:
            with refused(InvalidTransitionError, "s", state):
                uow.sessions.add_candidate("s", "late")
            with refused(InvalidTransitionError, "s", state):
                uow.sessions.record_stance("s", actor_id="ana", candidate_id="c", stance="ACCEPT")

    def test_a_created_session_takes_candidates_and_no_stances(self, store: Store, backdoor: BackDoor) -> None:
        """Deliberation begins with ACTIVE."""
        open_session(store, SessionState.CREATED)
        with nothing_written(backdoor), store.begin() as uow, refused(InvalidTransitionError, "CREATED"):
            uow.sessions.record_stance("s", actor_id="ana", candidate_id="c", stance="ACCEPT")
        with store.begin() as uow:
            uow.sessions.add_candidate("s", "second", candidate_id="d")
        with store.read() as view:
            assert list(view.sessions.require("s").candidates) == ["c", "d"]

    @pytest.mark.spec("GOV-4")
    def test_the_newest_stance_of_an_actor_counts(self, store: Store, backdoor: BackDoor) -> None:
        """A stance may be changed while the session is open, and the log keeps what it was."""
        open_session(store)
        for actor, kind in [("ana", "ACCEPT"), ("bob", "REJECT"), ("ana", "ABSTAIN"), ("ana", "REJECT")]:
            with store.begin() as uow:
                uow.sessions.record_stance("s", actor_id=actor, candidate_id="c", stance=kind)
        with store.read() as view:
            session = view.sessions.require("s")
            assert {actor: str(stance.type) for (actor, _), stance in session.stances.items()} == {
                "ana": "REJECT",
                "bob": "REJECT",
            }
            said = [past.stances.get(("ana", "c")) for past in view.sessions.history("s")]
            assert [stance and str(stance.type) for stance in said] == [None, "ACCEPT", "ACCEPT", "ABSTAIN", "REJECT"]
        assert len(backdoor.raw_rows(SESSION_STANCE)) == 2

    @pytest.mark.parametrize("stance", ["", "accept", "YES", None, 1], ids=ascii)
    def test_what_is_no_stance_is_refused(self, store: Store, backdoor: BackDoor, stance: Any) -> None:
        """There are three, in one spelling."""
        open_session(store)
        with nothing_written(backdoor), store.begin() as uow, refused(InvalidInputError, "stance"):
            uow.sessions.record_stance("s", actor_id="ana", candidate_id="c", stance=stance)

    @pytest.mark.parametrize("state", ["", "active", "OPEN", None, 1], ids=ascii)
    def test_what_is_no_state_is_refused(self, store: Store, backdoor: BackDoor, state: Any) -> None:
        """In every call that takes a state."""
        open_session(store)
        with nothing_written(backdoor), store.begin() as uow:
            with refused(InvalidInputError, "state"):
                uow.sessions.set_state("s", state)
            with refused(InvalidInputError, "state"):
                uow.sessions.seal("s", state)
            if state is not None:
                with refused(InvalidInputError, "state"):
                    list(uow.sessions.iter(state=state))

    def test_a_candidate_id_is_used_once_in_its_session(self, store: Store, backdoor: BackDoor) -> None:
        """Another session may have a candidate of that id."""
        open_session(store)
        with nothing_written(backdoor), store.begin() as uow, refused(InvalidInputError, "c"):
            uow.sessions.add_candidate("s", "other", candidate_id="c")
        open_session(store, session_id="t")

    @pytest.mark.parametrize("change", CHANGES)
    def test_a_session_that_is_not_there_cannot_be_changed(self, store: Store, backdoor: BackDoor, change: str) -> None:
        """Every verb says not found."""
        with nothing_written(backdoor), store.begin() as uow, refused(NotFoundError, "s"):
            CHANGES[change](uow.sessions)

    def test_a_stance_needs_its_candidate(self, store: Store, backdoor: BackDoor) -> None:
        """A stance on nothing is refused."""
        open_session(store)
        with nothing_written(backdoor), store.begin() as uow, refused(NotFoundError, "d"):
            uow.sessions.record_stance("s", actor_id="ana", candidate_id="d", stance="ACCEPT")

    def test_listing_of_sessions_follows_ids_areas_and_states(self, store: Store) -> None:
        """By id, or by area, state and id; pages give each session once."""
        for n, area in enumerate("xyxyx"):
            with store.begin() as uow:
                uow.sessions.create(session_id=f"s{n}", area_id=area, problem_statement="why")
                if n in (0, 1, 4):
                    uow.sessions.set_state(f"s{n}", "ACTIVE")
        with store.begin() as uow:
            uow.sessions.seal("s4", "ACCEPTED")
        with store.read() as view:
            sessions = view.sessions
            assert [session.session_id for session in sessions.iter()] == ["s0", "s1", "s2", "s3", "s4"]
            assert [session.session_id for session in sessions.iter(state="CREATED")] == ["s2", "s3"]
            assert [(str(session.state), session.session_id) for session in sessions.iter(area_id="x")] == [
                ("ACCEPTED", "s4"),
                ("ACTIVE", "s0"),
                ("CREATED", "s2"),
            ]
            assert [s.session_id for s in sessions.iter(area_id="y", state=SessionState.ACTIVE)] == ["s1"]
            assert list(sessions.iter(area_id="z")) == []
            for limit in (1, 2, 5, 6):
                assert all_pages(sessions.list, limit, 5, revision=6) == list(sessions.iter())


@pytest.mark.spec("STO-3.5")
class SessionEndConformance(StoreFixtures):
    """Snapshots, rollback, and the end of a session."""

    def test_a_rollback_brings_a_snapshot_back(self, store: Store, backdoor: BackDoor) -> None:
        """State, candidates and stances are those of the snapshot; the version and the log go on."""
        open_session(store, SessionState.CREATED)
        with store.begin() as uow:
            kept = uow.sessions.snapshot("s")
            uow.sessions.add_candidate("s", "second", candidate_id="d")
            uow.sessions.set_state("s", "ACTIVE")
        with store.begin() as uow:
            uow.sessions.record_stance("s", actor_id="ana", candidate_id="d", stance="ACCEPT")
        with store.begin() as uow:
            back = uow.sessions.rollback("s", to=kept)
            assert (list(back.candidates), back.stances) == (["c"], {})
        with store.read() as view:
            found = view.sessions.require("s")
            assert (found.state, list(found.candidates), found.stances) == (SessionState.CREATED, ["c"], {})
            # Catches a rollback that forgets: what was said stays on record.
            assert [past.version for past in view.sessions.history("s")] == [1, 2, 3, 4]
            assert [len(past.stances) for past in view.sessions.history("s")] == [0, 0, 1, 0]
        # Catches rows of the present state that are left behind.
        assert [row.candidate_id for row in backdoor.raw_rows(SESSION_CANDIDATE)] == ["c"]
        assert backdoor.raw_rows(SESSION_STANCE) == []

    def test_a_snapshot_holds_what_its_own_unit_changed(self, store: Store) -> None:
        """Inside one unit a rollback comes back to the snapshot, not to the beginning of the unit."""
        with store.begin() as uow:
            uow.sessions.create(session_id="s", area_id="x", problem_statement="why")
            uow.sessions.add_candidate("s", "first", candidate_id="c")
            first = uow.sessions.snapshot("s")
            assert uow.sessions.snapshot("s") == first  # nothing changed since
            uow.sessions.add_candidate("s", "second", candidate_id="d")
            second = uow.sessions.snapshot("s")
            assert second == first + 1
            uow.sessions.rollback("s", to=first)
            uow.sessions.add_candidate("s", "third", candidate_id="e")
        with store.read() as view:
            assert list(view.sessions.require("s").candidates) == ["c", "e"]
        with store.begin() as uow:
            assert list(uow.sessions.rollback("s", to=second).candidates) == ["c", "d"]

    @pytest.mark.parametrize("to", [-1, 0, 3, 2**63 - 1, 2**63, 2**70])
    def test_a_version_that_never_was_cannot_be_rolled_back_to(self, store: Store, backdoor: BackDoor, to: int) -> None:
        """It is not found, whatever its size."""
        open_session(store)
        with store.begin() as uow:
            uow.sessions.set_state("s", "PAUSED")
        with nothing_written(backdoor), store.begin() as uow, refused(NotFoundError, "s"):
            uow.sessions.rollback("s", to=to)

    @pytest.mark.parametrize("end", FINAL_STATES)
    def test_a_sealed_session_is_an_object(self, store: Store, backdoor: BackDoor, end: SessionState) -> None:
        """The end of a session is stored as an immutable object with all that was said."""
        open_session(store)
        with store.begin() as uow:
            uow.sessions.record_stance("s", actor_id="ana", candidate_id="c", stance="ACCEPT")
            assert uow.sessions.sealed_digest("s") is None
        accepted = ["c"] if end is SessionState.ACCEPTED else []
        with store.begin() as uow:
            digest = uow.sessions.seal("s", end, accepted=accepted)
        with store.read() as view:
            session = view.sessions.require("s")
            envelope = view.objects.require(digest)
            assert view.sessions.sealed_digest("s") == digest
        assert (session.state, list(session.accepted)) == (end, accepted)
        assert session.sealed
        assert session.closed_at is not None
        content = session.to_json()
        del content["version"]
        assert (envelope.object_type, envelope.object) == ("session", content)
        assert len(backdoor.raw_rows(OBJECT)) == 1

    @pytest.mark.spec("GOV-4")
    @pytest.mark.parametrize("change", CHANGES)
    @pytest.mark.parametrize("end", FINAL_STATES)
    def test_a_sealed_session_never_changes(
        self, store: Store, backdoor: BackDoor, end: SessionState, change: str
    ) -> None:
        """Every verb is refused, in the unit that sealed and in any later one."""
        open_session(store)
        with store.begin() as uow:
            uow.sessions.seal("s", end)
            with refused(SealedError, "s"):
                CHANGES[change](uow.sessions)
        with nothing_written(backdoor), store.begin() as uow, refused(SealedError, "s"):
            CHANGES[change](uow.sessions)
        assert uow.receipt is None

    @pytest.mark.parametrize(
        ("state", "accepted", "error"),
        [
            ("ACCEPTED", ["d"], NotFoundError),
            ("ACCEPTED", ["c", "d"], NotFoundError),
            ("CLOSED", ["c"], InvalidInputError),
            ("ACTIVE", [], InvalidInputError),
        ],
    )
    def test_a_seal_that_is_refused_leaves_the_session_open(
        self, store: Store, backdoor: BackDoor, state: str, accepted: list[str], error: type[CharterError]
    ) -> None:
        """Nothing of a refused seal stays, even where the unit goes on and commits."""
        open_session(store)
        with nothing_written(backdoor), store.begin() as uow, refused(error):
            uow.sessions.seal("s", state, accepted=accepted)
        with store.begin() as uow:
            uow.sessions.record_stance("s", actor_id="ana", candidate_id="c", stance="ACCEPT")
        with store.read() as view:
            assert view.sessions.require("s").state is SessionState.ACTIVE

    @pytest.mark.spec("P10")
    def test_a_seal_over_altered_bytes_leaves_the_session_open(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """A seal that cannot store its object has not ended the session, even where the caller goes on."""
        sources = CountingSources()
        with open_store(**sources.arguments()) as store:
            open_session(store)
            sources.count = 100
            with pytest.raises(KeyboardInterrupt), store.begin() as uow:
                digest = uow.sessions.seal("s", "CLOSED")
                raise KeyboardInterrupt
            data = b'"something else"'
            backdoor.raw_put(OBJECT, ObjectRow(99, bytes.fromhex(digest), "v1", "session", len(data), data))
            sources.count = 100  # the same time again, so the same object
            with store.begin() as uow:
                with refused(DigestMismatchError, digest):
                    uow.sessions.seal("s", "CLOSED")
                uow.metadata.set("went", "on")
            with store.read() as view:
                assert view.sessions.require("s").state is SessionState.ACTIVE

    def test_a_whole_deliberation_fits_into_one_unit(self, store: Store, backdoor: BackDoor) -> None:
        """Created, discussed and sealed at once: one version, one object."""
        with store.begin() as uow:
            uow.sessions.create(session_id="s", area_id="x", problem_statement="why")
            uow.sessions.add_candidate("s", "this", candidate_id="c")
            uow.sessions.set_state("s", "ACTIVE")
            uow.sessions.record_stance("s", actor_id="ana", candidate_id="c", stance="ACCEPT")
            digest = uow.sessions.seal("s", "ACCEPTED", accepted=["c"])
            assert uow.objects.require(digest).object["outcome"] == {"accepted_candidate_ids": ["c"]}
        assert [row.version for row in backdoor.raw_rows(SESSION_LOG)] == [1]
        assert [row.state for row in backdoor.raw_rows(SESSION)] == ["ACCEPTED"]

    def test_a_unit_that_is_rolled_back_leaves_a_session_as_it_was(self, store: Store, backdoor: BackDoor) -> None:
        """Whatever it did, snapshot, rollback and seal included."""
        open_session(store)
        with nothing_written(backdoor), pytest.raises(KeyboardInterrupt), store.begin() as uow:
            uow.sessions.record_stance("s", actor_id="ana", candidate_id="c", stance="ACCEPT")
            uow.sessions.snapshot("s")
            uow.sessions.rollback("s", to=1)
            uow.sessions.create(session_id="t", area_id="x", problem_statement="why")
            uow.sessions.seal("s", "CLOSED")
            raise KeyboardInterrupt
