"""Conformance of the session store: mutable while open, immutable once terminal.

Source: STO-3.5, GOV-3, GOV-4, NEIGHBOURS 2.4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from charter_persist.backends.contract import (
    SESSION,
    SESSION_CANDIDATE,
    SESSION_LOG,
    SESSION_STANCE,
)
from charter_persist.errors import (
    AlreadyExistsError,
    FrozenError,
    InvalidInputError,
    InvalidTransitionError,
    NotFoundError,
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

    def test_a_unit_lists_sessions_as_it_changed_them(self, store: Store) -> None:
        """Catches a listing by what is stored, which misses the changes of the unit itself."""
        for name in ("s0", "s1"):
            open_session(store, SessionState.ACTIVE, name)
        with store.begin() as uow:
            uow.sessions.set_state("s0", "PAUSED")
            uow.sessions.create(session_id="s2", area_id="x", problem_statement="why")
            states = {session.session_id: str(session.state) for session in uow.sessions.iter()}
            assert states == {"s0": "PAUSED", "s1": "ACTIVE", "s2": "CREATED"}
            assert [session.session_id for session in uow.sessions.iter(state="ACTIVE")] == ["s1"]
            assert [session.session_id for session in uow.sessions.iter(area_id="x", state="PAUSED")] == ["s0"]
            assert [session.session_id for session in uow.sessions.list(limit=2).items] == ["s0", "s1"]
            uow.sessions.set_state("s0", "BLOCKED")
            assert list(uow.sessions.iter(state="PAUSED")) == []
        with store.read() as view:
            assert {session.session_id for session in view.sessions.iter(state="BLOCKED")} == {"s0"}

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
