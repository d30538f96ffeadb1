"""Recompute every digest, every commitment and the Merkle tree from what is stored, and say what that shows.

One pass over the journal joined with the logs it commits to, in constant memory but for the refs and sessions; the
projections are compared at the end. Reads one snapshot and writes nothing.

Source: RELIABILITY P23, P24, P27; the level is computed from what was really checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from charter_persist.errors import CorruptStoreError
from charter_persist.integrity.collected import Findings
from charter_persist.integrity.execution_rows import check_conversations, check_executions
from charter_persist.integrity.journal_pass import JournalPass, Progress, Watcher
from charter_persist.integrity.projections import check_intents, check_keys, check_refs, check_sessions
from charter_persist.integrity.reading import damaged
from charter_persist.journal.checkpoint import Checkpoint
from charter_persist.model.finding import Finding
from charter_persist.unit_of_work import ReadView, Views


class Level(StrEnum):
    """How much a verification showed.

    Attributes:
        NONE: nothing: the store is empty, or something in it is wrong.
        CHAIN: the store agrees with itself; a full rewrite, or the loss of its newest entries, would not show.
        CHECKPOINT: the store also continues an earlier checkpoint that was kept elsewhere.
    """

    NONE = "none"
    CHAIN = "chain"
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a verification showed.

    Attributes:
        level: computed from what was really checked.
        size: number of journal entries.
        revision: of the newest unit of work.
        root: Merkle root over all entries, recomputed; 32 bytes.
        objects: number of objects whose digest was recomputed.
        findings: at most `collected.FINDINGS_MAX`; empty where all is well.
    """

    level: Level
    size: int
    revision: int
    root: bytes
    objects: int
    findings: tuple[Finding, ...]


def verify(
    units: Views,
    *,
    store_id: str,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
) -> VerifyReport:
    """Verify a whole store in one snapshot; what it reports as sound was read and recomputed.

    Args:
        units: the store.
        store_id: its identity, which a checkpoint must name.
        checkpoint: an earlier checkpoint, kept elsewhere.
        progress: called now and then with the entries done and the entries in all.

    Returns:
        The report. Damage is a finding, never an exception.

    Raises:
        BackendError: the database could not be read.

    Spec: P24, P27
    """
    findings = Findings()
    with units.read() as view:
        passed = verify_view(view, findings, store_id=store_id, checkpoint=checkpoint, progress=progress)
    level = level_of(passed, findings, checkpoint)
    return VerifyReport(
        level, passed.tree.size, passed.revision, passed.tree.root(), passed.objects, tuple(findings.kept)
    )


def verify_view(
    view: ReadView,
    findings: Findings,
    *,
    store_id: str,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
    watcher: Watcher | None = None,
) -> JournalPass:
    """Verify what one view sees; the arguments are those of `verify`.

    Args:
        view: the snapshot.
        findings: takes what is wrong.
        store_id: see `verify`.
        checkpoint: see `verify`.
        progress: see `verify`.
        watcher: is told of each value.

    Returns:
        The pass, with what it learnt.
    """
    passed = JournalPass(damaged(view), findings, store_id=store_id, checkpoint=checkpoint, watcher=watcher)
    passed.run(_total(view), progress or (lambda _done, _total: None))
    check_refs(view.reader, passed.refs, findings)
    check_sessions(view.reader, passed.sessions, findings)
    check_keys(view.reader, findings)
    check_executions(view.reader, findings)
    check_conversations(view.reader, findings)
    check_intents(view.reader, findings)
    return passed


def _total(view: ReadView) -> int:
    """How many entries there are to read, for the progress; 0 where the last one cannot be read."""
    try:
        return view.journal.size()
    except CorruptStoreError:
        return 0


def level_of(passed: JournalPass, findings: Findings, checkpoint: Checkpoint | None) -> Level:
    """How much a pass showed, given everything that was found."""
    if not passed.tree.size or findings:
        return Level.NONE
    return Level.CHAIN if checkpoint is None else Level.CHECKPOINT
