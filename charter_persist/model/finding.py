"""One thing that is wrong with a store. Source: RELIABILITY P30, NEIGHBOURS 2.10."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        code: stable name of the kind of damage.
        subject: table and key.
        message: one sentence.
    """

    code: str
    subject: str
    message: str
