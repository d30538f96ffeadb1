"""The forms of domain objects, frozen: an object that 0.1.0 wrote has the same bytes and the same digest for ever."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from charter_persist.model.adoption import ImportRecord, ImportReview, Rehash
from charter_persist.model.area import Area, AreaRetirement
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.digest import digest
from charter_persist.model.forms import FORMS
from charter_persist.model.lifecycle import Transition
from charter_persist.model.resolution import Resolution
from charter_persist.model.session import Candidate, Session, Stance
from charter_persist.store import connect

FILE = Path(__file__).parent / "0.1.0" / "domain.json"
FROZEN = "6f9446d7d0919c8c37361e158873b6db2c64bc1dbd6b01f3fb335c71f4a960c9"
"""SHA-256 of the file of vectors."""

VECTORS: list[dict[str, Any]] = json.loads(FILE.read_bytes())["vectors"]
each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['type']} {vector['digest'][:8]}")


def independent(object_type: str, content: Any) -> tuple[str, str]:
    """Canonical text and digest by json and hashlib alone; it is right for these contents: no floats, plain keys."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    body = text.encode()
    return text, sha256(b"charter:v1\ntype:%s\nlen:%d\n" % (object_type.encode(), len(body)) + body).hexdigest()


def written(value: Any) -> Any:
    """What the model would store of what it read."""
    if isinstance(value, Session):
        return {name: field for name, field in value.to_json().items() if name != "version"}
    if isinstance(value, Candidate | Stance):
        return value.to_json()
    assert isinstance(value, Area | AreaRetirement | Resolution | Transition | ImportRecord | ImportReview | Rehash), (
        type(value)
    )
    return value.to_content()


@pytest.mark.spec("HASH-5", "GOV-1")
def test_the_vectors_never_change() -> None:
    assert sha256(FILE.read_bytes()).hexdigest() == FROZEN


@pytest.mark.spec("HASH-5", "GOV-1")
def test_there_are_three_vectors_or_more_of_each_form() -> None:
    counts = Counter(vector["type"] for vector in VECTORS)
    assert counts.keys() == FORMS.keys()
    assert min(counts.values()) >= 3


@pytest.mark.spec("HASH-1", "HASH-5", "GOV-1")
@each_vector
def test_a_form_has_its_frozen_bytes_and_digest(vector: dict[str, Any]) -> None:
    content = vector["content"]
    assert independent(vector["type"], content) == (vector["canonical"], vector["digest"])
    assert canonical_bytes(content).decode() == vector["canonical"]
    assert digest(vector["type"], content) == vector["digest"]


@pytest.mark.spec("HASH-5", "GOV-1")
@each_vector
def test_a_form_is_read_and_written_again_as_it_was(vector: dict[str, Any]) -> None:
    assert written(FORMS[vector["type"]](vector["content"])) == vector["content"]


@pytest.mark.spec("HASH-5", "STO-3.1")
def test_the_store_keeps_each_form_under_its_frozen_digest() -> None:
    with connect("memory://") as store:
        with store.begin() as uow:
            names = [uow.objects.put(vector["type"], vector["content"]) for vector in VECTORS]
        with store.read() as view:
            assert names == [vector["digest"] for vector in VECTORS]
            assert [view.objects.require(name).object for name in names] == [vector["content"] for vector in VECTORS]
