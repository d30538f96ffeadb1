"""The report of fsck as SARIF 2.1.0, which code hosts and editors can show.

Rules come from the registry of codes. Imports ``model`` and ``integrity.fsck``. Source: OASIS SARIF 2.1.0.
"""

from __future__ import annotations

from typing import Any, Final

from charter_persist.integrity.fsck import FsckReport
from charter_persist.model.finding import KINDS, Finding, Severity

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final = {Severity.HARD: "error", Severity.SOFT: "warning", Severity.STALE: "note"}
_CODES: Final = tuple(KINDS)


def sarif_log(report: FsckReport, *, location: str, version: str) -> dict[str, Any]:
    """Return a SARIF log of one run; it is JSON.

    Args:
        report: of fsck.
        location: of the store, as it may be shown.
        version: of this package.

    Spec: GOV-11
    """
    driver = {"name": "charter fsck", "version": version, "rules": [_rule(code) for code in _CODES]}
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True}],
        "results": [_result(finding, location) for finding in report.findings],
        "properties": {
            "counts": dict(report.counts),
            "entries": report.size,
            "level": str(report.level),
            "root": report.root.hex(),
        },
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    kind = KINDS[code]
    return {
        "id": code,
        "shortDescription": {"text": kind.rule},
        "defaultConfiguration": {"level": _LEVELS[kind.severity]},
        "properties": {"layer": str(kind.layer), "severity": str(kind.severity)},
    }


def _result(finding: Finding, location: str) -> dict[str, Any]:
    where = {"fullyQualifiedName": f"{location}#{finding.subject}", "name": finding.subject, "kind": "resource"}
    return {
        "ruleId": finding.code,
        "ruleIndex": _CODES.index(finding.code),
        "level": _LEVELS[finding.kind.severity],
        "message": {"text": f"{finding.subject}: {finding.message}"},
        "locations": [{"logicalLocations": [where]}],
    }
