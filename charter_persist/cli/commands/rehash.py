"""``charter rehash``: another hash version for what is stored. Source: HASH-6."""

from __future__ import annotations

from dataclasses import asdict

import click

from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.output import Line, Pairs, answer
from charter_persist.model.digest import HASH_VERSION, HASH_VERSIONS
from charter_persist.transfer.rehash import rehash as migrate

_VERSIONS = [name for name in HASH_VERSIONS if name != HASH_VERSION]


@click.command()
@click.option("--to", "to_version", type=click.Choice(_VERSIONS), required=True, help="The hash version to migrate to.")
@click.option("--actor", help="Who does it; recorded in the audit.")
@common_options
@pass_invocation
def rehash(invocation: Invocation, to_version: str, actor: str | None) -> None:
    """Give every object a digest of another hash version as well, and point every ref to it.

    The first digests stay, and go on to name what they named. New objects still get a digest of the first version; run
    it again to take in what came since.
    """
    with invocation.open(read_only=False) as store:
        report = migrate(store, to_version, actor=actor)
    done = report.objects or report.refs
    said = [] if done else [Line(f"everything has a digest of version {to_version} already")]
    answer(invocation, asdict(report), *said, Pairs(asdict(report)))
