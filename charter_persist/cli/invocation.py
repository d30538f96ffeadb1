"""What one call of `charter` was told: which store, and in which form to answer.

``--url``, ``--blobs`` and ``--json`` may stand before or behind the name of a command; the innermost wins.

Source: DESIGN 3 (command line).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click

from charter_persist.errors import CharterError
from charter_persist.store import Store, connect, upgrade

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_URL: Final = "sqlite:///charter.db"
URL_VARIABLE: Final = "CHARTER_URL"
BLOBS_VARIABLE: Final = "CHARTER_BLOBS"


class StoreNotOpened(Exception):  # noqa: N818  # it is how a command ends, and never leaves the command line
    """The store of the URL cannot be used at all, so the exit code is that of an unavailable backend.

    Attributes:
        error: why.
    """

    def __init__(self, error: CharterError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(slots=True)
class Invocation:
    """The options that every command has.

    Attributes:
        url: as it was given; None where it was not.
        blobs: where large contents lie beside the store, as it was given.
        as_json: answer with one JSON document.
    """

    url: str | None = None
    blobs: str | None = None
    as_json: bool = False

    def target(self, default: str = DEFAULT_URL) -> str:
        """The URL of the store: the option, else ``CHARTER_URL``, else the default."""
        return self.url if self.url is not None else os.environ.get(URL_VARIABLE) or default

    def open(self, *, read_only: bool = True) -> Store:
        """Open the store; it is never migrated by this.

        Raises:
            StoreNotOpened: whatever the reason.
        """
        try:
            blobs = self.blobs if self.blobs is not None else os.environ.get(BLOBS_VARIABLE)
            return connect(self.target(), read_only=read_only, blobs=blobs or None)
        except CharterError as exc:
            raise StoreNotOpened(exc) from exc


def upgrade_store(url: str) -> None:
    """Bring the schema of a database to head.

    Raises:
        StoreNotOpened: whatever the reason.
    """
    try:
        upgrade(url)
    except CharterError as exc:
        raise StoreNotOpened(exc) from exc


def common_options(command: F) -> F:
    """Give a command the options ``--url``, ``--blobs`` and ``--json``."""
    url = click.option(
        "--url",
        metavar="URL",
        expose_value=False,
        callback=_remember,
        help=f"The store. [env: {URL_VARIABLE}; default: {DEFAULT_URL}]",
    )
    blobs = click.option(
        "--blobs",
        metavar="URL",
        expose_value=False,
        callback=_remember,
        help=f"Where large contents lie beside the store. [env: {BLOBS_VARIABLE}]",
    )
    as_json = click.option(
        "--json", is_flag=True, expose_value=False, callback=_remember_json, help="Answer with one JSON document."
    )
    return url(blobs(as_json(command)))


def _remember(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Keep an option under its own name."""
    if value is not None:
        setattr(context.ensure_object(Invocation), str(parameter.name), value)


def _remember_json(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Invocation).as_json = True


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)
