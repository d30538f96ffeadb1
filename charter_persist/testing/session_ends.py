"""Conformance of snapshots, rollback and the end of a session: immutable once terminal.

Source: STO-3.5, GOV-4, NEIGHBOURS 2.4.
"""

from __future__ import annotations

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
    CharterError,
    DigestMismatchError,
    InvalidInputError,
    NotFoundError,
    SealedError,
)
from charter_persist.model.session import SessionState
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.testing.sessions import CHANGES, FINAL_STATES, open_session
from charter_persist.testing.sources import CountingSources


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
