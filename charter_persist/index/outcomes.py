"""Sessions that have ended, and the resolutions that each accepted.

Cost of a look-up: one access; a listing sorts what it lists. Where forgery made two ends of one session, the one with
the smallest digest answers, and one that an import brought only where there is no other.

Imports ``model``, ``index.adoption`` and ``index.lookups``. Source: IDX-7.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from sys import intern

from charter_persist.index.adoption import Adoption
from charter_persist.index.lookups import SealedSession
from charter_persist.model.digest import Digest
from charter_persist.model.session import Session, SessionState


class Outcomes:
    """Sessions by digest and id, resolutions by session.

    Attributes:
        sessions: each session by its digest.
    """

    def __init__(self, adoption: Adoption) -> None:
        self._adoption = adoption
        self.sessions: dict[Digest, SealedSession] = {}
        self._by_id: defaultdict[str, list[SealedSession]] = defaultdict(list)
        self._accepted: defaultdict[str, list[Digest]] = defaultdict(list)

    def take(self, digest: Digest, session: Session) -> None:
        """Keep a session; `place` makes it count."""
        self.sessions[digest] = SealedSession(
            intern(session.session_id), intern(session.area_id), session.state, digest
        )

    def place(self, digest: Digest) -> Iterable[Digest]:
        """Make a session count; it touches no resolution."""
        session = self.sessions[digest]
        self._by_id[session.session_id].append(session)
        return ()

    def place_accepted(self, digest: Digest, session_id: str) -> None:
        """Add a resolution to the session that accepted it."""
        self._accepted[session_id].append(digest)

    def clear(self) -> None:
        """Forget what counts; everything is placed again."""
        self._by_id.clear()
        self._accepted.clear()

    def session(self, session_id: str) -> SealedSession | None:
        """The session of that id, or None."""
        imported = self._adoption.imported
        found = self._by_id.get(session_id, ())
        return min(found, key=lambda item: (item.digest in imported, item.digest), default=None)

    def session_ids(self) -> list[str]:
        """The id of every session that ended or that a resolution names, sorted."""
        return sorted(self._by_id.keys() | self._accepted.keys())

    def accepted(self, session_id: str) -> list[Digest]:
        """The resolutions that a session accepted, sorted."""
        return sorted(self._accepted.get(session_id, ()))

    def accepted_in(self, digest: Digest, session_id: str, area_id: str) -> bool:
        """Whether the session of that digest is that one, of that area, and ended ACCEPTED."""
        session = self.sessions.get(self._adoption.first(digest))
        return (
            session is not None
            and session.state is SessionState.ACCEPTED
            and (session.session_id, session.area_id) == (session_id, area_id)
        )
