"""Migration from a content-addressed folder or a backup: what is taken, twice = once, dry runs, and hostile folders."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from charter_persist import Store, connect
from charter_persist.errors import (
    CharterError,
    InvalidInputError,
    LimitExceededError,
    NotCanonicalError,
    UnavailableError,
)
from charter_persist.model.canonical import canonical_bytes
from charter_persist.testing.intents import edge, full_intent, graph_of, intent, put_intents
from charter_persist.transfer import intent_folder
from charter_persist.transfer.intent_backup import backup_intents
from charter_persist.transfer.migrating import MigrationReport, Outcome, migrate_from_file

PLAN = {"plan_id": "p", "language": "Rtfs20", "body": "(do)", "intent_ids": ["a"], "created_at": 1.5, "metadata": {}}
ACTION = {"action_id": "x", "plan_id": "p", "intent_id": "a", "action_type": "PlanStarted"}
CHECKPOINT = {"checkpoint_id": "c", "plan_id": "p", "intent_id": "a", "serialized_context": "{}"}


@pytest.fixture(params=["memory://", "sqlite://"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    with connect(request.param) as store:
        yield store


class Folder:
    """A folder as another program leaves it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.index: dict[str, Any] = {}
        path.mkdir()

    def add(self, text: bytes, *, name: str | None = None, path: str | None = None) -> str:
        """A file, under the hash of its bytes by default."""
        name = sha256(text).hexdigest() if name is None else name
        path = f"{name[:2]}/{name[2:4]}/{name}.json" if path is None else path
        (self.path / path).parent.mkdir(parents=True, exist_ok=True)
        (self.path / path).write_bytes(text)
        self.index[name] = path
        return name

    def add_ours(self, entity: Any) -> str:
        """An entity, canonical and under the hash of that."""
        return self.add(canonical_bytes(entity))

    def add_theirs(self, entity: Any, *, indent: int | None = None) -> str:
        """An entity in the order of its fields, named by its compact form and written in another."""
        name = sha256(json.dumps(entity, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()
        return self.add(json.dumps(entity, indent=indent, ensure_ascii=False).encode(), name=name)

    def finish(self) -> Path:
        (self.path / "index.json").write_text(json.dumps(self.index))
        return self.path


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "archive")


def migrate(store: Store, path: Path, *, dry_run: bool = False) -> MigrationReport:
    return migrate_from_file(store, path, dry_run=dry_run)


def outcomes(report: MigrationReport) -> list[tuple[str, str, str]]:
    return [(item.kind, item.identity, str(item.outcome)) for item in report.items]


def state(store: Store) -> Any:
    with store.read() as view:
        return view.revision, graph_of(view), list(view.kv.iter())


def filled(folder: Folder) -> dict[str, str]:
    """Something of every kind, by both schemes; the names of what was added."""
    return {
        "plan": folder.add_theirs(PLAN, indent=2),
        "action": folder.add_ours(ACTION),
        "checkpoint": folder.add_theirs(CHECKPOINT),
        "edge": folder.add_theirs(edge("b", "a", "Blocks", weight=0.5).to_json(), indent=4),
        "b": folder.add_ours(intent("b").to_json()),
        "a": folder.add_theirs(full_intent("a").to_json()),
    }


@pytest.mark.spec("CCOS-6")
def test_a_folder_comes_in_by_both_schemes_and_only_once(store: Store, folder: Folder) -> None:
    names = filled(folder)
    report = migrate(store, folder.finish())
    assert outcomes(report) == [
        ("intent", "a", "imported"),
        ("intent", "b", "imported"),
        ("edge", "b/a/Blocks", "imported"),
        ("action", names["action"], "imported"),
        ("checkpoint", names["checkpoint"], "imported"),
        ("plan", names["plan"], "imported"),
    ]
    found = {item.source_hash: item for item in report.items}
    plan = found[names["plan"]]
    assert (plan.scheme, plan.content_hash) == ("serde_json", sha256(canonical_bytes(PLAN)).hexdigest())
    action = found[names["action"]]
    assert (action.scheme, action.content_hash) == ("rfc8785", names["action"])
    with store.read() as view:
        assert list(view.intents.iter()) == [full_intent("a"), intent("b")]
        assert list(view.intents.get_edges()) == [edge("b", "a", "Blocks", weight=0.5)]
        for kind, entity in (("plan", PLAN), ("action", ACTION), ("checkpoint", CHECKPOINT)):
            archive = view.archive(kind)
            assert [archive.retrieve(name) for name in archive.list_hashes()] == [entity]
    assert report.receipt is not None
    before = state(store)
    again = migrate(store, folder.path / "index.json")
    assert [item.outcome for item in again.items] == [Outcome.PRESENT] * 6
    assert state(store)[1] == before[1]


@pytest.mark.spec("CCOS-6")
def test_a_dry_run_writes_nothing_and_reports_the_same(store: Store, folder: Folder) -> None:
    filled(folder)
    folder.add_ours(intent("a", goal="of another age").to_json())
    folder.add_ours({"no": "entity"})
    put_intents(store, "b")
    before = state(store)
    dry = migrate(store, folder.finish(), dry_run=True)
    assert (dry.receipt, dry.dry_run, state(store)) == (None, True, before)
    wet = migrate(store, folder.path)
    assert wet.items == dry.items
    assert {str(outcome): wet.count(outcome) for outcome in Outcome} == {"imported": 5, "present": 1, "refused": 2}
    put_intents(store, "still usable")


@pytest.mark.spec("CCOS-6")
def test_the_report_does_not_depend_on_the_order_of_the_index(folder: Folder) -> None:
    filled(folder)
    reports = []
    for index in (folder.index, dict(reversed(folder.index.items()))):
        folder.index = index
        with connect("memory://") as store:
            reports.append(migrate(store, folder.finish()).to_json())
    assert reports[0] == reports[1]


@pytest.mark.spec("CCOS-6")
def test_of_several_versions_of_an_intent_the_newest_counts(store: Store, folder: Folder) -> None:
    later = intent("a").updated_at.replace(year=2027)
    old = folder.add_ours(intent("a").to_json())
    new = folder.add_theirs(intent("a", status="Completed", updated_at=later).to_json())
    report = migrate(store, folder.finish())
    assert {item.source_hash: str(item.outcome) for item in report.items} == {old: "refused", new: "imported"}
    (reason,) = [item.reason for item in report.items if item.reason]
    assert new in reason
    with store.read() as view:
        assert view.intents.require("a").status == "Completed"


@pytest.mark.spec("CCOS-6")
def test_what_is_here_is_never_replaced(store: Store, folder: Folder) -> None:
    put_intents(store, "a", "b")
    with store.begin() as uow:
        uow.intents.add_edge(edge("b", "a", "Blocks"))
        uow.intents.add_edge(edge("a", "b", "DependsOn"))
    folder.add_ours(edge("b", "a", "DependsOn").to_json())
    folder.add_ours(edge("a", "nowhere", "DependsOn").to_json())
    filled(folder)
    with store.read() as view:
        before = graph_of(view)
    report = migrate(store, folder.finish())
    assert outcomes(report)[:5] == [
        ("intent", "a", "refused"),
        ("intent", "b", "present"),
        ("edge", "a/nowhere/DependsOn", "refused"),
        ("edge", "b/a/Blocks", "refused"),
        ("edge", "b/a/DependsOn", "refused"),
    ]
    reasons = [item.reason or "" for item in report.items[:5]]
    for reason, words in zip(reasons, ("another intent a", "", "nowhere", "another edge", "cycle"), strict=True):
        assert words in reason
    with store.read() as view:
        assert graph_of(view) == before


@pytest.mark.spec("CCOS-5", "CCOS-6")
@pytest.mark.parametrize("format_version", ["1.0", "1.1"])
def test_a_backup_is_merged_and_only_once(store: Store, tmp_path: Path, format_version: str) -> None:
    path = tmp_path / "backup.json"
    with connect("memory://") as other:
        put_intents(other, "a", "b")
        with other.begin() as uow:
            uow.intents.add_edge(edge("a", "b", "DependsOn"))
        with other.read() as view:
            backup_intents(view, path)
    document = json.loads(path.read_text()) | {"version": format_version}
    path.write_text(json.dumps(document))
    put_intents(store, "b", "kept")
    dry = migrate_from_file(store, path, dry_run=True)
    report = migrate_from_file(store, path)
    expected = [("intent", "a", "imported"), ("intent", "b", "present"), ("edge", "a/b/DependsOn", "imported")]
    assert outcomes(report) == outcomes(dry) == expected
    assert (report.items[0].source_hash, report.items[0].scheme) == (None, None)
    again = migrate_from_file(store, path)
    assert (again.receipt, {str(item.outcome) for item in again.items}) == (None, {"present"})
    with store.read() as view:
        assert view.intents.exists("kept")


@pytest.mark.spec("CCOS-6")
def test_what_a_store_does_not_offer_is_refused_and_the_rest_is_taken(tmp_path: Path, folder: Folder) -> None:
    folder.add_ours(PLAN)
    folder.add_ours(intent("a").to_json())
    with connect(f"file://{tmp_path / 'target'}") as archive:
        report = migrate_from_file(archive, folder.finish())
        found = {item.kind: item.outcome for item in report.items}
        assert found == {"plan": Outcome.IMPORTED, "intent": Outcome.REFUSED}
        with archive.read() as view:
            assert view.archive("plan").stats().total_entities == 1


@pytest.mark.spec("CCOS-3", "CCOS-6")
def test_old_flat_files_are_read(store: Store, folder: Folder) -> None:
    text = canonical_bytes(intent("a").to_json())
    name = sha256(text).hexdigest()
    folder.add(text, path=name)
    assert outcomes(migrate(store, folder.finish())) == [("intent", "a", "imported")]


HOSTILE_PATHS: dict[str, Any] = {
    "up": "../outside.json", "up from below": "aa/../../outside.json", "up and back": "../archive/inside.json",
    "absolute": "/etc/passwd", "of another system": "..\\outside.json", "empty": "", "NUL": "inside.json\x00", "number": 7,
    "list": ["inside.json"], "null": None, "a link out": "link.json", "a linked folder": "linked/outside.json",
    "a loop": "loop.json", "a pipe": "pipe.json", "a device": "device.json", "a folder": "aa", "nothing": "absent.json",
    "a file as a folder": "inside.json/x", "long": "x" * 5_000, "dot": ".",
}  # fmt: skip


@pytest.mark.spec("CCOS-6")
@pytest.mark.parametrize("name", HOSTILE_PATHS)
def test_a_path_that_leads_out_or_to_no_file_is_refused(store: Store, folder: Folder, name: str) -> None:
    text = canonical_bytes(intent("stolen").to_json())
    (folder.path.parent / "outside.json").write_bytes(text)
    (folder.path / "inside.json").write_bytes(text)
    (folder.path / "aa").mkdir()
    (folder.path / "link.json").symlink_to(folder.path.parent / "outside.json")
    (folder.path / "linked").symlink_to(folder.path.parent)
    (folder.path / "loop.json").symlink_to(folder.path / "loop.json")
    (folder.path / "device.json").symlink_to("/dev/zero")
    os.mkfifo(folder.path / "pipe.json")
    folder.add_ours(intent("good").to_json())
    folder.index[sha256(text).hexdigest()] = HOSTILE_PATHS[name]
    refused, taken = sorted(migrate(store, folder.finish()).items, key=lambda item: item.outcome is Outcome.IMPORTED)
    assert (refused.outcome, refused.kind, taken.identity) == (Outcome.REFUSED, "unknown", "good")
    assert refused.reason
    assert len(refused.reason) < 6_000
    with store.read() as view:
        assert not view.intents.exists("stolen")


@pytest.mark.spec("CCOS-6")
def test_a_link_that_stays_inside_is_followed(store: Store, folder: Folder, tmp_path: Path) -> None:
    text = canonical_bytes(intent("a").to_json())
    (folder.path / "real").write_bytes(text)
    (folder.path / "link").symlink_to("real")
    folder.index[sha256(text).hexdigest()] = "link"
    folder.finish()
    (tmp_path / "elsewhere").symlink_to(folder.path)
    assert outcomes(migrate(store, tmp_path / "elsewhere")) == [("intent", "a", "imported")]


FILES: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"(plan)", "character 0"),
    "a list": (b"[]", "JSON object"),
    "bad UTF-8": (b'{"plan_id":"\xff"}', "UTF-8"),
    "a key that comes twice": (b'{"plan_id":"a","plan_id":"b"}', "twice"),
    "too deep": (b'{"plan_id":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nesting_max"),
    "no known type": (b'{"thing":1}', "no known type"),
    "no intent": (b'{"intent_id":"a"}', "original_request"),
    "no edge": (b'{"edge_type":"Loves","from":"a","to":"b"}', "edge_type"),
    "nothing": (b"", "character 0"),
}


@pytest.mark.spec("CCOS-6")
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_holds_no_entity_is_refused(store: Store, folder: Folder, name: str) -> None:
    text, words = FILES[name]
    source = folder.add(text)
    (item,) = migrate(store, folder.finish()).items
    assert (item.outcome, item.source_hash) == (Outcome.REFUSED, source)
    assert words in str(item.reason)


@pytest.mark.spec("CCOS-6")
def test_content_that_is_not_what_its_name_says_is_refused(store: Store, folder: Folder) -> None:
    good = json.dumps(PLAN, indent=1).encode()
    name = folder.add_theirs(PLAN, indent=1)
    path = folder.path / folder.index[name]
    assert migrate(store, folder.finish(), dry_run=True).count(Outcome.IMPORTED) == 1
    for altered in (
        good.replace(b"(do)", b"(no)"),
        good.replace(b"1.5", b"1.50"),
        good.replace(b'"Rtfs20"', b'"Rtfs20 "'),
    ):
        path.write_bytes(altered)
        (item,) = migrate(store, folder.path).items
        assert (item.outcome, item.scheme) == (Outcome.REFUSED, None)
        assert "hash" in str(item.reason)
        assert item.content_hash is not None
    for wrong in ("x", name.upper(), name[:-1], "../" + name):
        folder.index = {wrong: folder.index.popitem()[1]}
        path.write_bytes(good)
        assert migrate(store, folder.finish()).count(Outcome.REFUSED) == 1


INDEXES: dict[str, tuple[bytes, type[CharterError]]] = {
    "no JSON": (b"index", NotCanonicalError),
    "a list": (b"[]", InvalidInputError),
    "a hash that comes twice": (b'{"a":"b","a":"c"}', NotCanonicalError),
    "too deep": (b"[" * 100_000, LimitExceededError),
    "a byte order mark": (b"\xef\xbb\xbf{}", NotCanonicalError),
    "a lone surrogate": (b'{"a":"\\ud800"}', NotCanonicalError),
}


@pytest.mark.spec("CCOS-6")
@pytest.mark.parametrize("name", INDEXES)
def test_an_index_that_is_none_is_refused(store: Store, folder: Folder, name: str) -> None:
    data, error = INDEXES[name]
    folder.finish()
    (folder.path / "index.json").write_bytes(data)
    with pytest.raises(error):
        migrate(store, folder.path)


@pytest.mark.spec("CCOS-6")
def test_limits_of_files_and_of_the_folder(store: Store, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = folder.add(b"", name="0" * 64)
    with (folder.path / folder.index[huge]).open("wb") as file:
        file.truncate(2**40)
    (item,) = migrate(store, folder.finish()).items
    assert "object_bytes_max" in str(item.reason)
    del folder.index[huge]
    folder.add_ours(intent("a").to_json())
    monkeypatch.setattr(intent_folder, "FOLDER_BYTES_MAX", 10)
    with pytest.raises(LimitExceededError, match="folder_bytes_max"):
        migrate(store, folder.finish())
    with (folder.path / "index.json").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(LimitExceededError, match="index_bytes_max"):
        migrate(store, folder.path)


def test_a_folder_without_an_index_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"index\.json"):
        migrate(store, tmp_path)
    with pytest.raises(UnavailableError, match="absent"):
        migrate(store, tmp_path / "absent")
