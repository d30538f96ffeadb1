"""Where a bundle comes from: lines with a limit, read twice, with a digest of all that was read.

A file is read where it is. What cannot be read twice is copied to a private temporary file (0600, without a name) while
it is read for the first time; what is refused on the way is never read to its end. Between the two passes a file could
be changed, so whoever reads it twice compares the digests.

Cost: one hash over each byte and pass. Imports ``files`` and ``errors``. Source: RELIABILITY P40, 4.8.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO

from charter_persist.errors import InvalidInputError, LimitExceededError
from charter_persist.files import file_faults


class Source:
    """An open bundle; a context manager.

    Args:
        origin: path of a file, or a binary stream, which is read from where it stands to its end.
        line_bytes_max: the longest line that is read, in bytes.

    Attributes:
        line_number: of the line that was read last, from 1.
    """

    def __init__(self, origin: Path | str | IO[bytes], *, line_bytes_max: int) -> None:
        self._origin = origin
        self._line_bytes_max = line_bytes_max
        self._owned = ExitStack()
        self._name = Path(origin) if isinstance(origin, Path | str) else Path("the bundle")
        self._hashed = sha256()
        self.line_number = 0

    def __enter__(self) -> Source:
        """Open it.

        Raises:
            UnavailableError: the file cannot be opened.
        """
        with file_faults(self._name):
            if isinstance(self._origin, Path | str):
                self._stream: IO[bytes] = self._owned.enter_context(Path(self._origin).open("rb"))
            else:
                self._stream = self._origin
            self._start = self._stream.tell() if self._stream.seekable() else None
            self._copy: IO[bytes] | None = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._owned.close()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what the newest pass has read, 64 hexadecimal characters."""
        return self._hashed.hexdigest()

    def lines(self) -> Iterator[bytes]:
        """Yield each line with its line feed; a second call reads all of them again.

        Raises:
            LimitExceededError: a line is too long.
            InvalidInputError: the last line is cut off.
            UnavailableError: the file cannot be read.
            StorageFullError: there is no space for the copy of a stream.
        """
        self.line_number = 0
        self._hashed = sha256()
        with file_faults(self._name):
            stream, copy = self._rewound()
            while line := stream.readline(self._line_bytes_max + 1):
                self.line_number += 1
                self._hashed.update(line)
                self._check(line)
                if copy is not None:
                    copy.write(line)
                yield line

    def _rewound(self) -> tuple[IO[bytes], IO[bytes] | None]:
        """What is read now, and where a copy of it goes."""
        if self._start is not None:
            self._stream.seek(self._start)
            return self._stream, None
        if self._copy is not None:
            self._copy.seek(0)
            return self._copy, None
        self._copy = self._owned.enter_context(tempfile.TemporaryFile(prefix="charter-"))  # noqa: SIM115  # the stack closes it
        return self._stream, self._copy

    def _check(self, line: bytes) -> None:
        if len(line) > self._line_bytes_max:
            raise LimitExceededError(limit="line_bytes_max", maximum=self._line_bytes_max, actual=len(line))
        if not line.endswith(b"\n"):
            raise InvalidInputError("the bundle is cut off: its last line has no end")
