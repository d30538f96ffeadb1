"""The registry of codes: each that is used is registered and documented, each that is registered is used."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from charter_persist.integrity.collected import Findings
from charter_persist.model.finding import KINDS, Finding, Layer, Severity
from tools import make_finding_reference

PACKAGE = Path(__file__).parent.parent.parent / "charter_persist"
CODE = re.compile(r"[A-Z]+(_[A-Z]+)+")


def constants() -> set[str]:
    """Every text in the package that looks like a code."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if path.name != "finding.py":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
                    found.add(node.value)
    return found


def made() -> set[str]:
    """Every first argument of what makes a finding."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in {"Finding", "_find", "_about"} or ast.unparse(node.func).endswith("findings.add"):
                    found.add(node.args[0].value)
    return found


@pytest.mark.spec("P30")
def test_every_code_that_a_finding_is_made_with_is_registered() -> None:
    assert made()
    assert made() <= set(KINDS)


@pytest.mark.spec("P30")
def test_every_registered_code_is_used() -> None:
    assert set(KINDS) <= constants()


@pytest.mark.parametrize("code", KINDS)
def test_a_rule_is_one_sentence(code: str) -> None:
    rule = KINDS[code].rule
    assert CODE.fullmatch(code)
    assert rule.endswith(".")
    assert rule.count(". ") == 0


def test_every_layer_has_a_code_and_none_is_stale() -> None:
    assert {kind.layer for kind in KINDS.values()} == set(Layer)
    assert Severity.STALE not in {kind.severity for kind in KINDS.values()}


def test_a_code_that_is_not_registered_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        Findings().add("NO_SUCH_CODE", "object/1", "what")
    assert Finding("HASH_MISMATCH", "object/1", "what").kind.severity is Severity.HARD


def test_every_code_is_documented() -> None:
    assert make_finding_reference.PAGE.read_text() == make_finding_reference.page()
