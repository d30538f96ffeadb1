"""``charter rebuild``: the indexes, built anew from the objects alone."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import click

from charter_persist.cli.commands.checkpoints import findings_to_json
from charter_persist.cli.desk import as_of_option
from charter_persist.cli.failure import ExitCode
from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.output import Block, Pairs, Table, answer
from charter_persist.index.lookups import Lookups
from charter_persist.index.rebuild import digest_of, ref_findings
from charter_persist.index.rebuild import rebuild as rebuild_index
from charter_persist.model.finding import Finding
from charter_persist.model.resolution import ResolutionState


@click.command()
@as_of_option
@common_options
@pass_invocation
def rebuild(invocation: Invocation, as_of: int | None) -> int:
    """Build the indexes anew from the objects, and say what is in them.

    Nothing is written, for indexes are never stored. Two stores with the same digest answer every question about
    decisions alike. Exit code 1 where the objects contradict themselves.
    """
    with invocation.open() as store, store.read(as_of=as_of) as view:
        started = perf_counter()
        index = rebuild_index(view.reader)
        seconds = round(perf_counter() - started, 3)
        refs = [(ref.name, ref.digest) for ref in view.refs.iter("area/")]
        findings = (*index.findings(), *ref_findings(index, refs))
        facts = {"position": index.position, "digest": digest_of(index), "seconds": seconds}
        counts = count_resolutions(index)
    columns = ("area", "label", *map(str, ResolutionState))
    rows = [[item[name] for name in columns] for item in counts]
    blocks: list[Block] = [
        Pairs({**facts, "findings": len(findings)}),
        Table(columns, rows, "Resolutions by area and state"),
    ]
    if findings:
        blocks.append(_finding_table(findings))
    answer(invocation, {**facts, "areas": counts, "findings": findings_to_json(findings)}, *blocks)
    return ExitCode.REFUSED if findings else ExitCode.FINE


def count_resolutions(lookups: Lookups) -> list[dict[str, Any]]:
    """For each area how many resolutions it has of each state."""
    return [
        {
            "area": area.area_id,
            "label": area.label,
            **{str(state): len(lookups.in_state(area.area_id, state)) for state in ResolutionState},
        }
        for area in lookups.areas()
    ]


def _finding_table(findings: tuple[Finding, ...]) -> Table:
    rows = [(item.code, item.subject, item.message) for item in findings]
    return Table(("code", "subject", "message"), rows, "Findings")
