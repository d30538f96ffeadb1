"""``python -m charter_persist.testing URL``: does a store of that kind do what it must?

Exit codes: 0 it does, 1 it does not, 2 the URL is wrong, 3 the backend cannot be reached.
"""

from __future__ import annotations

import json

import click

from charter_persist.errors import BackendError, CharterError
from charter_persist.testing.places import places_for
from charter_persist.testing.report import run_suite


@click.command()
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("-k", "select", default="", metavar="EXPRESSION", help="Run only the tests that fit, as with pytest -k.")
def main(url: str, as_json: bool, select: str) -> None:
    """Run the conformance suite on stores of the kind that URL names.

    What stands at URL itself is not touched: SQLite files are made in a new folder beside it, and on Postgres a new
    schema is made in that database and dropped at the end.
    """
    try:
        places_for(url).close()
    except CharterError as exc:
        click.echo(f"error: {exc.message}", err=True)
        raise SystemExit(3 if isinstance(exc, BackendError) else 2) from exc
    report = run_suite(url, select=select)
    if as_json:
        click.echo(json.dumps(report.to_json()))
    else:
        click.echo(report.to_text() if report.parts else report.output)
    raise SystemExit(0 if report.conforms else 1)


if __name__ == "__main__":
    main(prog_name="python -m charter_persist.testing")
