"""Every backend: how it is named, what it needs, and which stores it offers. Documents and the command line show it.

Nothing is opened and no extra is needed to ask. That it is true is a test: what is listed works, and what is not listed
raises `NotSupportedError`.

Source: ENA-1, STO-2, DESIGN 1 (two kinds of backend).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from charter_persist.backends.contract import BackendCapabilities
from charter_persist.stores.offers import ARCHIVE_STORES, KEY_STORES, LEDGER_STORES

_TRANSACTIONAL: Final = BackendCapabilities(
    supports_transactions=True, supports_ordering=True, supports_append_only=True, supports_snapshots=True
)
_OF_ARCHIVES: Final = BackendCapabilities(
    supports_transactions=False, supports_ordering=True, supports_append_only=False, supports_snapshots=False
)


@dataclass(frozen=True, slots=True)
class BackendEntry:
    """One backend.

    Attributes:
        name: as a store on it says.
        url: the form of its URL.
        requires_network: True where it talks to a server.
        capabilities: what it says of itself; hints only.
        stores: what views and units on it have, and what can be done besides: ``watch``, ``as_of``, ``leases``.
        extra: of the package that it needs; None where it needs none.
        module: that the extra installs; None as above.
    """

    name: str
    url: str
    requires_network: bool
    capabilities: BackendCapabilities
    stores: frozenset[str]
    extra: str | None = None
    module: str | None = None

    @property
    def supports_air_gapped(self) -> bool:
        """True where it works without a network."""
        return not self.requires_network

    @property
    def installed(self) -> bool:
        """Whether what it needs is here."""
        return self.module is None or find_spec(self.module) is not None


BACKENDS: Final = (
    BackendEntry("memory", "memory://", False, _TRANSACTIONAL, LEDGER_STORES),
    BackendEntry("sqlite", "sqlite:///file.db", False, _TRANSACTIONAL, LEDGER_STORES),
    BackendEntry("postgresql", "postgresql+psycopg://host/database", True, _TRANSACTIONAL, LEDGER_STORES),
    BackendEntry(
        "etcd",
        "etcd://host:port,host:port/namespace",
        True,
        BackendCapabilities(
            supports_transactions=True, supports_ordering=True, supports_append_only=False, supports_snapshots=True
        ),
        KEY_STORES,
        extra="etcd",
        module="grpc",
    ),
    BackendEntry(
        "files",
        "file:///folder",
        False,
        _OF_ARCHIVES,
        ARCHIVE_STORES,
    ),
    BackendEntry(
        "s3",
        "s3://bucket/prefix",
        True,
        _OF_ARCHIVES,
        ARCHIVE_STORES,
        extra="s3",
        module="obstore",
    ),
)
"""In the order in which they are shown."""
