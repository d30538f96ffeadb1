"""Findings as they are made: the first of them are kept, all of them are counted.

Imports ``model`` only. Source: RELIABILITY P30.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from charter_persist.model.finding import KINDS, Finding

FINDINGS_MAX: Final = 1_000


class Findings:
    """What was found so far.

    Attributes:
        kept: the first `FINDINGS_MAX`, in the order they were found.
        counts: of all of them, by code.
    """

    def __init__(self) -> None:
        self.kept: list[Finding] = []
        self.counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return self.counts.total()

    def add(self, code: str, subject: str, message: str) -> None:
        """Take in one finding.

        Args:
            code: one of `KINDS`.
            subject: table and key.
            message: one sentence.
        """
        self.take(Finding(code, subject, message))

    def take(self, finding: Finding) -> None:
        """Take in a finding that somebody else made."""
        if finding.code not in KINDS:
            raise KeyError(finding.code)
        self.counts[finding.code] += 1
        if len(self.kept) < FINDINGS_MAX:
            self.kept.append(finding)
