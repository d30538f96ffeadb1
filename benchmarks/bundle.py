"""Export and import of a bundle: objects of an application, and decisions, which cost their verification as well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import Row, alone
from benchmarks.on_sqlite import items, opened
from charter_persist import Store
from charter_persist.model.area import Area, authority_ref, scope_ref
from charter_persist.model.authority import AuthorityRule, Constraints
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.digest import HASH_VERSION, Digest, digest_bytes
from charter_persist.model.resolution import Proposal, ResolutionType
from charter_persist.model.session import Candidate, Session, SessionState, Stance, StanceKind
from charter_persist.repositories.sessions import sealed_content
from charter_persist.transfer.bundle import Header, ObjectLine, object_line, ref_line
from charter_persist.transfer.export import export_file
from charter_persist.transfer.importing import import_bundle
from charter_persist.transfer.soundness import accepted_resolution

AT: Final = "2026-11-21T08:46:00Z"
AREA: Final = "area"
ACTOR: Final = "ana"


def run(folder: Path, *, quick: bool) -> Iterator[Row]:
    """All rows."""
    count, rounds = (1_000, 2) if quick else (100_000, 3)
    with opened(folder, "bundle-source.db") as store:
        with store.begin() as uow:
            uow.objects.put_many(items("bundle", count))
        yield from both(folder, "objects", store, count, rounds)
    path = folder / "decisions.charter"
    write_decisions(path, count // 2)
    with opened(folder, "bundle-decisions.db") as store:
        import_bundle(store, path, mode="restore")
        yield from both(folder, "decisions", store, count, rounds)


def both(folder: Path, what: str, store: Store, count: int, rounds: int) -> Iterator[Row]:
    """Export from a store, then import into new ones."""
    path = folder / f"{what}.charter"

    def write_out(_number: int) -> int:
        with store.read() as view:
            return export_file(view, path).objects

    def take_in(number: int) -> int:
        with opened(folder, f"bundle-{what}{number}.db") as target:
            return import_bundle(target, path, mode="restore").totals.objects_new

    name = f"of {count:,} {what}"
    yield alone(f"SQLite: export {name}", write_out, wanted=">= 50,000/s", rounds=rounds)
    yield alone(f"SQLite: import {name}, verified", take_in, wanted=">= 20,000/s", rounds=rounds)


def write_decisions(path: Path, count: int) -> None:
    """A bundle of one area with so many sessions, each with the resolution that it accepted."""
    lines: dict[bytes, bytes] = {}
    _add(lines, "area", Area(AREA, "paint", None, {}, AT).to_content())
    rule = {"text": "ana decides", "rule": "SOLE_ACTOR", "actors": [ACTOR]}
    authority = _decide(lines, "first", ResolutionType.AUTHORITY, rule, AuthorityRule.UNANIMOUS_PRESENT)
    scope = _decide(
        lines, "second", ResolutionType.SCOPE, {"text": "all"}, AuthorityRule.UNANIMOUS_PRESENT, authority=authority
    )
    for number in range(count - 2):
        _decide(
            lines,
            f"session {number}",
            ResolutionType.GENERAL,
            {"text": f"decision {number}"},
            AuthorityRule.SOLE_ACTOR,
            authority=authority,
            scope=scope,
        )
    refs = [(authority_ref(AREA), authority), (scope_ref(AREA), scope)]
    _write(path, [lines[key] for key in sorted(lines)], [ref_line(name, bytes.fromhex(to)) for name, to in refs])


def _write(path: Path, objects: Iterable[bytes], refs: list[bytes]) -> None:
    body = [*objects, *refs]
    header = Header(None, len(body) - len(refs), len(refs), 0, Digest(sha256(b"".join(body)).hexdigest()))
    path.write_bytes(b"".join([header.line(), *body]))


def _add(lines: dict[bytes, bytes], object_type: str, content: dict[str, Any]) -> Digest:
    data = canonical_bytes(content)
    digest = digest_bytes(object_type, data)
    lines[digest] = object_line(ObjectLine(digest, HASH_VERSION, object_type, data))
    return Digest(digest.hex())


def _decide(
    lines: dict[bytes, bytes],
    name: str,
    kind: ResolutionType,
    content: dict[str, Any],
    rule: AuthorityRule,
    *,
    authority: Digest | None = None,
    scope: Digest | None = None,
) -> Digest:
    proposal = Proposal(content)
    session = Session(
        session_id=name,
        area_id=AREA,
        problem_statement="what shall we do?",
        created_at=AT,
        state=SessionState.ACCEPTED,
        authority_resolution_id=authority,
        scope_resolution_id=scope,
        constraints=Constraints(kind, rule, (ACTOR,)).to_content(),
        references={"area_ids": [], "resolution_ids": []},
        candidates={"c": Candidate("c", proposal.to_content(), None, AT)},
        stances={(ACTOR, "c"): Stance(ACTOR, "c", StanceKind.ACCEPT, AT)},
        accepted=("c",),
        started_at=AT,
        closed_at=AT,
    )
    sealed = _add(lines, "session", sealed_content(session))
    return _add(lines, "resolution", accepted_resolution(session, sealed, kind, "c", proposal).to_content())
