"""Archives as files that can be read by eye. Imports ``backends.contract``, ``model``, ``files`` and ``errors``."""

from __future__ import annotations

from charter_persist.backends.files.archive import FileArchive

__all__ = ["FileArchive"]
