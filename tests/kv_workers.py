"""Clients of the store of keys, each a process of its own: what it does it tells line by line, before and after.

``python -m tests.kv_workers KIND URL SEED COUNT HONEST``; with ``HONEST`` 0 it checks outside of its unit, as a store
without a writer lock would: the tests must notice that.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from charter_persist import Store, connect
from charter_persist.errors import NotFoundError, VersionConflictError
from charter_persist.model.entry import CheckVersion, Delete, Set

ROOT = Path(__file__).parents[1]
KEYS = ("/x", "/y", "/z")
TOKEN_KEYS = tuple(f"/token/{n:03}" for n in range(50))


def start(kind: str, url: str, seed: int, count: int, *, honest: bool = True) -> subprocess.Popen[str]:
    """Start a client; it waits for a line of input before it begins."""
    command = [sys.executable, "-m", "tests.kv_workers", kind, url, str(seed), str(count), str(int(honest))]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def together(clients: list[subprocess.Popen[str]]) -> None:
    """Let clients begin at the same moment, once each is ready."""
    for client in clients:
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n"
    for client in clients:
        assert client.stdin is not None
        client.stdin.write("go\n")
        client.stdin.flush()


def told(client: subprocess.Popen[str], timeout_s: float = 300) -> list[Any]:
    """All that a client told until its end; a line that a kill cut is no line."""
    out, _ = client.communicate(timeout=timeout_s)
    lines = []
    for line in out.splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


def tell(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def race(store: Store, name: str, count: int, honest: bool) -> None:
    """Win as many versions of one key as possible."""
    while True:
        with store.read() as view:
            version = view.kv.version("/prize")
        if version >= count:
            return
        try:
            with store.begin() as uow:
                if honest:
                    uow.kv.compare_and_set("/prize", name.encode(), expected=version)
                else:
                    uow.kv.set("/prize", name.encode())
        except VersionConflictError:
            continue
        tell(version)


def register(store: Store, name: str, count: int, honest: bool) -> None:
    """Reads, writes, conditional writes and deletions of three keys, each with its times."""
    chance = random.Random(name)
    version = dict.fromkeys(KEYS, 0)
    for number in range(count):
        key, kind = chance.choice(KEYS), chance.choices(["get", "set", "cas", "delete"], [3, 2, 4, 1])[0]
        value, expected = f"{name}-{number}", version[key]
        tell(["call", time.monotonic_ns(), kind, key, value, expected])
        result = _one(store, kind, key, value, expected, honest)
        tell(["return", time.monotonic_ns(), result])
        if kind == "get":
            version[key] = result[0]
        elif type(result) is int:
            version[key] = result


def _one(store: Store, kind: str, key: str, value: str, expected: int, honest: bool) -> Any:
    if kind == "get":
        with store.read() as view:
            entry = view.kv.get(key)
        return [entry.version, entry.value.decode()] if entry else [0, None]
    if kind == "cas" and not honest:
        with store.read() as view:
            if view.kv.version(key) != expected:
                return "conflict"
        time.sleep(0.002)
    try:
        with store.begin() as uow:
            if kind == "delete":
                return uow.kv.delete(key, missing_ok=True)
            if kind == "cas" and honest:
                return uow.kv.compare_and_set(key, value.encode(), expected=expected)
            written = uow.kv.set(key, value.encode())
            return written if honest or kind == "set" else expected + 1
    except VersionConflictError:
        return "conflict"


def append(store: Store, name: str, count: int, honest: bool) -> None:
    """Transactions that read lists and append to lists."""
    chance = random.Random(name)
    for number in range(count):
        read = chance.sample(KEYS, chance.randint(1, 2))
        written = chance.sample(KEYS, chance.randint(0, 2))
        new = int(name) * 1_000_000 + number
        wanted = sorted({*read, *written})
        if not honest:
            with store.read() as view:
                lists = {key: _list(view.kv.get(key)) for key in wanted}
        with store.begin() as uow:
            if honest:
                lists = {key: _list(uow.kv.get(key)) for key in wanted}
            uow.kv.transaction([Set(key, json.dumps([*lists[key], new]).encode()) for key in written])
        tell([{key: lists[key] for key in read}, dict.fromkeys(written, new)])


def _list(entry: Any) -> list[int]:
    return [] if entry is None else json.loads(entry.value)


def token(store: Store, name: str, count: int, honest: bool) -> None:
    """Move the one token from key to key."""
    chance = random.Random(name)
    for _ in range(count):
        target = chance.choice(TOKEN_KEYS)
        with store.begin() as uow:
            here = next(uow.kv.iter("/token/"))
            if here.key == target:
                continue
            checks = [CheckVersion(here.key, here.version), CheckVersion(target, 0)]
            uow.kv.transaction([*checks, Delete(here.key), Set(target, here.value)])
        tell(target)


KINDS = {"race": race, "register": register, "append": append, "token": token}


def main() -> None:
    kind, url, name, count, honest = sys.argv[1:]
    with connect(url, unit_timeout_s=120.0) as store:
        tell_ready()
        KINDS[kind](store, name, int(count), honest == "1")


def tell_ready() -> None:
    print("ready", flush=True)
    if not sys.stdin.readline():
        raise NotFoundError("nobody waits for this client")


if __name__ == "__main__":
    main()
