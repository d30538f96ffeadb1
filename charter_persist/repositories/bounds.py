"""The bounds of a scan, for those who hold rows themselves. Source: `contract.Reader.scan`."""

from __future__ import annotations

from typing import Final, NamedTuple

from charter_persist.backends.contract import Key
from charter_persist.model.text import prefix_end


class Bounds(NamedTuple):
    """The bounds of a scan, as `Reader.scan` takes them."""

    prefix: Key = ()
    after: Key | None = None
    start: Key | None = None
    stop: Key | None = None
    reverse: bool = False

    def admit(self, columns: Key) -> bool:
        """Whether a row with these values lies within. Python compares text as its UTF-8 bytes compare."""
        depth = len(self.prefix)
        rest = columns[depth:]
        return (
            columns[:depth] == self.prefix
            and (self.start is None or rest >= self.start)
            and (self.stop is None or rest < self.stop)
            and (self.after is None or (rest < self.after if self.reverse else rest > self.after))
        )

    def meet(self, prefix: str) -> bool:
        """Whether keys with this prefix may lie within, where the first column is a key."""
        low = next((bound[0] for bound in (self.prefix, self.start) if bound), "")
        end = prefix_end(prefix) if prefix else None
        if self.prefix:
            return str(low).startswith(prefix)
        high = None if self.stop is None else self.stop[0]
        return (end is None or low < end) and (high is None or high >= prefix)


EVERYTHING: Final = Bounds()
