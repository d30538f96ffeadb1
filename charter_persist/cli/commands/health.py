"""``charter status`` and ``charter doctor``: what a store holds, and whether it is well."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from charter_persist.cli.failure import ExitCode
from charter_persist.cli.invocation import Invocation, common_options, pass_invocation
from charter_persist.cli.location import location, shown_url
from charter_persist.cli.output import Line, Pairs, answer
from charter_persist.cli.progress import Advance, progress
from charter_persist.unit_of_work import ReadView

PROGRESS_EVERY = 4_096


@click.command()
@common_options
@pass_invocation
def status(invocation: Invocation) -> None:
    """Say what the store is and how much it holds.

    Two stores with the same root hold the same journal.
    """
    url = invocation.target()
    with invocation.open() as store, store.read() as view, progress("counting") as advance:
        facts: dict[str, Any] = {
            "backend": store.name,
            "store_id": store.store_id,
            "schema": store.diagnose().facts.get("schema_revision"),
            "revision": view.revision,
            "entries": view.journal.size(),
            "root": view.journal.root().hex(),
        }
        counts = count_records(view, advance)
    document = {"url": shown_url(url), "location": location(url), **facts, "counts": counts}
    answer(invocation, document, Pairs({"store": document["location"], **facts, **counts}))


def count_records(view: ReadView, advance: Advance) -> dict[str, int]:
    """How many of each kind a view holds; one pass over the journal, in constant memory.

    Args:
        view: of the store.
        advance: told of the progress.

    Returns:
        Objects, refs that exist, audit events, metadata keys with a value, sessions.
    """
    total = view.journal.size()
    changes: Counter[tuple[str, str]] = Counter()
    for entry in view.journal.entries():
        changes[entry.store, entry.operation] += 1
        if entry.position % PROGRESS_EVERY == 0:
            advance(entry.position, total)
    return {
        "objects": changes["object", "put"],
        "refs": sum(1 for _ in view.refs.iter()),
        "audit_events": changes["audit", "append"],
        "metadata_keys": sum(1 for _ in view.metadata.iter()),
        "sessions": changes["session", "create"],
    }


@click.command()
@common_options
@pass_invocation
def doctor(invocation: Invocation) -> int:
    """Look at settings, guards and sizes; reads only.

    Exit code 1 where there is a problem. Whether the records are unaltered is what `charter verify` tells.
    """
    with invocation.open() as store:
        health = store.health_check()
        diagnosis = store.diagnose()
    told = [*([] if health.problem is None else [health.problem]), *diagnosis.problems]
    problems = list(dict.fromkeys(told))
    lines = [Line(f"problem: {problem}") for problem in problems] or [Line("no problems")]
    answer(
        invocation,
        {"ok": not problems, "problems": problems, "facts": dict(diagnosis.facts)},
        Pairs(diagnosis.facts),
        *lines,
    )
    return ExitCode.REFUSED if problems else ExitCode.FINE
