"""Backup v1.1 of the intent graph: its bytes, its text for people, what is read and what is refused, and no half work."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from charter_persist import Store, connect
from charter_persist.errors import (
    AlreadyExistsError,
    CharterError,
    CycleError,
    DanglingReferenceError,
    InvalidInputError,
    LimitExceededError,
    NotCanonicalError,
    UnavailableError,
)
from charter_persist.files import UNFINISHED
from charter_persist.model.canonical import canonical_bytes, is_canonical
from charter_persist.model.intent import StorableIntent
from charter_persist.testing.intents import NAMES, edge, full_intent, graph_of, intent, put_intents
from charter_persist.transfer import intent_backup
from charter_persist.transfer.intent_backup import backup_intents, read_backup, restore_intents

MADE_AT = datetime(2026, 11, 21, 8, 46, 1, 999_999, tzinfo=UTC)
GOLDEN = """\
{"edges":[{"edge_type":"DependsOn","from":"a","metadata":null,"to":"b","weight":0.5},\
{"edge_type":"Blocks","from":"b","metadata":{"why":"x"},"to":"a","weight":null}],\
"intents":{"a":{"child_intents":[],"constraints":{},"created_at":1767225600,"generation_context":{"arbiter_version":"1",\
"generation_timestamp":1767225600,"input_context":{},"reasoning_trace":null},"goal":"say \\"hi\\" \\\\ bye","intent_id":"a",\
"metadata":{},"name":null,"original_request":"please","parent_intent":null,"preferences":{},"priority":7,\
"rtfs_intent_source":"(goal \\"x\\")","session_id":null,"status":"Executing","success_criteria":null,\
"triggered_by":"HumanRequest","updated_at":1767225600},\
"b":{"child_intents":[],"constraints":{},"created_at":1767225600,"generation_context":{"arbiter_version":"1",\
"generation_timestamp":1767225600,"input_context":{},"reasoning_trace":null},"goal":"goal of b","intent_id":"b",\
"metadata":{},"name":"B","original_request":"please","parent_intent":null,"preferences":{},"priority":1,\
"rtfs_intent_source":"","session_id":null,"status":"Active","success_criteria":null,\
"triggered_by":"HumanRequest","updated_at":1767225600}},\
"manifest":{"created_by":"charter-persist VERSION","note":"n","source":"s"},\
"rtfs":RTFS,"timestamp":1795250761,"version":"1.1"}"""
RTFS = """\
;; Intent Graph Snapshot (hybrid backup)
(intent-graph
  (intents
    (intent {:id "a" :goal "say \\"hi\\" \\\\ bye" :status "Executing" :priority 7 :rtfs-intent "(goal \\"x\\")" })
    (intent {:id "b" :goal "goal of b" :status "Active" :priority 1 :name "B" })
  )
  (edges
    (edge {:from "a" :to "b" :type "DependsOn" :weight 0.5 })
    (edge {:from "b" :to "a" :type "Blocks" })
  )
)
"""


@pytest.fixture(params=["memory://", "sqlite://"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    with connect(request.param) as store:
        yield store


def fill(store: Store) -> None:
    with store.begin() as uow:
        uow.intents.store(
            intent("a", goal='say "hi" \\ bye', status="Executing", priority=7, rtfs_intent_source='(goal "x")')
        )
        uow.intents.store(intent("b", name="B"))
        uow.intents.add_edge(edge("a", "b", "DependsOn", weight=0.5))
        uow.intents.add_edge(edge("b", "a", "Blocks", metadata={"why": "x"}))


def back_up(store: Store, path: Path) -> bytes:
    with store.read() as view:
        backup_intents(view, path, source="s", note="n", clock=lambda: MADE_AT)
    return path.read_bytes()


def document(store: Store, path: Path) -> dict[str, Any]:
    """A sound backup of that store."""
    fill(store)
    found: dict[str, Any] = json.loads(back_up(store, path))
    return found


@pytest.mark.spec("CCOS-5")
def test_the_bytes_are_those_of_the_format(store: Store, tmp_path: Path) -> None:
    fill(store)
    expected = GOLDEN.replace("VERSION", version("charter-persist")).replace("RTFS", json.dumps(RTFS))
    data = back_up(store, tmp_path / "backup.json")
    assert data.decode() == expected
    assert is_canonical(data)
    assert [path.name for path in tmp_path.iterdir()] == ["backup.json"]


@pytest.mark.spec("CCOS-5")
def test_a_restored_graph_gives_the_same_bytes_again(store: Store, tmp_path: Path) -> None:
    with store.begin() as uow:
        for name in NAMES:
            uow.intents.store(full_intent(name))
            uow.intents.add_edge(edge(name, "a", "Enables", weight=1e300, metadata={"large": 1e20}))
    data = back_up(store, tmp_path / "one.json")
    assert is_canonical(data)  # keys in the order of UTF-16, which is not that of their bytes
    with connect("sqlite://") as other:
        put_intents(other, "old", "a")
        done = restore_intents(other, tmp_path / "one.json")
        assert done.receipt is not None
        assert back_up(other, tmp_path / "two.json") == data
        with store.read() as here, other.read() as there:
            expected, found = graph_of(here), graph_of(there)
        assert expected.pop("versions") != found.pop("versions")
        assert found == expected
        assert restore_intents(other, tmp_path / "one.json").receipt is None


@pytest.mark.spec("CCOS-5", "GOV-15")
def test_the_graph_of_a_past_revision_can_be_backed_up(store: Store, tmp_path: Path) -> None:
    fill(store)
    then = back_up(store, tmp_path / "then.json")
    with store.begin() as uow:
        uow.intents.clear_all()
    with store.read(as_of=1) as view:
        backup_intents(view, tmp_path / "past.json", source="s", note="n", clock=lambda: MADE_AT)
    assert (tmp_path / "past.json").read_bytes() == then
    assert json.loads(back_up(store, tmp_path / "now.json"))["intents"] == {}


@pytest.mark.spec("CCOS-5")
def test_a_backup_of_1_0_of_another_program_is_read(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "backup.json"
    found = document(store, path)
    for name in ("manifest", "rtfs"):
        del found[name]
    found |= {"version": "1.0", "new": {"field": 1}}
    for name in ("name", "session_id", "constraints", "child_intents", "success_criteria"):
        del found["intents"]["a"][name]
    del found["edges"][0]["metadata"]
    path.write_text(json.dumps(found, indent=2))
    with connect("sqlite://") as other:
        restore_intents(other, path)
        with store.read() as here, other.read() as there:
            assert graph_of(there) == graph_of(here)
    assert read_backup(path).manifest is None


@pytest.mark.spec("CCOS-5")
def test_the_text_for_people_is_never_read(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "backup.json"
    found = document(store, path)
    for text in ("", "(intent-graph (intents (intent {:id", 7, None, []):
        path.write_text(json.dumps(found | {"rtfs": text}))
        assert restore_intents(store, path).receipt is None


def without(name: str) -> Callable[[dict[str, Any]], None]:
    def change(found: dict[str, Any]) -> None:
        del found[name]

    return change


def with_(**members: Any) -> Callable[[dict[str, Any]], None]:
    return lambda found: found.update(members)


def in_intent(**members: Any) -> Callable[[dict[str, Any]], None]:
    return lambda found: found["intents"]["a"].update(members)


def in_edge(**members: Any) -> Callable[[dict[str, Any]], None]:
    return lambda found: found["edges"][0].update(members)


BAD: dict[str, tuple[Callable[[dict[str, Any]], Any], type[CharterError], str]] = {
    "no intents": (without("intents"), InvalidInputError, "intents"),
    "no edges": (without("edges"), InvalidInputError, "edges"),
    "no version": (without("version"), InvalidInputError, "version"),
    "no timestamp": (without("timestamp"), InvalidInputError, "timestamp"),
    "a later version": (with_(version="1.2"), InvalidInputError, "1.2"),
    "a version of another type": (with_(version=1.1), InvalidInputError, "version"),
    "a version that is a list": (with_(version=["1.1"]), InvalidInputError, "version"),
    "intents as a list": (with_(intents=[]), InvalidInputError, "intents"),
    "edges as an object": (with_(edges={}), InvalidInputError, "edges"),
    "a timestamp as text": (with_(timestamp="0"), InvalidInputError, "timestamp"),
    "a timestamp beyond time": (with_(timestamp=10**15), InvalidInputError, "timestamp"),
    "a manifest as text": (with_(manifest="me"), InvalidInputError, "manifest"),
    "a manifest of nobody": (with_(manifest={}), InvalidInputError, "created_by"),
    "a manifest with a wrong note": (
        with_(manifest={"created_by": "x", "note": 1}),
        InvalidInputError,
        "manifest.note",
    ),
    "an intent under another id": (in_intent(intent_id="c"), InvalidInputError, "intents.a"),
    "an intent with a wrong status": (in_intent(status="Done"), InvalidInputError, "intents.a: status"),
    "an intent with a wrong priority": (in_intent(priority="1"), InvalidInputError, "intents.a: priority"),
    "an intent that is none": (lambda found: found["intents"].update(a=1), InvalidInputError, "intents.a"),
    "an edge that is none": (with_(edges=[1]), InvalidInputError, "edges.0"),
    "an edge of a wrong type": (in_edge(edge_type="Loves"), InvalidInputError, "edges.0: edge_type"),
    "an edge to nowhere": (in_edge(to="z"), DanglingReferenceError, "z"),
    "an edge that comes twice": (lambda found: found["edges"].append(found["edges"][0]), AlreadyExistsError, "twice"),
    "a cycle": (
        lambda f: f["edges"].append({"from": "b", "to": "a", "edge_type": "DependsOn"}),
        CycleError,
        "DependsOn",
    ),
}


@pytest.mark.spec("CCOS-5")
@pytest.mark.parametrize("name", BAD)
def test_a_backup_that_is_not_sound_changes_nothing(store: Store, tmp_path: Path, name: str) -> None:
    change, error, words = BAD[name]
    path = tmp_path / "backup.json"
    found = document(store, path)
    change(found)
    path.write_text(json.dumps(found))
    refuse(store, path, error, words)
    with pytest.raises(error, match=words):  # a migration reads it without restoring it
        read_backup(path)


TEXTS: dict[str, tuple[bytes, type[CharterError], str]] = {
    "nothing": (b"", NotCanonicalError, "character 0"),
    "no JSON": (b"(intent-graph)", NotCanonicalError, "character 0"),
    "a list": (b"[]", InvalidInputError, "JSON object"),
    "a text": (b'"1.1"', InvalidInputError, "JSON object"),
    "a byte order mark": (b"\xef\xbb\xbf{}", NotCanonicalError, "byte order mark"),
    "UTF-16": ("{}".encode("utf-16"), NotCanonicalError, "UTF-8"),
    "bad UTF-8": (b'{"version":"\xff"}', NotCanonicalError, "UTF-8"),
    "a lone surrogate": (b'{"a":"\\ud800"}', NotCanonicalError, "surrogate"),
    "NaN": (b'{"a":NaN}', NotCanonicalError, "NaN"),
    "a key that comes twice": (b'{"edges":[],"edges":[]}', NotCanonicalError, "twice"),
    "an intent that comes twice": (
        b'{"edges":[],"intents":{"a":{},"a":{}},"timestamp":0,"version":"1.1"}', NotCanonicalError, "twice",
    ),
    "an integer that is too large": (b'{"timestamp": 99999999999999999999}', NotCanonicalError, "integer"),
    "a deep list": (b"[" * 100_000 + b"]" * 100_000, LimitExceededError, "nesting_max"),
    "a deep object": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, LimitExceededError, "nesting_max"),
    "a deep end": (b"[" * 100_000, LimitExceededError, "nesting_max"),
    "a cut": (b'{"edges":[],"intents":{', NotCanonicalError, "character"),
}  # fmt: skip


@pytest.mark.spec("CCOS-5")
@pytest.mark.parametrize("name", TEXTS)
def test_what_is_no_json_of_one_meaning_changes_nothing(store: Store, tmp_path: Path, name: str) -> None:
    data, error, words = TEXTS[name]
    path = tmp_path / "backup.json"
    path.write_bytes(data)
    put_intents(store, "a")
    refuse(store, path, error, words)


def refuse(store: Store, path: Path, error: type[CharterError], words: str) -> None:
    with store.read() as view:
        before = (view.revision, graph_of(view))
    with pytest.raises(error) as caught:
        restore_intents(store, path)
    assert type(caught.value) is error
    assert words in caught.value.message
    assert (caught.value.applied, len(caught.value.message) < 400) == ("no", True)
    with store.read() as view:
        assert (view.revision, graph_of(view)) == before


@pytest.mark.spec("CCOS-5")
def test_files_that_are_too_large_or_no_files_are_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_intents(store, "a")
    path = tmp_path / "backup.json"
    data = back_up(store, path)
    monkeypatch.setattr(intent_backup, "BACKUP_BYTES_MAX", len(data))
    restore_intents(store, path)
    assert back_up(store, path) == data
    monkeypatch.setattr(intent_backup, "BACKUP_BYTES_MAX", len(data) - 1)
    refuse(store, path, LimitExceededError, "backup_bytes_max")
    with pytest.raises(LimitExceededError, match="charter backup") as caught:
        back_up(store, path)
    assert (caught.value.maximum, caught.value.actual) == (len(data) - 1, len(data))
    assert path.read_bytes() == data
    refuse(store, Path("/dev/zero"), UnavailableError, "regular file")
    os.mkfifo(tmp_path / "pipe")
    refuse(store, tmp_path / "pipe", UnavailableError, "regular file")
    refuse(store, tmp_path, UnavailableError, str(tmp_path))
    refuse(store, tmp_path / "absent", UnavailableError, "absent")


@pytest.mark.spec("CCOS-5")
def test_an_endless_file_is_read_to_the_limit_only(store: Store, tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**40)
    refuse(store, tmp_path / "huge", LimitExceededError, "backup_bytes_max")


@pytest.mark.spec("CCOS-5")
def test_a_backup_that_cannot_be_written_leaves_the_one_before(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_intents(store, "a")
    path = tmp_path / "backup.json"
    data = back_up(store, path)
    put_intents(store, "b")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CharterError, match="no space"):
        back_up(store, path)
    monkeypatch.undo()
    assert path.read_bytes() == data
    assert not path.with_name(path.name + UNFINISHED).exists()


@pytest.mark.spec("CCOS-5")
def test_an_intent_as_deep_as_a_store_takes_it_can_be_restored(store: Store, tmp_path: Path) -> None:
    deep: Any = 1
    for _ in range(124):
        deep = [deep]
    with store.begin() as uow:
        uow.intents.store(intent("a", metadata={"deep": deep}))
        with pytest.raises(LimitExceededError):
            uow.intents.store(intent("b", metadata={"deep": [deep]}))
        uow.intents.add_edge(edge("a", "a", metadata={"deep": deep}))
    path = tmp_path / "backup.json"
    back_up(store, path)
    with connect("memory://") as other:
        restore_intents(other, path)
        with other.read() as view:
            assert view.intents.require("a").metadata == {"deep": deep}


@pytest.mark.spec("CCOS-5")
def test_the_json_of_an_intent_is_that_of_the_store(store: Store, tmp_path: Path) -> None:
    found = document(store, tmp_path / "backup.json")
    with store.read() as view:
        for name, member in found["intents"].items():
            assert canonical_bytes(member) == canonical_bytes(view.intents.require(name).to_json())
            assert StorableIntent.from_json(member) == view.intents.require(name)
