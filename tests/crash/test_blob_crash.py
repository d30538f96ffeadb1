"""A process that is killed between staging and naming leaves an upload that nobody names, and never a name for nothing."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from charter_persist import connect, upgrade
from charter_persist.integrity.fsck import fsck

WRITER = """
import sys
from itertools import count
from charter_persist import connect
url, blobs, seed = sys.argv[1:]
with connect(url, blobs=blobs, blob_threshold_bytes=50) as store:
    for n in count():
        content = [seed, n, "x" * 100]
        store.stage("doc", content)
        with store.begin() as uow:
            digest = uow.objects.put("doc", content)
        print(digest, flush=True)
"""
ROUNDS = 6


@pytest.mark.spec("CCOS-3", "P2")
def test_what_was_acknowledged_is_there_whenever_writers_are_killed(tmp_path: Path) -> None:
    url, blobs = f"sqlite:///{tmp_path / 'charter.db'}", (tmp_path / "blobs").as_uri()
    upgrade(url)
    chance = random.Random(5)
    told: list[str] = []
    for number in range(ROUNDS):
        arguments = [sys.executable, "-c", WRITER, url, blobs]
        writers = [subprocess.Popen([*arguments, f"{number}/{n}"], stdout=subprocess.PIPE, text=True) for n in range(2)]
        firsts = [writer.stdout.readline().strip() for writer in writers if writer.stdout is not None]
        time.sleep(chance.uniform(0, 0.1))
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            out, _ = writer.communicate()
            told += [line for line in out.split("\n") if len(line) == 64]
        assert all(len(first) == 64 for first in firsts)
        told += firsts
    with connect(url, blobs=blobs, blob_threshold_bytes=50) as store:
        with store.read() as view:
            for digest in told:
                assert view.objects.require(digest).object[2] == "x" * 100
        assert fsck(store).findings == ()
