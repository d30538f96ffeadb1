"""``charter export``: the content of a store, or of some areas, as a bundle. Source: GOV-12, RELIABILITY P38, P39."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.output import Pairs, answer
from charter_persist.cli.progress import progress
from charter_persist.transfer.export import export_bundle, export_file


@click.command()
@click.argument("target", metavar="FILE|-", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--area", "areas", metavar="ID", multiple=True, help="Only what belongs to this area; may be repeated.")
@click.option("--as-of", type=click.IntRange(min=0), metavar="REV", help="As it was right after this revision.")
@common_options
@pass_invocation
def export(invocation: Invocation, target: Path, areas: tuple[str, ...], as_of: int | None) -> None:
    """Write decisions, refs and audit as a bundle to FILE, or to standard output.

    The same content gives the same bytes from every backend. A FILE of that name is replaced at once, when all is
    written. Open sessions, metadata and keys are not part of it.
    """
    to_stdout = str(target) == "-"
    if to_stdout and invocation.as_json:
        raise click.UsageError("--json needs a FILE, because the bundle itself goes to standard output")
    with (
        invocation.open() as store,
        store.read(as_of=as_of) as view,
        progress("exporting") as advance,
    ):
        wanted = areas or None
        if to_stdout:
            export_bundle(view, sys.stdout.buffer.write, areas=wanted, progress=advance)
            return
        header = export_file(view, target, areas=wanted, progress=advance)
    facts = {"file": str(target), "content_digest": header.content_digest, **header.counts}
    answer(invocation, {**facts, "areas": header.areas}, Pairs(facts))
