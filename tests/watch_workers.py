"""Writers for tests of watching, each a process of its own; what it does it tells line by line.

``python -m tests.watch_workers URL COUNT PAUSE_S``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from charter_persist import Store, connect

ROOT = Path(__file__).parents[1]


def start(url: str, count: int, pause_s: float) -> subprocess.Popen[str]:
    """Start one; it tells "ready" and waits for a line of input before it begins."""
    command = [sys.executable, "-m", "tests.watch_workers", url, str(count), str(pause_s)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def begin(process: subprocess.Popen[str]) -> None:
    """Let it begin."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def write(store: Store, count: int, pause_s: float) -> None:
    """Units of two keys and a metadata key that count; tells each number and when its commit was answered."""
    for number in range(count):
        with store.begin() as uow:
            uow.kv.set("/n/a", b"%d" % number)
            uow.kv.set("/n/b", b"%d" % number)
            uow.metadata.set("n", number)
        print(json.dumps([number, time.monotonic()]), flush=True)
        time.sleep(pause_s)


def main() -> None:
    url, count, pause_s = sys.argv[1:]
    with connect(url, unit_timeout_s=60.0) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        write(store, int(count), float(pause_s))


if __name__ == "__main__":
    main()
