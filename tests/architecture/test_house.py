"""The house as DESIGN describes it: imports point down, names are public once, errors are whole, pages are current."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import charter_persist
from charter_persist import errors
from charter_persist.backends.contract import RELATIONS, Relation
from charter_persist.backends.sql.tables import Base
from tools import make_coverage, make_error_reference

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "charter_persist"
ERRORS = [cls for _, cls in make_error_reference.family(errors.CharterError)]
MADE_WITH = {
    "VersionConflictError": {"expected": 1, "actual": 2},
    "DimensionError": {"expected": 3, "actual": 2},
    "TransactionFailedError": {"index": 0, "check": "check"},
    "RuleError": {"rule": "GOV-3"},
    "InvalidTransitionError": {"rule": "GOV-3"},
    "FrozenError": {"rule": "GOV-3"},
    "NotInitialisedError": {"rule": "GOV-7"},
    "ValidationError": {"key": "/a", "field": "ports.0"},
    "LimitExceededError": {"limit": "key_bytes_max", "maximum": 1, "actual": 2},
    "CompactedError": {"oldest": 7},
    "AmbiguousError": {"candidates": ["a", "b"]},
    "NotStagedError": {"digest": "0" * 64, "size": 9, "threshold": 8},
    "ContentMissingError": {"digest": "0" * 64},
    "CommitUnknownError": {"operation_id": "op-1"},
}


def test_imports_point_down() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_public_names_are_sorted_and_exist() -> None:
    names = charter_persist.__all__
    assert names == sorted(names)
    assert all(hasattr(charter_persist, name) for name in names)


@pytest.mark.parametrize("cls", ERRORS, ids=lambda cls: cls.__name__)
def test_an_error_has_a_docstring_and_survives_pickling_with_its_facts(cls: type[errors.CharterError]) -> None:
    facts = MADE_WITH.get(cls.__name__, {})
    error = cls(**facts)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert again.message == error.message
    assert again.__dict__ == error.__dict__
    assert error.message
    assert not error.message.startswith("Attributes")


def test_error_codes_are_unique() -> None:
    codes = [cls.code for cls in ERRORS]
    assert len(codes) == len(set(codes))


def test_every_error_is_documented() -> None:
    assert make_error_reference.PAGE.read_text() == make_error_reference.page()


def test_every_requirement_that_is_done_has_a_test() -> None:
    found = make_coverage.collect()
    assert [identity for identity in make_coverage.DONE if not found.get(identity)] == []


def test_the_coverage_page_is_current() -> None:
    assert make_coverage.PAGE.read_text() == make_coverage.page()


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.name)
def test_a_relation_and_its_mapped_class_have_the_same_columns(relation: Relation) -> None:
    table = Base.metadata.tables[relation.name]
    assert list(relation.columns) == [column.name for column in table.columns]


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.name)
def test_every_order_of_a_relation_is_an_index(relation: Relation) -> None:
    table = Base.metadata.tables[relation.name]
    indexed = [tuple(column.name for column in table.primary_key.columns)]
    indexed += [tuple(column.name for column in index.columns) for index in table.indexes]
    indexed += [
        tuple(c.name for c in constraint.columns) for constraint in table.constraints if hasattr(constraint, "columns")
    ]
    assert {order for order in (*relation.orders, relation.key) if order not in indexed} == set()


def test_no_test_double_of_a_database_and_no_pickle_or_eval_in_the_package() -> None:
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            assert not {"pickle", "marshal", "shelve", "yaml"} & set(names), path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec"}, path


def test_proofs_need_only_the_standard_library_and_the_errors() -> None:
    tree = ast.parse((PACKAGE / "proofs.py").read_text())
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported <= {*sys.stdlib_module_names, "charter_persist"}
