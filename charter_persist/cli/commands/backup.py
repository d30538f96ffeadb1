"""``charter backup`` and ``charter restore``: a store in a folder of files, and the way back.

Source: GOV-12, RELIABILITY P37, P38.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from charter_persist.cli.failure import ExitCode
from charter_persist.cli.group import OrderedGroup
from charter_persist.cli.invocation import Invocation, StoreNotOpened, common_options, pass_invocation
from charter_persist.cli.location import location, shown_url
from charter_persist.cli.output import Line, Pairs, Table, answer
from charter_persist.cli.progress import progress
from charter_persist.errors import CharterError
from charter_persist.files import file_faults
from charter_persist.integrity.fsck import fsck
from charter_persist.journal.checkpoint import Checkpoint
from charter_persist.store import Store, connect, restore_target
from charter_persist.transfer.backup import backup as back_up
from charter_persist.transfer.drill import drill as rehearse
from charter_persist.transfer.manifest import Manifest, read_chain
from charter_persist.transfer.restore import RestoreTarget, verify_backup
from charter_persist.transfer.restore import restore as bring_back

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group(cls=OrderedGroup)
@common_options
def backup() -> None:
    """Copies of a store in a folder, with their proof."""


@backup.command()
@click.argument("folder", type=_FOLDER)
@click.option("--incremental", is_flag=True, help="Continue the backup in FOLDER; where there is none, begin one.")
@common_options
@pass_invocation
def create(invocation: Invocation, folder: Path, incremental: bool) -> None:
    """Back the store up into FOLDER, while programs go on writing.

    The backup shows exactly one revision. Without --incremental FOLDER must be empty; with it only what was recorded
    since is added.
    """
    with invocation.open() as store, progress("backing up") as advance:
        made = back_up(store, folder, store_id=store.store_id, incremental=incremental, progress=advance)
    document = {"folder": str(folder), "new": made.is_new, "segment": segment_to_json(made.manifest)}
    said = [] if made.is_new else [Line("nothing was recorded since the newest segment; none was added")]
    answer(invocation, document, *said, Pairs({"folder": folder, **_facts(made.manifest)}))


@backup.command("list")
@click.argument("folder", type=_FOLDER)
@common_options
@pass_invocation
def list_segments(invocation: Invocation, folder: Path) -> None:
    """List the segments of the backup in FOLDER.

    Any revision up to the newest one can be restored. Only the manifests are checked.
    """
    chain = read_chain(folder)
    rows = [_facts(manifest) for manifest in chain]
    document = {"store_id": chain[0].store_id, "segments": [segment_to_json(manifest) for manifest in chain]}
    answer(invocation, document, Table(tuple(rows[0]), [tuple(row.values()) for row in rows]))


@backup.command("verify")
@click.argument("folder", type=_FOLDER)
@common_options
@pass_invocation
def verify_folder(invocation: Invocation, folder: Path) -> None:
    """Read every byte of the backup in FOLDER and recompute everything.

    It is filled into a scratch store, which needs room in the folder for temporary files.
    """
    with _scratch() as (target, _url), progress("verifying") as advance:
        verified = verify_backup(folder, target, progress=advance)
    facts = verified.to_json()
    answer(invocation, {"folder": str(folder), **facts}, Line(f"the backup in {folder} is sound"), Pairs(facts))


@backup.command("drill")
@click.argument("folder", type=_FOLDER)
@common_options
@pass_invocation
def drill_folder(invocation: Invocation, folder: Path) -> int:
    """Restore the backup in FOLDER to a scratch place and check the store that is there, as fsck does.

    Says how long it took, so that nobody has to guess on a bad day. Exit code 1 on findings.
    """
    with _scratch() as (target, url), progress("restoring") as advance:
        done = rehearse(folder, target, lambda: connect(url, read_only=True), _count_findings, progress=advance)
    facts = {**done.restored.to_json(), "findings": done.findings}
    times = {"restore_s": round(done.restore_s, 3), "check_s": round(done.check_s, 3)}
    answer(invocation, {"folder": str(folder), **facts, **times}, Pairs({"folder": folder, **facts, **times}))
    return ExitCode.REFUSED if done.findings else ExitCode.FINE


@click.command()
@click.argument("folder", type=_FOLDER)
@click.option("--revision", metavar="N", type=click.IntRange(min=0), help="Go back to this revision.")
@click.option("--replace", is_flag=True, help="Replace what is there; it is kept under another name.")
@common_options
@pass_invocation
def restore(invocation: Invocation, folder: Path, revision: int | None, replace: bool) -> None:
    """Restore the backup in FOLDER to the place that --url names.

    The store is made beside it, verified, and then put in place at once. Stop the programs that use the store first.
    A file FILE.restored.json beside a SQLite store says what was restored.
    """
    url = invocation.target()
    try:
        target = restore_target(url, replace=replace)
    except CharterError as exc:
        raise StoreNotOpened(exc) from exc
    with progress("restoring") as advance:
        done = bring_back(folder, target, revision=revision, progress=advance)
    document = {"url": shown_url(url), "location": location(url), **done.to_json()}
    answer(invocation, document, Pairs({"store": document["location"], **done.to_json()}))


def segment_to_json(manifest: Manifest) -> dict[str, Any]:
    """All facts of a segment."""
    return {**_facts(manifest), "made_by": manifest.made_by, "store_id": manifest.store_id, "counts": manifest.counts}


def _facts(manifest: Manifest) -> dict[str, Any]:
    return {
        "segment": manifest.number,
        "made_at": manifest.made_at,
        "revision": manifest.upto.revision,
        "entries": manifest.upto.size,
        "root": manifest.upto.root.hex(),
        "bytes": manifest.data_bytes,
    }


@contextmanager
def _scratch() -> Iterator[tuple[RestoreTarget, str]]:
    """A place for a store that is gone afterwards, and its URL."""
    with file_faults(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory(prefix="charter-scratch-") as folder:
        url = f"sqlite:///{folder}/charter.db"
        yield restore_target(url), url


def _count_findings(store: Store, kept: Checkpoint) -> int:
    return sum(fsck(store, checkpoint=kept).counts.values())
