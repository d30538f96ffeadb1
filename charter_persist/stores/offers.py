"""What the kinds of store offer, by the names that views and units have for it, and what can be done besides.

Source: DESIGN 1 (two kinds of backend) and 3.
"""

from __future__ import annotations

from typing import Final

KEY_STORES: Final = frozenset({"kv", "watch", "as_of", "lease"})
ARCHIVE_STORES: Final = frozenset({"archive"})
LEDGER_STORES: Final = frozenset(
    {
        *("objects", "refs", "audit", "metadata", "sessions", "journal", "kv", "watch", "as_of", "lease"),
        *("archive", "intents", "events", "states", "messages", "vectors"),
    }
)
