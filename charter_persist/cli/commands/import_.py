"""``charter import``: a bundle into a store. Source: GOV-12, NEIGHBOURS 2.7."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import IO

import click

from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.output import Block, Line, Pairs, Table, answer
from charter_persist.cli.progress import progress
from charter_persist.transfer.importing import import_bundle
from charter_persist.transfer.report import ImportReport, Mode


@click.command("import")
@click.argument("file", metavar="FILE|-", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--mode", type=click.Choice([str(mode) for mode in Mode]), required=True, help="How it is taken in.")
@click.option("--actor", help="Who does it; recorded in the audit.")
@common_options
@pass_invocation
def import_(invocation: Invocation, file: Path, mode: str, actor: str | None) -> None:
    """Bring the bundle in FILE, or from standard input, into the store.

    With `restore` it comes verbatim, and none of its areas may be here. With `consolidate` areas that are unknown here
    come in force; what comes into a known area waits for review, refs stay as they are, and what diverges is reported.
    The bundle is verified in full first; one that is refused changes nothing but the audit.
    """
    origin: Path | IO[bytes] = sys.stdin.buffer if str(file) == "-" else file
    with invocation.open(read_only=False) as store, progress("importing") as advance:
        report = import_bundle(store, origin, mode=mode, actor=actor, progress=advance)
    answer(invocation, report.to_json(), *_blocks(report))


def _blocks(report: ImportReport) -> list[Block]:
    blocks: list[Block] = [] if report.changed else [Line("everything in the bundle was here already")]
    blocks.append(Pairs({"bundle": report.bundle_digest, **asdict(report.totals)}))
    if report.mode is Mode.CONSOLIDATE:
        columns = ("area", "case", "under review", "import", "sessions paused")
        rows = [
            (area.area_id, area.case, area.under_review, area.import_id, area.sessions_paused) for area in report.areas
        ]
        blocks.append(Table(columns, rows, title="areas"))
    if report.divergences:
        diverging = [(found.area_id, found.ref, found.here, found.there) for found in report.divergences]
        blocks.append(Table(("area", "ref", "here", "in the bundle"), diverging, title="divergences"))
    return blocks
