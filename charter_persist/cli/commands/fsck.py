"""``charter fsck``: everything that can be wrong with a store, for people, for programs and for code hosts.

Source: GOV-11, NEIGHBOURS 2.10.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from charter_persist.cli.commands.checkpoints import read_note
from charter_persist.cli.failure import ExitCode
from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.location import location
from charter_persist.cli.output import Block, Line, Pairs, Table, answer
from charter_persist.cli.progress import progress
from charter_persist.integrity.fsck import FsckReport
from charter_persist.integrity.fsck import fsck as check_store
from charter_persist.integrity.record import record_fsck
from charter_persist.integrity.sarif import sarif_log

STANDARD_OUTPUT = Path("-")


@click.command()
@click.option(
    "--checkpoint",
    "note",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Also show that the store continues this checkpoint.",
)
@click.option(
    "--sarif",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Write the report as SARIF 2.1.0 to this file; - is standard output, in place of all else.",
)
@click.option("--verbose", is_flag=True, help="Also tell notes, and which objects are unattached or broken.")
@click.option("--record", is_flag=True, help="Afterwards append an audit event FSCK_EXECUTED.")
@common_options
@pass_invocation
def fsck(invocation: Invocation, note: Path | None, sarif: Path | None, verbose: bool, record: bool) -> int:
    """Look for everything that can be wrong with the store.

    Every stored value is read and recomputed: objects, references, decisions beside their sessions, the audit trail, the
    journal and its tree, the tables that follow from it, guards, indexes. Nothing is written, nothing repaired, and of a
    sound store nothing is said. Exit code 1 on findings.
    """
    kept = None if note is None else read_note(note)
    with invocation.open(read_only=not record) as store:
        with progress("checking") as advance:
            report = check_store(store, checkpoint=kept, progress=advance)
        if record:
            record_fsck(store, report, store_id=store.store_id)
    if sarif is not None:
        log = sarif_log(report, location=location(invocation.target()), version=version("charter-persist"))
        _write(sarif, json.dumps(log, indent=2))
    if sarif != STANDARD_OUTPUT:
        answer(invocation, report_to_json(report), *report_blocks(report, verbose=verbose))
    return ExitCode.REFUSED if report.counts else ExitCode.FINE


def report_to_json(report: FsckReport) -> dict[str, Any]:
    """Everything that fsck saw."""
    objects = report.objects
    return {
        "level": str(report.level),
        "entries": report.size,
        "revision": report.revision,
        "root": report.root.hex(),
        "objects": {"reachable": objects.reachable, "unattached": objects.unattached, "broken": objects.broken},
        "unattached": list(objects.unattached_objects),
        "broken": list(objects.broken_objects),
        "counts": dict(report.counts),
        "findings": [
            {
                "code": item.code,
                "severity": str(item.kind.severity),
                "layer": str(item.kind.layer),
                "subject": item.subject,
                "message": item.message,
            }
            for item in report.findings
        ],
        "notes": [{"text": item.text, "count": item.count, "ids": list(item.ids)} for item in report.notes],
    }


def report_blocks(report: FsckReport, *, verbose: bool) -> list[Block]:
    """The same for people; of a sound store nothing but with ``verbose``."""
    blocks: list[Block] = []
    if verbose:
        objects = report.objects
        blocks.append(
            Pairs(
                {
                    "level": report.level,
                    "entries": report.size,
                    "reachable objects": objects.reachable,
                    "unattached objects": objects.unattached,
                    "broken objects": objects.broken,
                }
            )
        )
        blocks += [Line(f"unattached: {name}") for name in objects.unattached_objects]
        blocks += [Line(f"broken: {name}") for name in objects.broken_objects]
        blocks += [Line(f"note: {item.text}: {', '.join(item.ids)}") for item in report.notes]
    if report.findings:
        rows = [(item.code, item.kind.severity, item.subject, item.message) for item in report.findings]
        blocks.append(Table(("code", "severity", "subject", "message"), rows, "Findings"))
    more = sum(report.counts.values()) - len(report.findings)
    if more:
        blocks.append(Line(f"{more} findings more are not shown"))
    return blocks


def _write(path: Path, text: str) -> None:
    if path == STANDARD_OUTPUT:
        click.echo(text)
        return
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as exc:
        raise click.FileError(str(path), exc.strerror) from exc
