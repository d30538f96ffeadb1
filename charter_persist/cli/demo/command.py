"""``charter demo``: the main job on real input, from the first unit of work to the verified root."""

from __future__ import annotations

from typing import Final

import click

from charter_persist.cli.commands.checkpoints import findings_to_json, report_blocks, report_to_json
from charter_persist.cli.demo.job import demonstrate
from charter_persist.cli.demo.peps import read_record
from charter_persist.cli.failure import ExitCode
from charter_persist.cli.invocation import Invocation, common_options, pass_invocation, upgrade_store
from charter_persist.cli.location import location, shown_url
from charter_persist.cli.output import Line, answer

DEMO_URL: Final = "sqlite:///charter-demo.db"


@click.command()
@common_options
@pass_invocation
def demo(invocation: Invocation) -> int:
    """Record 736 real proposals, decide those that were accepted, reopen the store and verify it.

    They are the Python Enhancement Proposals with their whole history; what was accepted is decided once more, each in a
    session under the authority of its day. At the end it is summed up. Without --url and CHARTER_URL it goes into the
    file charter-demo.db of this folder. The store must be empty; where it holds all of it already, it is only verified.
    Time, identifiers and nonces come from the record, so SQLite and Postgres end with the same root.
    """
    url = invocation.target(DEMO_URL)
    upgrade_store(url)
    done = demonstrate(url, read_record())
    document = {
        "url": shown_url(url),
        "location": location(url),
        "already_recorded": done.recorded.repeated,
        "verified": {**report_to_json(done.report), "findings": findings_to_json(done.report.findings)},
        **done.summary.to_json(),
    }
    proposals = sum(row.total() for row in done.summary.states.values())
    what = "were recorded already in" if done.recorded.repeated else "are recorded in"
    answer(
        invocation,
        document,
        Line(f"{proposals} proposals {what} {location(url)}"),
        *done.summary.blocks(),
        *report_blocks(done.report, None, done.report.findings),
    )
    return ExitCode.REFUSED if done.report.findings else ExitCode.FINE
