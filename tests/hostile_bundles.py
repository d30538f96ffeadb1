"""Bundles that somebody made to do harm, by name; each is well-formed but for the one thing that its name says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import cache
from hashlib import sha256
from typing import Any

from charter_persist.model.canonical import canonical_bytes
from tests.bundles import bundle_of, governed, object_record, pack, records, seal

Records = list[dict[str, Any]]
AREA = "a"
ABSENT = "0" * 64
NOW = "2026-01-01T00:00:00Z"


@cache
def sound() -> bytes:
    """The bundle that the others were made from."""
    with governed(AREA) as store:
        return bundle_of(store)


def altered(change: Callable[[Records], Any]) -> bytes:
    """The sound bundle after a change, packed again so that every digest and count is right."""
    found = deepcopy(records(sound()))
    change(found)
    return pack(found)


def of_type(found: Records, object_type: str) -> Records:
    """The objects of a type."""
    return [record for record in found if record.get("object_type") == object_type]


def session_of(found: Records, session_id: str) -> dict[str, Any]:
    """The object of a session."""
    return next(record for record in of_type(found, "session") if record["object"]["session_id"] == session_id)


def resolution_of(found: Records, session_id: str) -> dict[str, Any]:
    """The resolution that a session accepted."""
    return next(r for r in of_type(found, "resolution") if r["object"]["accepted_in_session"] == session_id)


def rename(found: Records, before: str, after: str) -> Records:
    """Put one digest in the place of another wherever it stands."""
    return json.loads(json.dumps(found).replace(before, after))


def replace(found: Records, record: dict[str, Any], **fields: Any) -> None:
    """Change fields of an object, and whatever named it by its digest, all the way up."""
    content = {**record["object"], **fields}
    _put_in_place(found, record, content)


def _put_in_place(found: Records, record: dict[str, Any], content: dict[str, Any]) -> None:
    before, kind = record["digest"], record["object_type"]
    record.update(object_record(kind, content))
    after = record["digest"]
    for other in found:
        if other is record:
            continue
        again = json.loads(json.dumps(other).replace(before, after))
        if again == other:
            continue
        if other["kind"] == "object":
            _put_in_place(found, other, again["object"])
        else:
            other.clear()
            other.update(again)


def add(found: Records, object_type: str, content: Any, version: str = "v1") -> str:
    """Add an object; its digest."""
    record = object_record(object_type, content, version)
    found.append(record)
    return str(record["digest"])


def event(**fields: Any) -> dict[str, Any]:
    """The line of an audit event."""
    content = {
        "event_id": "forged",
        "event_type": "NOTED",
        "occurred_at": NOW,
        "actor": None,
        "scope": "GLOBAL",
        "subject": {"object_type": "note", "object_id": "x"},
        "context": {"authority_resolution_id": None, "scope_resolution_id": None, "session_id": None},
        "details": None,
        **fields,
    }
    return {"kind": "audit_event", "event": content}


def split(bundle: bytes) -> list[bytes]:
    """The lines behind the header."""
    return bundle.splitlines(keepends=True)[1:]


def header_with(**fields: Any) -> bytes:
    """The sound bundle under another header."""
    lines = sound().splitlines(keepends=True)
    header = {**json.loads(lines[0]), **fields}
    return (
        canonical_bytes({key: value for key, value in header.items() if value is not ...}) + b"\n" + b"".join(lines[1:])
    )


def relined(change: Callable[[list[bytes]], Any]) -> bytes:
    """The sound bundle with its lines changed, under a header that counts them right and has the right digest."""
    lines = split(sound())
    change(lines)
    counts = {
        "audit_events": sum(line.startswith(b'{"event"') for line in lines),
        "objects": sum(b'"kind":"object"' in line[:140] for line in lines),
        "refs": sum(b'"kind":"ref"' in line for line in lines),
    }
    return seal(lines, counts=counts)


def raw_object(data: bytes, object_type: str = "note") -> bytes:
    """A bundle of one object with these bytes, whatever they are, and the digest they have."""
    name = sha256(b"charter:v1\ntype:%b\nlen:%d\n%b" % (object_type.encode(), len(data), data)).hexdigest()
    line = b'{"digest":"%b","hash_version":"v1","kind":"object","object":%b,"object_type":"%b"}\n' % (
        name.encode(),
        data,
        object_type.encode(),
    )
    return seal([line], counts={"audit_events": 0, "objects": 1, "refs": 0})


def of_lines() -> Iterator[tuple[str, bytes]]:
    """Damage to the text."""
    good = sound()
    for share in range(1, 10):
        yield f"cut off after {share} tenths", good[: len(good) * share // 10]
    yield "cut off before the last line feed", good[:-1]
    yield "without its last line", b"".join(good.splitlines(keepends=True)[:-1])
    yield "empty", b""
    yield "only a line feed", b"\n"
    yield "not JSON", b"hello\n"
    yield "a byte order mark", b"\xef\xbb\xbf" + good
    yield "bad UTF-8", good.replace(b"what now", b"what\xffno", 1)
    yield "carriage returns", good.replace(b"\n", b"\r\n")
    yield "a blank line at the end", good + b"\n"
    yield "more lines than counted", good + split(good)[-1]
    yield "zip of a bundle", b"PK\x03\x04" + good
    yield "a space in a line", relined(lambda lines: lines.__setitem__(0, lines[0].replace(b'":', b'": ', 1)))
    yield (
        "keys in another order",
        relined(
            lambda lines: lines.__setitem__(
                -1, b'{"kind":"audit_event",' + lines[-1][1 : -len(b',"kind":"audit_event"}\n')] + b"}\n"
            )
        ),
    )
    yield "objects in another order", relined(lambda lines: lines.__setitem__(slice(0, 2), lines[1::-1]))
    yield "the same object twice", relined(lambda lines: lines.insert(0, lines[0]))
    yield "refs in another order", relined(_swap_refs)
    yield "the same ref twice", relined(lambda lines: lines.insert(_first_ref(lines), lines[_first_ref(lines)]))
    yield "an event among the objects", relined(lambda lines: lines.insert(1, lines.pop()))
    yield "a line feed of another bundle", good.replace(b"\n", b"\n\n", 1)


def _first_ref(lines: list[bytes]) -> int:
    return next(index for index, line in enumerate(lines) if b'"kind":"ref"' in line)


def _swap_refs(lines: list[bytes]) -> None:
    at = _first_ref(lines)
    lines[at], lines[at + 1] = lines[at + 1], lines[at]


def of_headers() -> Iterator[tuple[str, bytes]]:
    """Headers that say something else."""
    counts = json.loads(sound().splitlines()[0])["counts"]
    yield "another format", header_with(format="tar")
    yield "a later format version", header_with(format_version=2)
    yield "a format version as text", header_with(format_version="1")
    yield "a format version that is true", header_with(format_version=True)
    yield "an unknown hash version", header_with(hash_version="v9")
    yield "an unknown field", header_with(exported_at=NOW)
    yield "no counts", header_with(counts=...)
    yield "a negative count", header_with(counts={**counts, "objects": -1})
    yield "a huge count", header_with(counts={**counts, "objects": 2**53 - 1})
    yield "a count as text", header_with(counts={**counts, "objects": "1"})
    yield "one object less", header_with(counts={**counts, "objects": counts["objects"] - 1})
    yield "one event more", header_with(counts={**counts, "audit_events": counts["audit_events"] + 1})
    yield "another content digest", header_with(content_digest=ABSENT)
    yield "a content digest in capitals", header_with(content_digest="A" * 64)
    yield "areas that are not sorted", header_with(areas=["b", "a"])


def of_bombs() -> Iterator[tuple[str, bytes]]:
    """What costs its reader much."""
    yield "an endless first line", b'{"areas":"' + b"x" * (20 << 20)
    yield "an endless line", sound() + b'{"event":"' + b"x" * (20 << 20)
    yield "an object that is too large", raw_object(b'"' + b"x" * (16 << 20) + b'"')
    yield "ten million keys", raw_object(b"{" + b",".join(b'"%07d":1' % n for n in range(10**7 // 5)) + b"}")
    yield "arrays a hundred thousand deep", raw_object(b"[" * 100_000 + b"]" * 100_000)
    yield "objects a hundred thousand deep", raw_object(b'{"a":' * 100_000 + b"1" + b"}" * 100_000)
    yield "arrays 129 deep", raw_object(b"[" * 129 + b"]" * 129)
    yield "a header a hundred thousand deep", b"[" * 100_000 + b"]" * 100_000 + b"\n"
    yield "five million empty arrays without an end", raw_object(b"[" + b"[]," * 5_592_000 + b"[]")
    yield "a number of a million digits", raw_object(b"1" * 1_000_000)
    yield "details that are too large", pack([event(details="x" * 300_000)])


def of_bytes() -> Iterator[tuple[str, bytes]]:
    """Objects whose bytes have their digest and are no canonical JSON."""
    for data in (
        *(b'{"a":1,"a":2}', b'{"b":1,"a":2}', b"1.0", b"1e3", b"-0", b"NaN", b"Infinity", b"01", b'"\\u0041"'),
        *(b"9007199254740993", b'"\\ud800"', b'"\xff"', b"", b"{", b"nul", b"[1,]", b'{"a":1}x', b' {"a":1}', b'"\n"'),
    ):
        yield f"the bytes {data!r}", raw_object(data)
    yield "a type with a space", sound().replace(b'"object_type":"note"', b'"object_type":"no e"')
    yield (
        "an object under another digest",
        relined(lambda lines: lines.__setitem__(0, lines[0].replace(lines[0][11:75], ABSENT.encode()))),
    )
    yield (
        "an object under another type",
        relined(lambda lines: lines.__setitem__(0, lines[0].replace(b'"object_type":"', b'"object_type":"x'))),
    )
    yield (
        "an object of another hash version",
        relined(lambda lines: lines.__setitem__(0, lines[0].replace(b'"hash_version":"v1"', b'"hash_version":"v2"'))),
    )
    yield (
        "an object of an unknown hash version",
        relined(lambda lines: lines.__setitem__(0, lines[0].replace(b'"hash_version":"v1"', b'"hash_version":"v7"'))),
    )


def of_forms() -> Iterator[tuple[str, bytes]]:
    """Domain objects that are not what their type says."""
    yield "an area that is a number", altered(lambda found: add(found, "area", 1))
    yield "a resolution that is empty", altered(lambda found: add(found, "resolution", {}))
    yield "a candidate without content", altered(lambda found: add(found, "candidate", {"candidate_id": "x"}))
    yield "an unknown field in a session", altered(lambda f: replace(f, session_of(f, "a-4"), extra=1))
    yield "a session that is open", altered(lambda f: replace(f, session_of(f, "a-4"), state="ACTIVE"))
    yield (
        "outcomes that are lists",
        altered(lambda f: replace(f, session_of(f, "a-4"), outcome={"accepted_candidate_ids": [[]]})),
    )
    yield (
        "constraints that are no constraints",
        altered(
            lambda f: replace(
                f, session_of(f, "a-4"), constraints=dict.fromkeys(session_of(f, "a-4")["object"]["constraints"])
            )
        ),
    )
    yield "a session without references", altered(lambda f: replace(f, session_of(f, "a-4"), references={}))
    yield "a session closed at a list", altered(lambda f: replace(f, session_of(f, "a-4"), closed_at=["x"]))
    yield (
        "an authority that is a list",
        altered(lambda f: replace(f, session_of(f, "a-4"), authority_resolution_id=["x"])),
    )


def of_decisions() -> Iterator[tuple[str, bytes]]:
    """Decisions that nobody could have made."""

    def without(object_type: str, session_id: str | None = None) -> Callable[[Records], None]:
        def change(found: Records) -> None:
            gone = session_of(found, session_id) if session_id else of_type(found, object_type)[0]
            found.remove(gone)

        return change

    def resolution(found: Records, **fields: Any) -> None:
        content = {**resolution_of(found, "a-4")["object"], **fields}
        add(found, "resolution", content)

    def own_content(found: Records) -> None:
        record = resolution_of(found, "a-4")
        replace(found, record, content={"text": "something else"})

    def stance(found: Records, kind: str, actor: str = "ana") -> None:
        record = session_of(found, "a-4")
        stances = deepcopy(record["object"]["stances"])
        stances[0].update(type=kind, actor_id=actor)
        replace(found, record, stances=sorted(stances, key=lambda item: item["actor_id"]))

    def session_constraint(found: Records, **fields: Any) -> None:
        record = session_of(found, "a-4")
        replace(found, record, constraints={**record["object"]["constraints"], **fields})

    yield "without the area", altered(without("area"))
    yield "without a session", altered(without("session", "a-4"))
    yield "without a resolution", altered(lambda f: f.remove(resolution_of(f, "a-5")))
    yield (
        "without a transition",
        altered(lambda f: f.remove(next(r for r in of_type(f, "transition") if r["object"]["session_id"] == "a-7"))),
    )
    yield "a resolution too many", altered(lambda f: resolution(f, content={"text": "mine"}))
    yield "a resolution of another session", altered(lambda f: resolution(f, accepted_in_session="a-3"))
    yield "a resolution of another area", altered(lambda f: resolution(f, area_id="b"))
    yield "a resolution that supersedes nothing real", altered(lambda f: resolution(f, supersedes=[ABSENT]))
    yield (
        "a resolution of a closed session",
        altered(
            lambda f: resolution(f, session_digest=session_of(f, "a-open-3")["digest"], accepted_in_session="a-open-3")
        ),
    )
    yield "another content than the candidate's", altered(own_content)
    yield "a resolution that was never accepted", altered(lambda f: stance(f, "REJECT"))
    yield "a stance of a stranger", altered(lambda f: stance(f, "ACCEPT", "eve"))
    yield "a session by another rule", altered(lambda f: session_constraint(f, authority_rule="MAJORITY_PRESENT"))
    yield (
        "a session with other participants",
        altered(lambda f: session_constraint(f, participants=["ana", "ben", "eve"])),
    )
    yield "a session that requires a stranger", altered(lambda f: session_constraint(f, required_participants=["eve"]))
    yield "a session without an authority", altered(lambda f: _held(f, authority_resolution_id=None))
    yield "a session under an authority that is not there", altered(lambda f: _held(f, authority_resolution_id=ABSENT))
    yield "a session under a scope as authority", altered(_scope_as_authority)
    yield "a session that refers to no area", altered(lambda f: _held(f, references=_references(areas=["nowhere"])))
    yield "a session that refers to nothing", altered(lambda f: _held(f, references=_references(resolutions=[ABSENT])))
    yield (
        "a session of an area that is not there",
        altered(lambda f: replace(f, session_of(f, "a-open-3"), area_id="z")),
    )
    yield "an authority that names nobody", altered(_nobody)
    yield "a scope in place of a decision", altered(_scope_over_decision)
    yield "a retired resolution that was superseded", altered(_over_retired)
    yield "a circle, which needs wrong digests", altered(_circle)
    yield "a fork", altered(_fork)
    yield "a second authority", altered(_second_authority)
    yield (
        "a retirement by hand",
        altered(lambda f: add(f, "transition", _transition(f, before="ACTIVE", after="RETIRED", session_id=None))),
    )
    yield (
        "a transition of a session that decided none",
        altered(lambda f: add(f, "transition", _transition(f, before="ACTIVE", after="RETIRED", session_id="a-4"))),
    )
    yield (
        "a transition of nothing",
        altered(
            lambda f: add(f, "transition", {**_transition(f, "ACTIVE", "UNDER_REVIEW", None), "resolution_id": ABSENT})
        ),
    )
    yield (
        "a fork of transitions",
        altered(lambda f: add(f, "transition", {**of_type(f, "transition")[0]["object"], "occurred_at": NOW})),
    )
    yield (
        "two areas of one id",
        altered(lambda f: add(f, "area", {**of_type(f, "area")[0]["object"], "label": "other"})),
    )
    yield (
        "two areas of one label",
        altered(lambda f: add(f, "area", {**of_type(f, "area")[0]["object"], "area_id": "b"})),
    )
    yield (
        "the end of an area that is not there",
        altered(lambda f: add(f, "area_retirement", {"area_id": "b", "reason": None, "retired_at": NOW})),
    )
    yield (
        "a session that ended twice",
        altered(lambda f: add(f, "session", {**session_of(f, "a-open-3")["object"], "problem_statement": "another"})),
    )
    yield "an import record without what it lists", altered(lambda f: add(f, "import", _import([ABSENT])))
    yield "an import record of two areas", altered(lambda f: add(f, "import", {**_import([]), "area_ids": ["a", "b"]}))
    yield "half an import", altered(lambda f: add(f, "import", {**_import([]), "parts": 2}))
    yield (
        "a review of nothing",
        altered(
            lambda f: add(
                f,
                "import_review",
                {
                    "import_id": "i",
                    "resolution_id": resolution_of(f, "a-4")["digest"],
                    "outcome": "REJECTED",
                    "local_resolution_id": None,
                    "reviewed_at": NOW,
                },
            )
        ),
    )
    yield "a rehash of nothing", altered(lambda f: add(f, "rehash", _rehash([[ABSENT, "1" * 64]])))
    yield (
        "a rehash that hides a resolution",
        altered(
            lambda f: add(
                f, "rehash", _rehash([[resolution_of(f, "a-3")["digest"], resolution_of(f, "a-4")["digest"]]])
            )
        ),
    )
    yield "a rehash to an unknown version", altered(lambda f: add(f, "rehash", {**_rehash([]), "to_version": "v9"}))
    yield (
        "a copy of a resolution without a rehash",
        altered(lambda f: add(f, "resolution", resolution_of(f, "a-4")["object"], "v2")),
    )


def _import(objects: list[str]) -> dict[str, Any]:
    return {
        "import_id": "i",
        "bundle_digest": ABSENT,
        "area_ids": ["a"],
        "objects": objects,
        "part": 1,
        "parts": 1,
        "imported_at": NOW,
    }


def _rehash(pairs: list[list[str]]) -> dict[str, Any]:
    return {"from_version": "v1", "to_version": "v2", "pairs": pairs, "part": 1, "parts": 1, "rehashed_at": NOW}


def _transition(found: Records, before: str, after: str, session_id: str | None) -> dict[str, Any]:
    return {
        "resolution_id": resolution_of(found, "a-6")["digest"],
        "area_id": "a",
        "from": before,
        "to": after,
        "occurred_at": NOW,
        "session_id": session_id,
        "previous": None,
    }


def _accepted_again(found: Records, session_id: str, template: str, content: dict[str, Any] | None = None) -> None:
    """A session like another one, with the resolution that follows from it."""
    session = deepcopy(session_of(found, template)["object"])
    session["session_id"] = session_id
    if content is not None:
        session["candidates"][0]["content"]["content"] = content
    sealed = add(found, "session", session)
    resolution = deepcopy(resolution_of(found, template)["object"])
    resolution.update(accepted_in_session=session_id, session_digest=sealed)
    if content is not None:
        resolution["content"] = content
    add(found, "resolution", resolution)


def _references(areas: Sequence[str] = (), resolutions: Sequence[str] = ()) -> dict[str, list[str]]:
    return {"area_ids": list(areas), "resolution_ids": list(resolutions)}


def _held(found: Records, **fields: Any) -> None:
    """Change a session, and its resolution as it follows from that."""
    replace(found, session_of(found, "a-4"), **fields)
    session, resolution = session_of(found, "a-4")["object"], resolution_of(found, "a-4")
    context = {
        "authority_resolution_id": session["authority_resolution_id"],
        "scope_resolution_id": session["scope_resolution_id"],
        "referenced_area_ids": session["references"]["area_ids"],
        "referenced_resolution_ids": session["references"]["resolution_ids"],
    }
    replace(found, resolution, context=context)


def _scope_as_authority(found: Records) -> None:
    _held(found, authority_resolution_id=resolution_of(found, "a-2")["digest"])


def _nobody(found: Records) -> None:
    _accepted_again(found, "again", "a-8", {"text": "nobody decides", "rule": "SOLE_ACTOR", "actors": []})


def _scope_over_decision(found: Records) -> None:
    """A session of type SCOPE that supersedes a decision."""
    authority, scope = (resolution_of(found, name)["digest"] for name in ("a-1", "a-2"))
    session = deepcopy(session_of(found, "a-2")["object"])
    session.update(session_id="again", scope_resolution_id=scope, authority_resolution_id=authority)
    supersedes = [resolution_of(found, "a-4")["digest"]]
    session["candidates"][0]["content"]["supersedes"] = supersedes
    session["candidates"][0]["content"]["content"] = {"text": "all"}
    sealed = add(found, "session", session)
    resolution = deepcopy(resolution_of(found, "a-2")["object"])
    resolution.update(accepted_in_session="again", session_digest=sealed, supersedes=supersedes)
    resolution["context"].update(scope_resolution_id=scope, authority_resolution_id=authority)
    add(found, "resolution", resolution)


def _over_retired(found: Records) -> None:
    """A session that supersedes what another one retired."""
    session = deepcopy(session_of(found, "a-6")["object"])
    supersedes = [resolution_of(found, "a-4")["digest"]]
    session["session_id"] = "again"
    session["candidates"][0]["content"]["supersedes"] = supersedes
    sealed = add(found, "session", session)
    resolution = deepcopy(resolution_of(found, "a-6")["object"])
    resolution.update(accepted_in_session="again", session_digest=sealed, supersedes=supersedes)
    add(found, "resolution", resolution)


def _circle(found: Records) -> None:
    first, second = resolution_of(found, "a-3"), resolution_of(found, "a-6")
    first["object"]["supersedes"] = [second["digest"]]


def _fork(found: Records) -> None:
    _accepted_again(found, "again", "a-6")


def _second_authority(found: Records) -> None:
    _accepted_again(found, "again", "a-1")


def of_refs_and_audit() -> Iterator[tuple[str, bytes]]:
    """Refs and events that lead astray."""

    def ref(found: Records, name: str, target: str) -> None:
        found[:] = [record for record in found if record.get("name") != name]
        found.append({"kind": "ref", "name": name, "digest": target})

    def move(found: Records, event_type: str, to: int) -> None:
        at = next(
            i for i, r in enumerate(found) if r["kind"] == "audit_event" and r["event"]["event_type"] == event_type
        )
        moved = found.pop(at)
        first = next(index for index, record in enumerate(found) if record["kind"] == "audit_event")
        found.insert(first + to, moved)

    in_area = {"scope": "AREA:a"}
    yield "a ref to nothing", altered(lambda f: ref(f, "x", ABSENT))
    yield "a ref with an empty segment", altered(lambda f: ref(f, "x//y", resolution_of(f, "a-4")["digest"]))
    yield "a ref with a control character", altered(lambda f: ref(f, "x\u0000", resolution_of(f, "a-4")["digest"]))
    yield "a ref that climbs", altered(lambda f: ref(f, "../../etc/passwd/", resolution_of(f, "a-4")["digest"]))
    yield (
        "an authority that is a decision",
        altered(lambda f: ref(f, "area/a/authority", resolution_of(f, "a-4")["digest"])),
    )
    yield (
        "an authority that was superseded",
        altered(lambda f: ref(f, "area/a/authority", resolution_of(f, "a-1")["digest"])),
    )
    yield (
        "no ref to the authority",
        altered(lambda f: f.__setitem__(slice(None), [r for r in f if r.get("name") != "area/a/authority"])),
    )
    yield "two events of one id", altered(lambda f: f.extend([event(), event()]))
    yield "an event of another import", altered(lambda f: f.append(event(event_type="IMPORT_ACCEPTED")))
    yield "an event without a field", altered(lambda f: f.append({"kind": "audit_event", "event": {"event_id": "x"}}))
    yield "an event with one field more", altered(lambda f: f.append(event(position=7)))
    yield "an event of a scope that is none", altered(lambda f: f.append(event(scope="EVERYWHERE")))
    yield "an event at no time", altered(lambda f: f.append(event(occurred_at="yesterday")))
    yield "an event about a list", altered(lambda f: f.append(event(subject=["a", "b"])))
    yield "an event with a strange context", altered(lambda f: f.append(event(context={"session_id": 1})))
    yield (
        "an event of no resolution",
        altered(lambda f: f.append(event(**in_area, subject={"object_type": "resolution", "object_id": ABSENT}))),
    )
    yield "an acceptance before its session", altered(lambda f: move(f, "RESOLUTION_ACCEPTED", 1))
    yield "a session that starts before it is made", altered(lambda f: move(f, "SESSION_STARTED", 1))
    yield "an area that is created last", altered(lambda f: move(f, "AREA_CREATED", 60))
    yield (
        "a session that goes on after its end",
        altered(
            lambda f: f.append(
                event(**in_area, event_type="SESSION_PAUSED", subject={"object_type": "session", "object_id": "a-4"})
            )
        ),
    )
    yield (
        "a session that ended only in the audit",
        altered(
            lambda f: f.append(
                event(
                    **in_area, event_type="SESSION_CLOSED", subject={"object_type": "session", "object_id": "a-open-1"}
                )
            )
        ),
    )


def all_hostile() -> dict[str, bytes]:
    """Every one of them."""
    made: dict[str, bytes] = {}
    parts = (of_lines, of_headers, of_bombs, of_bytes, of_forms, of_decisions, of_refs_and_audit)
    for part in parts:
        for name, bundle in part():
            if name in made:
                raise ValueError(f"there are two of the name {name}")
            made[name] = bundle
    return made
