"""The main job on real input: recorded on every ledger backend, reopened, verified, and the same everywhere."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from charter_persist import ReadView, Store, connect, upgrade
from charter_persist.cli.demo import command, job
from charter_persist.cli.demo.peps import Obstacle, Record, read_record
from charter_persist.cli.demo.recording import DONE_KEY, NOT_APPLIED, SOURCE_KEY, open_for_recording, record_all
from charter_persist.cli.demo.tape import Tape
from charter_persist.cli.failure import ExitCode
from charter_persist.engine.charter import Charter
from charter_persist.errors import NotFoundError, RuleError
from charter_persist.integrity.verify import Level
from charter_persist.model.resolution import Resolution, ResolutionState, ResolutionType
from charter_persist.model.time import format_micros
from tests.command_line import charter

ROOT = Path(__file__).parents[2]
GOLDEN: dict[str, Any] = json.loads((ROOT / "tests/golden/0.1.0/demo.json").read_text(encoding="utf-8"))
LINES = [json.loads(line) for line in (ROOT / "examples/data/peps.jsonl").read_text(encoding="utf-8").splitlines()]
YES = {"Accepted", "Acepted", "Active", "Approved", "Complete", "Final", "Finished", "Provisional"}


def accepted_at(line: dict[str, Any]) -> str | None:
    """When a proposal was accepted, read without the package."""
    return next((item["at"] for item in line["history"] if item["status"] in YES), None)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a SQLite file with the whole record; tests only read it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('demo') / 'demo.db'}"
    assert charter("demo", "--url", url).code == ExitCode.FINE
    return url


def record_until(stop: int, url: str) -> None:
    """Record and be interrupted after so many units."""

    def interrupt(done: int, _total: int) -> None:
        if done == stop:
            raise KeyboardInterrupt

    upgrade(url)
    store, tape = open_for_recording(url)
    with store, pytest.raises(KeyboardInterrupt):
        record_all(store, tape, read_record(), interrupt)


def copy_of(recorded: str, folder: Path) -> Path:
    """A store of its own for a test that writes."""
    return Path(shutil.copy(recorded.removeprefix("sqlite:///"), folder / "copy.db"))


def part_of_record(folder: Path) -> Record:
    """A few proposals that have everything: each area, a change of authority, edges that supersede and others."""
    part = folder / "part.jsonl"
    lines = [line for line in LINES if line["number"] in {1, 248, 249, 291, 387, 3124, 8016}]
    part.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return read_record(part)


def root_of_part(record: Record, stop: int | None) -> tuple[str, int]:
    """Record it, after an interruption before the unit of that number; the root, and how many units there are."""
    store, tape = open_for_recording("memory://")
    with store:
        if stop is not None:
            with pytest.raises(KeyboardInterrupt):
                record_all(store, BrokenTape(tape, stop), record, lambda _done, _total: None)
        assert record_all(store, tape, record, lambda _done, _total: None).repeated is False
        with store.read() as view:
            return view.journal.root().hex(), view.revision


class BrokenTape(Tape):
    """Winds another tape, until it is pulled out instead of beginning one more unit."""

    def __init__(self, tape: Tape, units: int) -> None:
        self._tape = tape
        self._left = units

    def wind(self, at: datetime, seed: str) -> None:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        self._tape.wind(at, seed)


@pytest.fixture
def view(recorded: str) -> Iterator[ReadView]:
    with connect(recorded) as store, store.read() as view:
        yield view


def check_frozen(store: Store) -> None:
    """The store is the frozen one, digest by digest."""
    with store.read() as view:
        digests = [envelope.object_hash for envelope in view.objects.iter()]
        assert sha256("\n".join(digests).encode()).hexdigest() == GOLDEN["digests_sha256"]
        assert {ref.name: ref.digest for ref in view.refs.iter()} == GOLDEN["refs"]
        assert view.journal.root().hex() == GOLDEN["root"]
        assert (view.journal.size(), view.revision) == (GOLDEN["entries"], GOLDEN["revision"])


class TestEveryBackendEndsWithTheFrozenRoot:
    @pytest.mark.spec("HASH-5", "STO-1")
    def test_memory(self) -> None:
        store, tape = open_for_recording("memory://")
        with store:
            record_all(store, tape, read_record(), lambda _done, _total: None)
            check_frozen(store)

    @pytest.mark.spec("HASH-5", "STO-1")
    @pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
    def test_a_database(self, backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'demo.db'}"
        if backend == "postgresql":
            url = request.getfixturevalue("postgres_database")
        told = charter("demo", "--url", url, "--json")
        assert (told.code, told.err) == (ExitCode.FINE, "")
        assert told.json["already_recorded"] is False
        assert told.json["verified"] == {
            "level": "checkpoint",
            "entries": GOLDEN["entries"],
            "revision": GOLDEN["revision"],
            "root": GOLDEN["root"],
            "objects": GOLDEN["objects"],
            "findings": [],
        }
        status = charter("status", "--url", url, "--json").json
        assert (status["backend"], status["root"]) == (backend, GOLDEN["root"])
        with connect(url) as store:
            check_frozen(store)

    @pytest.mark.parametrize("url", ["memory://", "sqlite://"])
    def test_a_store_that_is_gone_afterwards_is_verified_as_it_stands(self, url: str) -> None:
        told = charter("demo", "--url", url, "--json").json
        assert (told["root"], told["verified"]["level"]) == (GOLDEN["root"], "checkpoint")

    def test_batching_changes_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            "charter_persist.cli.demo.recording.connect", lambda url, **kw: connect(url, batching=False, **kw)
        )
        assert charter("demo", "--url", "memory://", "--json").json["root"] == GOLDEN["root"]


class TestWhatIsRecorded:
    """Against the file, read here without the code under test."""

    def test_one_event_for_each_status_change_in_order_of_time(self, view: ReadView) -> None:
        events = [event for event in view.audit.replay() if event.event_type == "STATUS_CHANGED"]
        assert len(events) == 1827
        assert [e.occurred_at for e in events] == sorted(e.occurred_at for e in events)
        told = {(e.subject[1], e.details["to"], e.details["commit"]) for e in events}
        wanted = {
            (f"pep-{line['number']:04d}", item["status"], item["commit"]) for line in LINES for item in line["history"]
        }
        assert told == wanted
        for line in LINES:
            mine = [e.details for e in events if e.subject == ("proposal", f"pep-{line['number']:04d}")]
            statuses = [item["status"] for item in line["history"]]
            assert [details["to"] for details in mine] == statuses
            assert [details["from"] for details in mine] == [None, *statuses][:-1]

    def test_every_proposal_and_every_area_is_an_object(self, view: ReadView) -> None:
        proposals = {item.object["number"]: item.object for item in view.objects.iter("proposal")}
        assert {number: content["title"] for number, content in proposals.items()} == {
            line["number"]: line["title"] for line in LINES
        }
        assert {item.object["long_name"] for item in view.objects.iter("area")} == {line["type"] for line in LINES}

    @pytest.mark.spec("GOV-1", "GOV-6")
    def test_what_was_accepted_is_a_resolution_with_a_sealed_session(self, view: ReadView) -> None:
        wanted = {f"pep-{line['number']:04d}": accepted_at(line) for line in LINES if accepted_at(line)}
        resolutions = [r.object for r in view.objects.iter("resolution") if r.object["type"] == "GENERAL"]
        assert {item["accepted_in_session"]: item["accepted_at"] for item in resolutions} == wanted
        sessions = {session.session_id: session for session in view.sessions.iter()}
        assert {name: sessions[name].closed_at for name in wanted} == wanted
        for session in sessions.values():
            assert (session.state, list(session.accepted)) == ("ACCEPTED", [session.session_id])
            assert view.sessions.sealed_digest(session.session_id) is not None

    @pytest.mark.spec("GOV-5")
    def test_the_authority_of_the_day_accepts_and_delegates_are_named(self, view: ReadView) -> None:
        (changed_at,) = (accepted_at(line) for line in LINES if line["number"] == 8016)
        delegates = {f"pep-{line['number']:04d}": line["delegate"] for line in LINES}
        for session in view.sessions.iter():
            ((who, name),) = session.stances
            assert who == ("BDFL" if str(session.closed_at) <= str(changed_at) else "Steering Council")
            named = delegates.get(name, [])
            assert all(delegate in str(session.candidates[name].rationale) for delegate in named)
            assert named or session.candidates[name].rationale is None

    @pytest.mark.spec("IDX-5", "IDX-6")
    def test_every_edge_of_the_record_supersedes_or_is_an_event_and_a_reference(self, recorded: str) -> None:
        wanted = {(f"pep-{line['number']:04d}", f"pep-{n:04d}") for line in LINES for n in line["replaces"]}
        with connect(recorded) as store, store.read() as view:
            resolutions = {r.object_hash: Resolution.from_content(r.object) for r in view.objects.iter("resolution")}
            events = list(view.audit.iter(event_type=NOT_APPLIED))
        named = {digest: of.accepted_in_session for digest, of in resolutions.items()}
        general = {of.accepted_in_session: of for of in resolutions.values() if of.type is ResolutionType.GENERAL}
        applied = {(name, named[target]) for name, of in general.items() for target in of.supersedes}
        refused = {(event.subject[1], event.details["target"]) for event in events}
        assert applied | refused == wanted
        assert not applied & refused
        assert len(events) == len(refused)
        for name, target in refused:
            if name in general:
                assert target in general[name].content["references"]["replaces"]
        told = {
            name: {named[digest] for digest in of.context.referenced_resolution_ids} for name, of in general.items()
        }
        known = {"TARGET_OF_ANOTHER_AREA", "TARGET_ALREADY_SUPERSEDED"}
        looked_at = {(e.subject[1], e.details["target"]) for e in events if e.details["rule"] in known}
        assert {(name, target) for name, targets in told.items() for target in targets} == looked_at

    @pytest.mark.spec("GOV-2", "IDX-5", "IDX-6")
    def test_the_engine_refuses_what_was_not_applied_and_for_that_reason(self, recorded: str, tmp_path: Path) -> None:
        """The rule in an event is the one that the engine gives when it is asked to supersede all the same."""
        absent = {Obstacle.TARGET_NEVER_ACCEPTED, Obstacle.SUCCESSOR_NEVER_ACCEPTED}
        tried = 0
        with connect(f"sqlite:///{copy_of(recorded, tmp_path)}") as store:
            charter = Charter(store)
            with store.read() as view:
                events = list(view.audit.iter(event_type=NOT_APPLIED))
            for event in events:
                rule, target = Obstacle(event.details["rule"]), event.details["target"]
                if rule in absent:
                    with pytest.raises(NotFoundError):
                        charter.session(event.subject[1] if rule is Obstacle.SUCCESSOR_NEVER_ACCEPTED else target)
                elif rule is Obstacle.TARGET_OF_ANOTHER_AREA:
                    session = charter.start_session(event.scope.removeprefix("AREA:"), problem_statement="?")
                    targets = charter.outcome(target)
                    with pytest.raises(RuleError, match="another area") as refused:
                        charter.add_candidate(session.session_id, content={"text": "x"}, supersedes=targets)
                    assert refused.value.rule == event.details["requirement"]
                    tried += 1
        assert tried == GOLDEN["supersession_not_applied"]["TARGET_OF_ANOTHER_AREA"]

    @pytest.mark.spec("GOV-7", "GOV-8")
    def test_each_area_has_its_scope_and_the_later_authority_which_superseded_the_earlier(self, recorded: str) -> None:
        with connect(recorded) as store, store.read() as view:
            charter = Charter(store)
            areas = [area.area_id for area in charter.areas()]
            assert areas == ["informational", "process", "standards-track"]
            names = [f"area/{area}/{what}" for area in areas for what in ("authority", "scope")]
            assert [ref.name for ref in view.refs.iter()] == names
            for area in areas:
                authority = charter.authority(area)
                assert authority is not None
                (former,) = charter.supersedes(authority.object_hash)
                assert charter.resolution(former).resolution.content["actors"] == ["BDFL"]
                assert authority.object["content"]["actors"] == ["Steering Council"]
                scopes = charter.resolutions(area, type="SCOPE")
                assert [charter.resolution(scope).state for scope in scopes] == [ResolutionState.ACTIVE]
            assert charter.findings() == ()

    def test_metadata_say_where_it_comes_from_and_how_much_there_is(self, view: ReadView) -> None:
        data = (ROOT / "examples/data/peps.jsonl").read_bytes()
        assert view.metadata.require(SOURCE_KEY) == {
            "as_of": "2026-08-22T00:00:00Z",
            "sha256": sha256(data).hexdigest(),
        }
        assert view.metadata.require(DONE_KEY) == {
            "commits": len({item["commit"] for line in LINES for item in line["history"]}),
            "proposals": len(LINES),
            "resolutions": sum(1 for line in LINES if accepted_at(line)),
            "status_changes": 1827,
        }

    def test_the_times_of_the_journal_are_those_of_the_record(self, view: ReadView) -> None:
        times = {item["at"] for line in LINES for item in line["history"]}
        recorded = [format_micros(entry.recorded_at) for entry in view.journal.entries()]
        assert recorded == sorted(recorded)
        assert set(recorded) == times | {"2026-08-22T00:00:00Z"}


class TestSummary:
    def test_it_is_the_frozen_one(self, recorded: str) -> None:
        told = charter("demo", "--url", recorded, "--json").json
        names = ("states", "resolutions", "supersession_not_applied", "longest_chain", "entries", "revision", "root")
        for name in names:
            assert told[name] == GOLDEN[name], name
        assert len(told["last_changes"]) == 10
        assert told["last_changes"][-1]["occurred_at"] == max(i["at"] for line in LINES for i in line["history"])
        assert told["status_changes"] == 1827
        superseded = sum(told["resolutions"]["SUPERSEDED"].values())
        assert superseded + sum(told["supersession_not_applied"].values()) == sum(len(i["replaces"]) for i in LINES)

    def test_it_is_told_to_people(self, recorded: str) -> None:
        for terminal in (False, True):
            told = charter("demo", "--url", recorded, terminal=terminal).out
            for text in (
                "736 proposals",
                "Final",
                "PEP 566",
                "TARGET_OF_ANOTHER_AREA",
                "Last 10 of 1827",
                GOLDEN["root"],
                "chain",
            ):
                assert text in told


class TestRepetition:
    def test_a_second_run_says_so_verifies_and_writes_nothing(self, recorded: str) -> None:
        told = charter("demo", "--url", recorded, "--json")
        assert told.code == ExitCode.FINE
        assert (told.json["already_recorded"], told.json["verified"]["level"]) == (True, "chain")
        assert told.json["root"] == GOLDEN["root"]
        assert "were recorded already" in charter("demo", "--url", recorded).out

    def test_an_interrupted_run_goes_on_where_it_stopped(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'demo.db'}"
        record_until(700, url)
        told = charter("demo", "--url", url, "--json").json
        assert (told["root"], told["already_recorded"]) == (GOLDEN["root"], False)

    def test_it_goes_on_behind_any_single_verb(self, tmp_path: Path) -> None:
        """A part of the record, interrupted before each unit of work in turn."""
        record = part_of_record(tmp_path)
        wanted, units = root_of_part(record, None)
        assert units > 60
        assert {root_of_part(record, stop)[0] for stop in range(units)} == {wanted}

    def test_a_store_that_holds_something_else_is_left_alone(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'mine.db'}"
        charter("init", "--url", url)
        charter("put", "area", "--url", url, stdin=b"{}")
        before = charter("status", "--url", url, "--json").json
        told = charter("demo", "--url", url, "--json")
        assert (told.code, told.error["code"]) == (ExitCode.REFUSED, "conflict")
        assert charter("status", "--url", url, "--json").json == before

    def test_what_was_altered_since_is_found(self, recorded: str, tmp_path: Path) -> None:
        path = copy_of(recorded, tmp_path)
        raw = sqlite3.connect(path)
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        (position,) = raw.execute(
            "SELECT max(position) FROM audit_event WHERE event_type = 'STATUS_CHANGED'"
        ).fetchone()
        raw.execute(
            "UPDATE audit_event SET data = CAST(replace(data, 'Draft', 'Final') AS BLOB) WHERE position = ?",
            (position,),
        )
        raw.commit()
        raw.close()
        told = charter("demo", "--url", f"sqlite:///{path}", "--json")
        assert told.code == ExitCode.REFUSED
        assert [finding["code"] for finding in told.json["verified"]["findings"]] == ["COMMITMENT_MISMATCH"]

    def test_a_store_that_vanished_after_its_upgrade_is_unavailable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(command, "upgrade_store", lambda _url: None)
        told = charter("demo", "--url", "sqlite:////no/such/store.db", "--json")
        assert (told.code, told.error["code"]) == (ExitCode.UNAVAILABLE, "migration-required")

    def test_a_root_other_than_that_of_the_receipt_is_found(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was recorded and what was reopened are compared by the root, not each with itself."""
        other, url = (f"sqlite:///{tmp_path / name}.db" for name in ("other", "demo"))
        upgrade(other)
        upgrade(url)
        monkeypatch.setattr(job, "connect", lambda _url: connect(other))
        done = job.demonstrate(url, part_of_record(tmp_path))
        assert done.report.level == Level.NONE
        assert {finding.code for finding in done.report.findings} >= {"CHECKPOINT_AHEAD", "CHECKPOINT_ORIGIN"}


class TestWhereItRuns:
    def test_by_default_it_makes_a_file_of_its_own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("CHARTER_URL", raising=False)
        assert charter("demo", "--json").json["location"] == str(tmp_path / "charter-demo.db")
        assert [file.name for file in tmp_path.iterdir()] == ["charter-demo.db"]

    def test_the_example_runs_as_a_program(self, tmp_path: Path) -> None:
        program = ROOT / "examples/peps.py"
        told = run(sys.executable, str(program), cwd=tmp_path, PYTHONPATH=str(ROOT))
        assert GOLDEN["root"] in told
        assert "PEP 345: Metadata for Python Software Packages 1.2 -> PEP 566" in told
        assert "recorded already" in run(sys.executable, str(program), cwd=tmp_path, PYTHONPATH=str(ROOT))

    def test_an_installed_wheel_brings_the_record(self, tmp_path: Path) -> None:
        run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path), cwd=ROOT)
        (wheel,) = tmp_path.glob("*.whl")
        installed = tmp_path / "installed"
        zipfile.ZipFile(wheel).extractall(installed)
        program = "from charter_persist.cli.main import main; import charter_persist as p; main()"
        told = run(sys.executable, "-P", "-c", program, "demo", "--json", cwd=tmp_path, PYTHONPATH=str(installed))
        assert json.loads(told)["root"] == GOLDEN["root"]
        shipped = installed / "charter_persist/cli/demo/peps.jsonl"
        assert shipped.read_bytes() == (ROOT / "examples/data/peps.jsonl").read_bytes()


def run(*arguments: str, cwd: Path, **environment: str) -> str:
    """Run a program; its standard output."""
    done = subprocess.run(
        arguments, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
