"""A drill: the whole way back, walked to a scratch place while nobody needs it, with a watch in hand.

Cost: that of a restore, and of the check that the caller gives. Source: RELIABILITY P37.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from charter_persist.errors import IntegrityError
from charter_persist.journal.checkpoint import Checkpoint
from charter_persist.transfer.manifest import Manifest, read_chain
from charter_persist.transfer.restore import Progress, Restored, RestoreTarget, restore
from charter_persist.unit_of_work import Views

S = TypeVar("S", bound=Views)


@dataclass(frozen=True, slots=True)
class Drill:
    """What a drill showed.

    Attributes:
        newest: manifest of the newest segment.
        restored: what was restored.
        findings: of the check, 0 where all is well.
        restore_s: how long the restore took, in seconds; what a disaster would take at least.
        check_s: how long the check took, in seconds.
    """

    newest: Manifest
    restored: Restored
    findings: int
    restore_s: float
    check_s: float


def drill(
    folder: Path,
    target: RestoreTarget,
    opened: Callable[[], AbstractContextManager[S]],
    check: Callable[[S, Checkpoint], int],
    *,
    progress: Progress = lambda _done, _total: None,
) -> Drill:
    """Restore a backup to a scratch place, open the store that is there, check it and compare its root.

    Args:
        folder: of the backup.
        target: the scratch place; what is restored there stays for the caller to remove.
        opened: opens the store at that place.
        check: looks at the whole store and at whether it continues a checkpoint; gives the number of findings.
        progress: as for `restore`.

    Raises:
        IntegrityError: the backup is damaged, or the store has another root than its manifest.
        CharterError: as for `restore`.

    Spec: P37, P38
    """
    newest = read_chain(folder)[-1]
    began = time.monotonic()
    restored = restore(folder, target, progress=progress)
    restore_s = time.monotonic() - began
    began = time.monotonic()
    with opened() as store:
        with store.read() as view:
            if (view.journal.size(), view.journal.root()) != (newest.upto.size, newest.upto.root):
                raise IntegrityError("the restored store has another root than the manifest; use another backup")
        findings = check(store, Checkpoint(newest.store_id, newest.upto.size, newest.upto.root))
    return Drill(newest, restored, findings, restore_s, time.monotonic() - began)
