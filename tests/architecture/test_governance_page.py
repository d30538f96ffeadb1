"""The page on governance names every event that the package appends and every field of every form."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from charter_persist.model.adoption import ImportRecord, ImportReview, Rehash
from charter_persist.model.area import Area, AreaRetirement
from charter_persist.model.forms import CANDIDATE_FIELDS, SESSION_FIELDS, STANCE_FIELDS
from charter_persist.model.lifecycle import Transition
from charter_persist.model.resolution import Resolution, ResolutionType

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "reference" / "governance.md").read_text()
EVENT = re.compile(r'"((?:AREA|SESSION|CANDIDATE|STANCE|RESOLUTION|REF|IMPORT|REVIEW|HASH|FSCK|FIRST)_[A-Z_]*[A-Z])"')
NOT_EVENTS = {"SESSION_INVALID_CONTEXT", "IMPORT_MIXED", "IMPORT_INCOMPLETE", "REF_MISMATCH", "HASH_MISMATCH"}
FIELDS = {
    **{form.object_type: form.FIELDS for form in (Area, AreaRetirement, ImportRecord, ImportReview, Rehash)},
    **{form.object_type: form.FIELDS for form in (Resolution, Transition)},
    "session": SESSION_FIELDS,
    "candidate": CANDIDATE_FIELDS,
    "stance": STANCE_FIELDS,
}


@pytest.mark.spec("GOV-9")
def test_the_page_names_every_event_that_is_appended() -> None:
    sources = [path for folder in ("engine", "transfer") for path in (ROOT / "charter_persist" / folder).rglob("*.py")]
    sources.append(ROOT / "charter_persist" / "integrity" / "record.py")
    appended = {name for path in sources for name in EVENT.findall(path.read_text())} - NOT_EVENTS
    appended |= {f"{kind}_CHANGED" for kind in ResolutionType if kind is not ResolutionType.GENERAL}
    assert len(appended) > 25
    assert {name for name in appended if f"`{name}`" not in PAGE} == set()


@pytest.mark.spec("GOV-1")
@pytest.mark.parametrize("form", FIELDS)
def test_the_page_names_every_field_of_a_form(form: str) -> None:
    (row,) = re.findall(rf"^\| `{form}`[^|]*\| (.*) \|$", PAGE, re.MULTILINE)
    assert {name.partition(".")[0].removesuffix("[]") for name in re.findall(r"`([^`]+)`", row)} == FIELDS[form]
