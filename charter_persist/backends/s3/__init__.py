"""Archives in an S3 bucket. Imports ``backends.contract``, ``model`` and ``errors``; obstore when one is opened."""

from __future__ import annotations

from charter_persist.backends.s3.address import S3Address, parse_address
from charter_persist.backends.s3.archive import S3Archive

__all__ = ["S3Address", "S3Archive", "parse_address"]
