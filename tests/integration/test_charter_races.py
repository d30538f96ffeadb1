"""Two processes decide at the same moment: one of them wins, the other is told why not, and each sees what the other did."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from charter_persist import connect, upgrade
from charter_persist.engine.charter import Charter
from charter_persist.index.live import LiveIndex
from charter_persist.integrity.fsck import fsck
from charter_persist.store import Store
from charter_persist.testing.deciding import authority_content, initialise, propose, resolve, vote

ROUNDS = 8

WORKER = """
import json, sys
from charter_persist import connect
from charter_persist.engine.charter import Charter
from charter_persist.errors import CharterError
with connect(sys.argv[1]) as store:
    charter = Charter(store)
    charter.areas()
    for line in sys.stdin:
        verb, args, facts = json.loads(line)
        try:
            value = getattr(charter, verb)(*args, **facts)
        except CharterError as exc:
            print(json.dumps([type(exc).__name__, exc.message]), flush=True)
        else:
            print(json.dumps(["done", str(getattr(value, "state", ""))]), flush=True)
"""

Call = tuple[str, list[Any], dict[str, Any]]


class Worker:
    """Another process with an engine of its own, whose index is built."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def send(self, verb: str, *args: Any, **facts: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([verb, args, facts]) + "\n")
        self.process.stdin.flush()

    def answer(self) -> list[str]:
        assert self.process.stdout is not None
        return list(json.loads(self.process.stdout.readline()))

    def call(self, verb: str, *args: Any, **facts: Any) -> list[str]:
        self.send(verb, *args, **facts)
        return self.answer()

    def end(self) -> None:
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'charter.db'}"
    else:
        url = str(request.getfixturevalue("postgres_database"))
    upgrade(url)
    return url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with connect(url) as store:
        yield store


@pytest.fixture
def charter(store: Store) -> Charter:
    return Charter(store)


@pytest.fixture
def workers(url: str, charter: Charter) -> Iterator[list[Worker]]:
    """Two of them, over a store that has the area works."""
    initialise(charter, "works")
    workers = [Worker(url), Worker(url)]
    for worker in workers:
        assert worker.call("area", "works")[0] == "done"
    yield workers
    for worker in workers:
        worker.end()


def race(workers: list[Worker], *calls: Call) -> list[str]:
    """All calls at once, each in a process of its own; how each ended, sorted."""
    for worker, (verb, args, facts) in zip(workers, calls, strict=True):
        worker.send(verb, *args, **facts)
    return sorted((worker.answer()[0] for worker in workers), key=lambda name: name != "done")


def ready(charter: Charter, **proposal: Any) -> str:
    """A session of the area that can be accepted."""
    session_id = propose(charter, "works", **proposal)
    vote(charter, session_id, "ana")
    return session_id


@pytest.mark.spec("GOV-6", "IDX-10", "P15")
def test_of_two_acceptances_against_one_target_one_wins(store: Store, charter: Charter, workers: list[Worker]) -> None:
    live = LiveIndex()
    for _ in range(ROUNDS):
        target = resolve(charter, "works")
        sessions = [ready(charter, supersedes=[target]) for _ in workers]
        ends = race(workers, *[("accept", [name], {}) for name in sessions])
        # The winner blocks the other session before its process gets the lock.
        assert ends == ["done", "InvalidTransitionError"]
        assert len(charter.superseded_by(target)) == 1
        assert sorted(str(charter.session(name).state) for name in sessions) == ["ACCEPTED", "BLOCKED"]
        assert fsck(store, live=live).findings == ()


@pytest.mark.spec("GOV-7", "GOV-8", "P15")
@pytest.mark.parametrize("kind", ["AUTHORITY", "SCOPE"])
def test_of_two_that_move_one_authority_or_scope_one_wins(
    store: Store, charter: Charter, workers: list[Worker], kind: str
) -> None:
    for number in range(ROUNDS):
        sessions = []
        for name in ("one", "two"):
            text = f"{name} {number}"
            content = authority_content("SOLE_ACTOR", ["ana"], text) if kind == "AUTHORITY" else {"text": text}
            sessions.append(ready(charter, type=kind, content=content))
        assert race(workers, *[("accept", [name], {}) for name in sessions]) == ["done", "InvalidTransitionError"]
        (in_force,) = charter.resolutions("works", state="ACTIVE", type=kind)
        with store.read() as view:
            ref = view.refs.require(f"area/works/{kind.lower()}")
        assert (ref.digest, ref.version) == (in_force, number + 2)
    assert fsck(store).findings == ()


@pytest.mark.spec("GOV-7", "P15")
def test_of_two_that_create_one_area_one_wins(store: Store, charter: Charter, workers: list[Worker]) -> None:
    for number in range(ROUNDS):
        same_label = [("create_area", [], {"label": f"label {number}"})] * 2
        assert race(workers, *same_label) == ["done", "AlreadyExistsError"]
        same_id = [("create_area", [], {"label": f"{name} {number}", "area_id": f"id {number}"}) for name in "ab"]
        assert race(workers, *same_id) == ["done", "AlreadyExistsError"]
    assert len(charter.areas()) == 1 + 2 * ROUNDS
    assert fsck(store).findings == ()


@pytest.mark.spec("GOV-3", "GOV-6", "AT-06")
def test_one_session_is_accepted_once_and_hears_no_late_stance(
    store: Store, charter: Charter, workers: list[Worker]
) -> None:
    for _ in range(ROUNDS):
        session_id = ready(charter)
        assert race(workers, *[("accept", [session_id], {})] * 2) == ["done", "SealedError"]
        assert len(charter.outcome(session_id)) == 1
        session_id = ready(charter)
        late = {"candidate_id": "c", "stance": "ACCEPT", "actor": "ana"}
        ends = race(workers, ("accept", [session_id], {}), ("record_stance", [session_id], late))
        assert ends in (["done", "done"], ["done", "SealedError"])
        assert charter.session(session_id).state == "ACCEPTED"
    assert fsck(store).findings == ()


@pytest.mark.spec("GOV-2", "GOV-6", "P15")
def test_a_replacement_and_a_retirement_of_one_resolution_exclude_each_other(
    store: Store, charter: Charter, workers: list[Worker]
) -> None:
    for _ in range(ROUNDS):
        target = resolve(charter, "works")
        session_id = ready(charter, supersedes=[target])
        ends = race(workers, ("accept", [session_id], {}), ("retire", [target], {"actor": "ana"}))
        assert ends == ["done", "InvalidTransitionError"]
        assert charter.resolution(target).state in ("SUPERSEDED", "RETIRED")
    assert fsck(store).findings == ()


@pytest.mark.spec("IDX-10", "GOV-13")
def test_what_one_process_decides_the_other_sees_at_once(charter: Charter, workers: list[Worker]) -> None:
    first, second = workers
    for _ in range(ROUNDS):
        target = resolve(charter, "works")
        assert [worker.call("resolution", target) for worker in workers] == [["done", "ACTIVE"]] * 2
        session_id = ready(charter, supersedes=[target])
        assert first.call("accept", session_id)[0] == "done"
        assert second.call("resolution", target) == ["done", "SUPERSEDED"]
        assert charter.resolution(target).state == "SUPERSEDED"
        other = propose(charter, "works")
        assert second.call("block", other, reason="wait")[0] == "done"
        assert first.call("session", other) == ["done", "BLOCKED"]
