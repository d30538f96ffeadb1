"""Several processes on the keys of one store: one winner, linearizable keys, serializable transactions, one token."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from charter_persist import connect, upgrade
from charter_persist.integrity.verify import Level, verify
from tests.kv_workers import KEYS, TOKEN_KEYS, _list, start, together, told
from tests.linearizability import UNKNOWN, Operation, is_linearizable, overlapping
from tests.serializability import Transaction, anomalies


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    found = str(request.getfixturevalue("postgres_database")) if request.param == "postgres" else new_file(tmp_path)
    upgrade(found)
    return found


def new_file(folder: Path, name: str = "charter") -> str:
    url = f"sqlite:///{folder / name}.db"
    upgrade(url)
    return url


def raced(url: str, racers: int, contests: int, *, honest: bool = True) -> Counter[int]:
    """How many racers won each version."""
    clients = [start("race", url, seed, contests, honest=honest) for seed in range(racers)]
    together(clients)
    return Counter(version for client in clients for version in told(client))


@pytest.mark.spec("P15", "KV-2")
def test_of_sixteen_racing_processes_exactly_one_wins_each_contest(url: str) -> None:
    contests = 1_000 if url.startswith("sqlite") else 100
    wins = raced(url, 16, contests)
    assert wins == Counter(range(contests))
    with connect(url) as store, store.read() as view:
        assert view.kv.version("/prize") == contests == wins.total()


@pytest.mark.spec("P15")
def test_a_race_without_a_check_has_several_winners(tmp_path: Path) -> None:
    # The control: read-check-write without the lock, which loses updates and reports success.
    assert max(raced(new_file(tmp_path), 8, 60, honest=False).values()) > 1


def histories(clients: list[Any]) -> dict[str, list[Operation]]:
    """What clients told, by key; an operation whose end nobody saw is open."""
    found: defaultdict[str, list[Operation]] = defaultdict(list)
    for client in clients:
        waiting: Operation | None = None
        for line in told(client):
            if line[0] == "call":
                _, called, kind, key, value, expected = line
                waiting = Operation(called, UNKNOWN, kind, key, value, expected)
            elif waiting is not None:
                found[waiting.key].append(waiting._replace(returned=line[1], result=line[2]))
                waiting = None
        if waiting is not None and waiting.kind != "get":
            found[waiting.key].append(waiting)
    return found


@pytest.mark.spec("P12", "KV-2", "KV-3")
def test_each_key_is_linearizable_across_processes(url: str) -> None:
    clients = [start("register", url, seed, 150) for seed in range(4)]
    together(clients)
    found = histories(clients)
    assert sum(map(len, found.values())) == 600
    for key in KEYS:
        assert overlapping(found[key]) >= 0.2
        assert is_linearizable(found[key]), key


@pytest.mark.spec("P12")
def test_each_key_is_linearizable_where_clients_are_killed(url: str) -> None:
    chance = random.Random(3)
    clients = [start("register", url, seed, 10_000) for seed in range(4)]
    together(clients)
    for client in clients:
        time.sleep(chance.uniform(0.05, 0.15))
        client.kill()
    found = histories(clients)
    assert sum(map(len, found.values())) > 40
    for key, history in found.items():
        assert is_linearizable(history), key
    with connect(url) as store:
        assert verify(store, store_id=store.store_id).level is Level.CHAIN


@pytest.mark.spec("P12")
def test_a_planted_race_is_not_linearizable(tmp_path: Path) -> None:
    # The control: a check outside of the write transaction.
    verdicts = []
    for round_ in range(5):
        clients = [start("register", new_file(tmp_path, f"r{round_}"), seed, 150, honest=False) for seed in range(4)]
        together(clients)
        verdicts += [is_linearizable(history) for history in histories(clients).values()]
        if False in verdicts:
            return
    raise AssertionError("the checker did not notice a lost update")


def appended(url: str, *, honest: bool) -> list[str]:
    """The anomalies of a run of appending transactions."""
    clients = [start("append", url, seed, 100, honest=honest) for seed in range(1, 5)]
    together(clients)
    transactions = [Transaction(*line) for client in clients for line in told(client)]
    assert len(transactions) == 400
    with connect(url) as store, store.read() as view:
        final = {key: _list(view.kv.get(key)) for key in KEYS}
    return anomalies(transactions, final)


@pytest.mark.spec("P13", "KV-2")
def test_transactions_are_serializable(url: str) -> None:
    assert appended(url, honest=True) == []


@pytest.mark.spec("P13")
def test_transactions_that_read_outside_are_not_serializable(tmp_path: Path) -> None:
    # The control: the same workload whose reads are of an earlier snapshot.
    assert appended(new_file(tmp_path), honest=False)


@pytest.mark.spec("P13")
def test_the_search_finds_write_skew() -> None:
    skew = [Transaction({"/x": [], "/y": []}, {"/y": 1}), Transaction({"/x": [], "/y": []}, {"/x": 2})]
    assert anomalies(skew, {"/x": [2], "/y": [1]}) == ["cycle of 2"]
    assert anomalies(skew[:1], {"/y": [1], "/x": []}) == []
    assert anomalies([Transaction({}, {"/x": 1})], {"/x": []}) == ["lost /x=1"]


@pytest.mark.spec("P12")
def test_the_checker_knows_a_stale_read_and_an_open_end() -> None:
    write = Operation(0, 1, "set", "/x", "a", result=1)
    stale = Operation(2, 3, "get", "/x", result=[0, None])
    assert is_linearizable([write, stale._replace(called=0.5)])
    assert not is_linearizable([write, stale])
    assert is_linearizable([write._replace(returned=UNKNOWN), stale])
    second = Operation(4, 5, "cas", "/x", "b", 0, 1)
    assert is_linearizable([second])
    assert not is_linearizable([write, second])
    assert is_linearizable([write._replace(returned=UNKNOWN), second])


@pytest.mark.spec("P14", "KV-2")
def test_a_token_is_in_one_place_whoever_is_killed(url: str) -> None:
    with connect(url) as store:
        with store.begin() as uow:
            uow.kv.set(TOKEN_KEYS[0], b"token")
        for seed in range(6):
            movers = [start("token", url, 2 * seed + n, 100_000) for n in range(2)]
            together(movers)
            for mover in movers:
                assert mover.stdout is not None
                assert mover.stdout.readline()  # it moved the token at least once
            for _ in range(40):
                cursor, found = None, 0
                while True:
                    with store.read() as view:
                        page = view.kv.list("/token/", limit=7, cursor=cursor)
                    found += len(page.items)
                    cursor = page.cursor
                    if cursor is None:
                        break
                assert found == 1
            for mover in movers:
                mover.kill()
                told(mover)
            with store.read() as view:
                assert len(list(view.kv.iter("/token/"))) == 1
        assert verify(store, store_id=store.store_id).findings == ()
