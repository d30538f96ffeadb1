"""``charter backends``: every backend, what it needs, and what it offers."""

from __future__ import annotations

from dataclasses import asdict

import click

from charter_persist.catalog import BACKENDS
from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.output import Table, answer


@click.command()
@common_options
@pass_invocation
def backends(invocation: Invocation) -> None:
    """List the backends: what each needs, and the stores that it offers.

    Nothing is opened. A backend whose extra is not installed says which one that is.
    """
    document = [
        {
            "name": entry.name,
            "url": entry.url,
            "requires_network": entry.requires_network,
            "supports_air_gapped": entry.supports_air_gapped,
            "installed": entry.installed,
            "extra": entry.extra,
            "capabilities": asdict(entry.capabilities),
            "stores": sorted(entry.stores),
        }
        for entry in BACKENDS
    ]
    rows = [
        (
            entry.name,
            entry.url,
            "yes" if entry.requires_network else "no",
            "yes" if entry.installed else f"pip install charter-persist[{entry.extra}]",
            " ".join(sorted(entry.stores)),
        )
        for entry in BACKENDS
    ]
    answer(invocation, {"backends": document}, Table(("name", "url", "network", "installed", "stores"), rows))
