"""Another process that holds the writer lock: ``python -m tests.async_holder URL SECONDS``; it says when it has it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from charter_persist import connect

ROOT = Path(__file__).parents[1]


def hold(url: str, seconds: float) -> subprocess.Popen[str]:
    """Start one; it has the lock when this returns."""
    command = [sys.executable, "-m", "tests.async_holder", url, str(seconds)]
    holder = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


if __name__ == "__main__":
    with connect(sys.argv[1]) as store, store.begin() as uow:
        uow.kv.set("/holder", b"1")
        print("held", flush=True)
        time.sleep(float(sys.argv[2]))
