"""A database URL as it may be shown: without its password, and a SQLite file with its whole path."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote

# As SQLAlchemy reads it, except that the last @ ends the password: too much is hidden rather than too little.
_USER_AND_PASSWORD: Final = re.compile(r"(://[^:/@]*):(.*)@", re.DOTALL)
_SECRET_PARAMETER: Final = re.compile(r"([?&][^=&]*password=)([^&]*)", re.IGNORECASE)
_SQLITE_FILE: Final = re.compile(r"sqlite(?:\+pysqlite)?:///(?P<path>[^?]+)(?:\?.*)?")


def shown_url(url: str) -> str:
    """The URL with ``***`` for each password."""
    return _SECRET_PARAMETER.sub(r"\1***", _USER_AND_PASSWORD.sub(r"\1:***@", url))


def without_passwords(text: str, url: str) -> str:
    """A text in which no password of the URL is left, neither as it stands there nor decoded.

    A driver that takes the first @ for the end of the password speaks of the rest as a host, so the parts go as well.
    """
    for pattern in (_USER_AND_PASSWORD, _SECRET_PARAMETER):
        for _, password in pattern.findall(url):
            for spelling in (password, unquote(password), *password.split("@")):
                text = text.replace(spelling, "***") if spelling else text
    return text


def location(url: str) -> str:
    """Where a store is, for people: the file of SQLite, else the URL without its password."""
    file = _SQLITE_FILE.fullmatch(url)
    return str(Path(file["path"]).absolute()) if file and file["path"] != ":memory:" else shown_url(url)


def is_private(url: str) -> bool:
    """Whether the store is gone when it is closed."""
    return url.startswith("memory:") or url in ("sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite+pysqlite://")
