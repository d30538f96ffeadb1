"""How `charter` ends: exit codes, and an error as a person or a program reads it.

The error always goes to standard error, so standard output holds results and nothing else.

Source: DESIGN 3 (command line), docs/reference/cli.md.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import IntEnum
from typing import Any, Final

import click

from charter_persist.cli.location import without_passwords
from charter_persist.cli.output import printable
from charter_persist.errors import BackendError, CharterError, SchemaError
from charter_persist.model.finding import Finding


class ExitCode(IntEnum):
    """What the shell is told."""

    FINE = 0
    REFUSED = 1
    USAGE = 2
    UNAVAILABLE = 3
    INTERRUPTED = 130


# Facts that say which thing or limit it is about; whatever may be a payload is not among them.
_SHOWN_FACTS: Final = (
    "actual",
    "area_id",
    "candidate_id",
    "candidates",
    "digest",
    "event_id",
    "expected",
    "field",
    "findings",
    "index",
    "key",
    "label",
    "limit",
    "line",
    "maximum",
    "name",
    "oldest",
    "operation_id",
    "position",
    "prefix",
    "rule",
    "session_id",
    "size",
)


def exit_code(error: CharterError) -> ExitCode:
    """Tell a backend that cannot be used from an operation that was refused."""
    return ExitCode.UNAVAILABLE if isinstance(error, BackendError | SchemaError) else ExitCode.REFUSED


def report_error(error: CharterError, *, url: str, as_json: bool) -> None:
    """Print an error: what happened and what to do."""
    facts = {name: _plain(error.__dict__[name]) for name in _SHOWN_FACTS if name in error.__dict__}
    told = {"retryable": error.retryable, "applied": error.applied, "facts": facts}
    _report(error.code, error.message, told, url=url, as_json=as_json)


def report_usage(error: click.ClickException, *, url: str, as_json: bool) -> None:
    """Print an error of the command line itself, or of a file that was named on it."""
    if not as_json:
        error.show()
        return
    code = "usage" if isinstance(error, click.UsageError) else "file"
    told = {"retryable": False, "applied": "no", "facts": {}}
    _report(code, error.format_message(), told, url=url, as_json=True)


def _report(code: str, message: str, told: dict[str, Any], *, url: str, as_json: bool) -> None:
    message = without_passwords(message, url).strip()
    if as_json:
        text = json.dumps({"error": {"code": code, "message": message, **told}})
        click.echo(without_passwords(text, url), err=True)
    else:
        named = ", ".join([code, *([told["facts"]["rule"]] if "rule" in told["facts"] else [])])
        click.echo(f"charter: {printable(message)} [{named}]", err=True)


def _plain(value: Any) -> Any:
    """A fact as JSON."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Finding):
        return asdict(value)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else str(value)
