"""What each command does to a store and tells of it; the checkpoint commands have a file of their own."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from charter_persist import connect, digest, upgrade
from charter_persist.cli.failure import ExitCode
from charter_persist.proofs import EMPTY_ROOT, leaf_data, leaf_hash, verify_inclusion
from tests.command_line import Answer, charter

CONTENT = {"b": [1, 2.5, "é"], "a": None}


class Shell:
    """`charter` on one store."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"

    def __call__(self, *arguments: str, stdin: bytes = b"", terminal: bool = False) -> Answer:
        return charter("--url", self.url, *arguments, stdin=stdin, terminal=terminal)

    def put(self, content: object, object_type: str = "note") -> str:
        return str(self("put", object_type, "--json", stdin=json.dumps(content).encode()).json["digest"])


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path / "store.db")
    upgrade(shell.url)
    return shell


class TestInitAndUpgrade:
    @pytest.mark.parametrize("name", ["init", "upgrade"])
    def test_it_makes_a_store_says_where_and_can_be_repeated(self, name: str, tmp_path: Path) -> None:
        shell = Shell(tmp_path / "new.db")
        first = shell(name, "--json")
        assert first.code == ExitCode.FINE
        assert first.json["location"] == str(tmp_path / "new.db")
        assert first.json["backend"] == "sqlite"
        assert shell(name, "--json").json == first.json
        with connect(shell.url) as store:
            assert store.store_id == first.json["store_id"]

    def test_no_other_command_makes_a_store(self, tmp_path: Path) -> None:
        for name in ("status", "log", "verify", "doctor", "checkpoint"):
            told = Shell(tmp_path / "absent.db")(name)
            assert told.code == ExitCode.UNAVAILABLE
            assert "charter upgrade" in told.err
        assert list(tmp_path.iterdir()) == []


class TestStatus:
    def test_an_empty_store(self, shell: Shell) -> None:
        told = shell("status", "--json").json
        assert (told["revision"], told["entries"], told["root"]) == (0, 0, EMPTY_ROOT.hex())
        assert set(told["counts"].values()) == {0}
        assert told["url"] == shell.url

    def test_it_counts_what_is_there_now_and_not_changes(self, shell: Shell) -> None:
        with connect(shell.url) as store:
            with store.begin() as uow:
                one, two = uow.objects.put("note", 1), uow.objects.put("note", 2)
                uow.objects.put("note", 1)
                uow.refs.set("kept", one, expected=0)
                uow.refs.set("gone", one, expected=0)
                uow.metadata.set("kept", 1)
                uow.metadata.set("gone", 1)
                uow.audit.append("X", scope="GLOBAL", subject=("note", one))
                uow.sessions.create(session_id="s", area_id="a", problem_statement="?")
            with store.begin() as uow:
                uow.refs.set("kept", two, expected=1)
                uow.refs.delete("gone", expected=1)
                uow.metadata.delete("gone")
                uow.metadata.set("kept", 2)
                uow.sessions.set_state("s", "ACTIVE")
            root = uow.receipt.root.hex()
        told = shell("status", "--json").json
        expected = {"objects": 2, "refs": 1, "audit_events": 1, "metadata_keys": 1, "sessions": 1}
        assert told["counts"] == expected
        assert (told["revision"], told["entries"], told["root"]) == (2, 13, root)
        plain = shell("status").out.splitlines()
        assert f"root: {root}" in plain
        assert "objects: 2" in plain


class TestPutAndGet:
    @pytest.mark.spec("HASH-1")
    def test_put_prints_the_digest_and_get_the_bytes_that_were_hashed(self, shell: Shell) -> None:
        told = shell("put", "note", stdin=json.dumps(CONTENT).encode())
        assert told.out == digest("note", CONTENT) + "\n"
        assert shell("get", told.out.strip()).out == '{"a":null,"b":[1,2.5,"é"]}\n'

    @pytest.mark.spec("HASH-3")
    def test_get_in_json_is_the_envelope(self, shell: Shell) -> None:
        made = shell.put(CONTENT)
        assert shell("get", made, "--json").json == {
            "charter_hash_version": "v1",
            "hash_algorithm": "sha256",
            "object_type": "note",
            "object_hash": made,
            "object": CONTENT,
        }

    def test_put_reads_a_file_and_a_dash_is_standard_input(self, shell: Shell, tmp_path: Path) -> None:
        file = tmp_path / "note.json"
        file.write_bytes(b'\n{"x": 1}\n')
        told = shell("put", "note", str(file)).out
        assert told == shell("put", "note", "-", stdin=b'{"x":1}').out == digest("note", {"x": 1}) + "\n"

    @pytest.mark.spec("STO-3.1")
    def test_a_second_put_stores_nothing_and_says_so(self, shell: Shell) -> None:
        first = shell("put", "note", "--json", stdin=b"1").json
        assert (first["stored"], first["revision"], first["position"]) == (True, 1, 1)
        again = shell("put", "note", "--json", stdin=b"1").json
        assert (again["stored"], again["revision"], again["position"]) == (False, None, None)
        assert again["digest"] == first["digest"]

    @pytest.mark.spec("HASH-2")
    @pytest.mark.parametrize(
        "text",
        [b"", b"{", b"NaN", b'{"a":1,"a":2}', b"9007199254740993", b'"\\ud800"', b"\xff", b"[" * 129 + b"]" * 129],
    )
    def test_what_has_no_canonical_form_is_refused_and_nothing_is_written(self, shell: Shell, text: bytes) -> None:
        told = shell("put", "note", "--json", stdin=text)
        assert told.code == ExitCode.REFUSED
        assert told.error["code"] in ("not-canonical", "limit-exceeded")
        assert shell("status", "--json").json["entries"] == 0

    def test_a_bad_object_type_is_refused(self, shell: Shell) -> None:
        told = shell("put", "no type", "--json", stdin=b"1")
        assert (told.code, told.error["code"]) == (ExitCode.REFUSED, "invalid-input")

    @pytest.mark.spec("HASH-4")
    def test_a_prefix_finds_one_none_or_several(self, shell: Shell) -> None:
        digests = [shell.put(number) for number in range(40)]
        first = {made[0] for made in digests}
        several = next(c for c in first if sum(made.startswith(c) for made in digests) > 1)
        told = shell("get", several, "--json")
        assert (told.code, told.error["code"]) == (ExitCode.REFUSED, "ambiguous")
        assert told.error["facts"]["candidates"] == sorted(made for made in digests if made.startswith(several))
        assert shell("get", digests[0][:16]).out == "0\n"
        told = shell("get", "0" * 64, "--json")
        assert (told.code, told.error["code"]) == (ExitCode.REFUSED, "not-found")
        assert shell("get", "XYZ", "--json").error["code"] == "invalid-input"

    def test_a_damaged_object_is_refused_and_never_printed(self, shell: Shell) -> None:
        made = shell.put("sound")
        with sqlite3.connect(shell.path) as raw:
            for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                raw.execute(f"DROP TRIGGER {name}")
            raw.execute("UPDATE object SET data = ?", (b'"other"',))
        raw.close()
        told = shell("get", made)
        assert (told.code, told.out) == (ExitCode.REFUSED, "")
        assert "charter verify" in told.err
        assert shell("verify", "--json").code == ExitCode.REFUSED


class TestLog:
    @pytest.fixture
    def filled(self, shell: Shell) -> Shell:
        with connect(shell.url, clock=lambda: datetime(2026, 1, 2, tzinfo=UTC)) as store:
            for number in range(30):
                with store.begin() as uow:
                    uow.objects.put("note", number)
                    uow.metadata.set("count", number)
        return shell

    def positions(self, told: Answer) -> list[int]:
        return [entry["position"] for entry in told.json["entries"]]

    def test_by_itself_it_shows_the_newest_in_order(self, filled: Shell) -> None:
        assert self.positions(filled("log", "--json")) == list(range(41, 61))
        assert self.positions(filled("log", "--json", "--limit", "3")) == [58, 59, 60]
        assert self.positions(filled("log", "--json", "--limit", "10000")) == list(range(1, 61))

    def test_after_shows_the_first_behind_a_position(self, filled: Shell) -> None:
        assert self.positions(filled("log", "--json", "--after", "0", "--limit", "2")) == [1, 2]
        assert self.positions(filled("log", "--json", "--after", "58")) == [59, 60]
        assert self.positions(filled("log", "--json", "--after", "60")) == []

    def test_store_leaves_out_the_others(self, filled: Shell) -> None:
        assert self.positions(filled("log", "--json", "--store", "object", "--limit", "2")) == [57, 59]
        assert self.positions(filled("log", "--json", "--store", "metadata", "--after", "10", "--limit", "2")) == [
            12,
            14,
        ]
        assert self.positions(filled("log", "--json", "--store", "nosuch")) == []

    def test_an_entry_in_json_is_enough_to_compute_its_leaf(self, filled: Shell) -> None:
        entry = filled("log", "--json", "--after", "6", "--limit", "1").json["entries"][0]
        assert entry["recorded_at"] == "2026-01-02T00:00:00Z"
        names = ("position", "revision", "store", "subject", "operation", "commitment", "recorded_at")
        computed = leaf_hash(leaf_data(*(entry[name] for name in names)))
        with connect(filled.url) as store, store.read() as view:
            proof = view.journal.inclusion_proof(7, 7)
            verify_inclusion(computed, 6, 7, proof, view.journal.root(7))


class TestRefs:
    def test_a_ref_is_set_moved_and_deleted_by_compare_and_set(self, shell: Shell) -> None:
        one, two = shell.put(1), shell.put(2)
        assert shell("refs", "set", "a/head", one, "--expected", "0", "--json").json["version"] == 1
        assert shell("refs", "set", "a/head", two, "--expected", "1").out == "a/head has version 2\n"
        assert shell("refs", "get", "a/head").out == two + "\n"
        stale = shell("refs", "set", "a/head", one, "--expected", "1", "--json")
        assert (stale.code, stale.error["code"]) == (ExitCode.REFUSED, "version-conflict")
        assert shell("refs", "delete", "a/head", "--expected", "2", "--json").json == {
            "name": "a/head",
            "deleted": True,
        }
        assert shell("refs", "get", "a/head").code == ExitCode.REFUSED
        history = shell("refs", "history", "a/head", "--json").json["history"]
        assert [(item["digest"], item["version"]) for item in history] == [(one, 1), (two, 2), (None, 3)]
        assert [line.split("\t")[1] for line in shell("refs", "history", "a/head").out.splitlines()[1:]] == [
            one,
            two,
            "-",
        ]

    def test_a_ref_to_nothing_is_refused(self, shell: Shell) -> None:
        told = shell("refs", "set", "a", "0" * 64, "--expected", "0", "--json")
        assert (told.code, told.error["code"]) == (ExitCode.REFUSED, "dangling-reference")
        assert told.error["facts"] == {"digest": "0" * 64}

    def test_pages_go_on_by_their_cursor(self, shell: Shell) -> None:
        made = shell.put(1)
        for name in ("a/1", "a/2", "a/3", "b/1"):
            shell("refs", "set", name, made, "--expected", "0")
        page = shell("refs", "list", "a/", "--limit", "2", "--json").json
        assert [ref["name"] for ref in page["refs"]] == ["a/1", "a/2"]
        rest = shell("refs", "list", "a/", "--limit", "2", "--cursor", page["cursor"], "--json").json
        assert ([ref["name"] for ref in rest["refs"]], rest["cursor"]) == (["a/3"], None)
        assert shell("refs", "list", "--limit", "3").out.splitlines()[-1].startswith("more: --cursor ")
        assert shell("refs", "list", "--cursor", "!", "--json").error["code"] == "invalid-input"


class TestAudit:
    @pytest.fixture
    def filled(self, shell: Shell) -> Shell:
        with connect(shell.url) as store, store.begin() as uow:
            for number in range(6):
                scope = "GLOBAL" if number % 2 else "AREA:a"
                kind = "X" if number < 3 else "Y"
                uow.audit.append(
                    kind, scope=scope, subject=("note", str(number % 3)), event_id=f"e{number}", actor="me"
                )
        return shell

    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            ((), "e0 e1 e2 e3 e4 e5"),
            (("--scope", "AREA:a"), "e0 e2 e4"),
            (("--type", "Y"), "e3 e4 e5"),
            (("--subject", "note", "1"), "e1 e4"),
            (("--subject", "note", "1", "--scope", "GLOBAL"), "e1"),
            (("--after", "4"), "e4 e5"),
            (("--limit", "2"), "e0 e1"),
            (("--reverse", "--limit", "2"), "e5 e4"),
            (("--reverse", "--after", "3"), "e1 e0"),
            (("--type", "Y", "--scope", "AREA:a"), "e4"),
        ],
    )
    @pytest.mark.spec("STO-3.3")
    def test_filters_choose_events(self, filled: Shell, filters: tuple[str, ...], expected: str) -> None:
        told = filled("audit", "list", *filters, "--json").json["events"]
        assert " ".join(event["event_id"] for event in told) == expected

    def test_an_event_is_whole_in_json_and_one_line_else(self, filled: Shell) -> None:
        event = filled("audit", "list", "--limit", "1", "--json").json["events"][0]
        assert set(event) >= {
            "position",
            "event_id",
            "event_type",
            "occurred_at",
            "actor",
            "scope",
            "subject",
            "context",
        }
        line = filled("audit", "list", "--limit", "1").out.splitlines()[1].split("\t")
        assert (line[0], *line[2:]) == ("1", "X", "AREA:a", "note 0", "me")

    def test_a_bad_filter_is_refused(self, filled: Shell) -> None:
        assert filled("audit", "list", "--scope", "nowhere", "--json").error["code"] == "invalid-input"


class TestDoctor:
    def test_a_sound_store_has_no_problems(self, shell: Shell) -> None:
        told = shell("doctor", "--json")
        assert told.code == ExitCode.FINE
        assert told.json["ok"] is True
        assert told.json["problems"] == []
        assert told.json["facts"]["synchronous"] == "full"
        assert shell("doctor").out.splitlines()[-1] == "no problems"

    def test_a_missing_guard_is_a_problem_and_says_what_to_do(self, shell: Shell) -> None:
        raw = sqlite3.connect(shell.path)
        names = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        raw.execute(f"DROP TRIGGER {names[0]}")
        raw.commit()
        raw.close()
        told = shell("doctor", "--json")
        assert told.code == ExitCode.REFUSED
        assert told.json["ok"] is False
        assert names[0] in told.json["problems"][0]
        assert shell("doctor").out.splitlines()[-1].startswith("problem: ")
