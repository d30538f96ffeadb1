"""Objects for an index, sound and broken, written as rows behind the back of every rule.

The digest of a row here need not be that of its content, so circles and forks can be planted that hashing rules out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import strategies as st

from charter_persist.backends.contract import JOURNAL, OBJECT, JournalRow, ObjectRow
from charter_persist.backends.memory import MemoryBackend
from charter_persist.index.lookups import Lookups
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.resolution import ResolutionState, ResolutionType
from charter_persist.model.session import Session, SessionState

AT = "2026-11-21T00:00:00Z"
KINDS = {"a": "area", "b": "area_retirement", "c": "session", "d": "resolution"}
KINDS |= {"e": "transition", "1": "import", "2": "import_review", "3": "rehash"}
AREAS, SESSIONS, IMPORTS, LABELS = ("x", "y", "nowhere"), ("s", "t"), ("i", "j"), ("first", "second")
Planted = tuple[str, str, Any]
"""The digest that an object is stored under, its type, its content."""


def name(kind: str, number: int) -> str:
    """A digest that says what it should stand for, such as ``d000…0001``."""
    return f"{kind}{number:063x}"


def resolution(area_id: str = "x", **fields: Any) -> dict[str, Any]:
    """The content of a resolution."""
    context = {
        "authority_resolution_id": fields.pop("authority", None),
        "scope_resolution_id": fields.pop("scope", None),
        "referenced_area_ids": fields.pop("referenced_areas", []),
        "referenced_resolution_ids": fields.pop("referenced", []),
    }
    content = {
        "accepted_at": AT,
        "accepted_in_session": "s",
        "area_id": area_id,
        "candidate_id": "c",
        "content": {"text": "so be it"},
        "context": context,
        "session_digest": name("c", 0),
        "supersedes": [],
        "type": "GENERAL",
    }
    return content | fields


def transition(resolution_id: str, before: str, after: str, previous: str | None, area_id: str = "x") -> dict[str, Any]:
    """The content of a transition."""
    return {
        "area_id": area_id,
        "from": before,
        "occurred_at": AT,
        "previous": previous,
        "resolution_id": resolution_id,
        "session_id": None,
        "to": after,
    }


def session(session_id: str = "s", area_id: str = "x", state: SessionState = SessionState.ACCEPTED) -> dict[str, Any]:
    """The content of a session that has ended."""
    content = Session(session_id, area_id, "why", AT, state=state, started_at=AT, closed_at=AT).to_json()
    del content["version"]
    return content


def area(area_id: str = "x", label: str = "first") -> dict[str, Any]:
    """The content of an area."""
    return {"area_id": area_id, "label": label, "long_name": None, "annotations": {}, "created_at": AT}


def retirement(area_id: str) -> dict[str, Any]:
    """The content of the end of an area."""
    return {"area_id": area_id, "reason": None, "retired_at": AT}


def import_record(objects: Iterable[str], import_id: str = "i", part: int = 1, parts: int = 1) -> dict[str, Any]:
    """The content of an import record."""
    return {
        "import_id": import_id,
        "bundle_digest": name("f", 0),
        "area_ids": ["x"],
        "objects": sorted(set(objects)),
        "part": part,
        "parts": parts,
        "imported_at": AT,
    }


def review(resolution_id: str, import_id: str = "i") -> dict[str, Any]:
    """The content of a review."""
    return {
        "import_id": import_id,
        "resolution_id": resolution_id,
        "outcome": "REJECTED",
        "local_resolution_id": None,
        "reviewed_at": AT,
    }


def rehash(pairs: dict[str, str]) -> dict[str, Any]:
    """The content of a rehash, given new digests by their old ones."""
    return {
        "from_version": "v1",
        "to_version": "v2",
        "pairs": [[old, pairs[old]] for old in sorted(pairs)],
        "part": 1,
        "parts": 1,
        "rehashed_at": AT,
    }


def planted(kind: str, number: int, content: Any) -> Planted:
    """An object under a digest of its kind."""
    return name(kind, number), KINDS[kind], content


def general(number: int, *supersedes: int, **fields: Any) -> Planted:
    """A resolution of area x, accepted in session s."""
    return planted("d", number, resolution(supersedes=sorted(name("d", n) for n in supersedes), **fields))


def row(position: int, item: Planted) -> ObjectRow:
    """The row of an object at a position."""
    data = canonical_bytes(item[2])
    return ObjectRow(position, bytes.fromhex(item[0]), "v1", item[1], len(data), data)


class Rows:
    """A memory backend that takes rows and their journal entries, one revision at a time."""

    def __init__(self) -> None:
        self.backend = MemoryBackend()

    def commit(self, items: Sequence[Planted]) -> None:
        """One revision with these objects."""
        transaction = self.backend.transaction(1)
        first, revision = transaction.position + 1, transaction.revision + 1
        rows = [row(position, item) for position, item in enumerate(items, first)]
        entries = [
            JournalRow(r.position, revision, "object", f"{r.type}/{r.digest.hex()}", "put", r.digest, 0, b"")
            for r in rows
        ]
        changes: Any = {OBJECT: {(r.digest,): r for r in rows}, JOURNAL: {(e.position,): e for e in entries}}
        transaction.commit(changes, None)


def every_answer(lookups: Lookups) -> dict[str, Any]:
    """What is answered to every question that the names of this module allow."""
    ids = [name(kind, number) for kind in "cdef" for number in range(5)]
    answers: dict[str, Any] = {"position": lookups.position, "areas": list(lookups.areas())}
    for area_id in AREAS:
        answers[f"area {area_id}"] = lookups.area(area_id)
        answers[f"resolutions {area_id}"] = list(lookups.resolutions(area_id))
        for state in ResolutionState:
            for kind in (None, *ResolutionType):
                answers[f"{state} {kind} {area_id}"] = list(lookups.in_state(area_id, state, kind))
    for label in LABELS:
        answers[f"label {label}"] = lookups.area_labelled(label)
    for digest in ids:
        answers[f"resolution {digest}"] = lookups.resolution(digest)
        answers[f"supersedes {digest}"] = list(lookups.supersedes(digest))
        answers[f"superseded by {digest}"] = list(lookups.superseded_by(digest))
        answers[f"last {digest}"] = lookups.last_transition(digest)
    for session_id in SESSIONS:
        answers[f"session {session_id}"] = lookups.session(session_id)
        answers[f"outcome {session_id}"] = list(lookups.outcome(session_id))
    answers["imports"] = list(lookups.import_ids())
    for import_id in IMPORTS:
        answers[f"import {import_id}"] = list(lookups.imported(import_id))
    answers["findings"] = list(lookups.findings())
    return answers


def _digests(kinds: str, most: int = 4) -> st.SearchStrategy[str]:
    """Mostly digests of these kinds, now and then of any."""
    names = [name(kind, number) for kind in kinds for number in range(most)]
    others = [name(kind, number) for kind in (*KINDS, "f") for number in range(5)]
    return st.sampled_from(names * 8 + others)


def _sorted_set(of: st.SearchStrategy[str], most: int) -> st.SearchStrategy[list[str]]:
    return st.sets(of, max_size=most).map(sorted)


def _pairs(draw_from: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(draw_from, draw_from, min_size=1, max_size=2)


_area_ids = st.sampled_from(("x", "x", "x", "x", "y", "y", "nowhere"))
_states = st.sampled_from(tuple(map(str, ResolutionState)))
_contents: dict[str, st.SearchStrategy[Any]] = {
    "a": st.builds(area, _area_ids, st.sampled_from(LABELS)),
    "b": st.builds(retirement, _area_ids),
    "c": st.builds(
        session, st.sampled_from(SESSIONS), _area_ids, st.sampled_from((SessionState.ACCEPTED, SessionState.CLOSED))
    ),
    "d": st.builds(
        resolution,
        _area_ids,
        authority=st.none() | _digests("d"),
        scope=st.none() | _digests("d"),
        referenced_areas=_sorted_set(_area_ids, 1),
        referenced=_sorted_set(_digests("d"), 1),
        accepted_in_session=st.sampled_from(SESSIONS),
        session_digest=_digests("c", 2),
        supersedes=_sorted_set(_digests("d"), 2),
        type=st.sampled_from(tuple(map(str, ResolutionType))),
    ),
    "e": st.builds(
        transition, _digests("d", 2), st.just("ACTIVE") | _states, _states, st.none() | _digests("e"), _area_ids
    ),
    "1": st.builds(
        import_record,
        _sorted_set(_digests("1de2"), 4),
        st.sampled_from(IMPORTS),
        st.just(1),
        st.integers(min_value=1, max_value=2),
    ),
    "2": st.builds(review, _digests("d"), st.sampled_from(IMPORTS)),
    "3": st.builds(rehash, _pairs(_digests("d")) | _pairs(_digests("cde1"))),
}


@st.composite
def worlds(draw: st.DrawFn, most: int = 16) -> list[Planted]:
    """Objects in the order in which they are stored; no digest twice, and now and then a content that is none."""
    weights = "aabccdddddddeeeee111223"
    keys = st.tuples(st.sampled_from(weights), st.integers(min_value=0, max_value=3))
    size = draw(st.sampled_from((2, most // 2, most)))  # lists are short if they may be
    chosen = draw(st.lists(keys, unique=True, min_size=size, max_size=size))
    broken = draw(st.sets(st.integers(min_value=0, max_value=most), max_size=1))
    return [
        planted(kind, number, {} if at in broken else draw(_contents[kind])) for at, (kind, number) in enumerate(chosen)
    ]
