"""The forms of domain objects: what is read is what was written, and whatever else is refused with one kind of error."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charter_persist.errors import InvalidInputError, InvalidTransitionError
from charter_persist.model.area import area_scope, authority_ref, scope_ref
from charter_persist.model.forms import FORMS, SESSION_FIELDS
from charter_persist.model.lifecycle import check_transition
from charter_persist.model.resolution import Proposal, ResolutionState, ResolutionType
from charter_persist.model.session import Candidate, Session, Stance
from charter_persist.model.shape import digests, given_object, names, sorted_set

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "golden" / "0.1.0" / "domain.json").read_bytes()
)["vectors"]
WRONG: list[Any] = [
    None,
    True,
    7,
    0.5,
    "",
    "\x00",
    "x",
    "x" * 2_000,
    "a\nb",
    [],
    {},
    ["b", "a"],
    [["x"]],
    {"": None},
    "0" * 64,
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.text(max_size=3)
    | st.sampled_from(["ACCEPT", "ACTIVE", "0" * 64]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def written(value: Any) -> Any:
    if isinstance(value, Session):
        return {name: field for name, field in value.to_json().items() if name in SESSION_FIELDS}
    return value.to_json() if isinstance(value, Candidate | Stance) else value.to_content()


def faithful_or_refused(object_type: str, content: Any) -> bool:
    """Whether a content is read; it must then be written as it was."""
    try:
        value = FORMS[object_type](copy.deepcopy(content))
    except InvalidInputError:
        return False
    assert json.dumps(written(value), sort_keys=True) == json.dumps(content, sort_keys=True)
    return True


def paths(value: Any) -> Iterator[tuple[Any, ...]]:
    """Where every part of a JSON value stands."""
    yield ()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        for rest in paths(item):
            yield (key, *rest)


def changed(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The content with another value somewhere."""
    if not path:
        return value
    copied = copy.copy(content)
    copied[path[0]] = changed(content[path[0]], path[1:], value)
    return copied


@pytest.mark.spec("GOV-1", "P34")
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['type']} {vector['digest'][:8]}")
def test_a_form_has_exactly_its_fields(vector: dict[str, Any]) -> None:
    object_type, content = vector["type"], vector["content"]
    assert faithful_or_refused(object_type, content)
    for name in content:
        missing = {key: value for key, value in content.items() if key != name}
        with pytest.raises(InvalidInputError, match=name):
            FORMS[object_type](missing)
    with pytest.raises(InvalidInputError, match="surprise"):
        FORMS[object_type]({**content, "surprise": 1})
    for wrong in (None, [], "x", 7, [content], True):
        with pytest.raises(InvalidInputError):
            FORMS[object_type](wrong)


@pytest.mark.spec("GOV-1", "P34")
@pytest.mark.parametrize("object_type", FORMS)
def test_every_part_of_a_form_is_checked(object_type: str) -> None:
    """No value anywhere is read as something else: a form is faithful, or it is refused."""
    for vector in VECTORS:
        if vector["type"] == object_type:
            for path in paths(vector["content"]):
                for wrong in WRONG:
                    faithful_or_refused(object_type, changed(vector["content"], path, wrong))


@pytest.mark.spec("GOV-1", "P34")
@given(vector=st.sampled_from(VECTORS), data=st.data())
def test_a_form_that_was_altered_anywhere_is_faithful_or_refused(vector: dict[str, Any], data: st.DataObject) -> None:
    content = vector["content"]
    for _ in range(data.draw(st.integers(1, 3))):
        content = changed(content, data.draw(st.sampled_from(list(paths(content)))), data.draw(JSON))
    faithful_or_refused(vector["type"], content)


@pytest.mark.spec("GOV-1")
@pytest.mark.parametrize(
    ("object_type", "field", "wrong"),
    [
        ("area", "label", ""),
        ("area", "annotations", []),
        ("area", "created_at", "yesterday"),
        ("area", "created_at", "2026-01-01T00:00:00+00:00"),
        ("area_retirement", "retired_at", None),
        ("resolution", "type", "general"),
        ("resolution", "content", {"text": ""}),
        ("resolution", "content", {}),
        ("resolution", "session_digest", "0" * 63),
        ("resolution", "supersedes", ["b" * 64, "a" * 64]),
        ("resolution", "supersedes", ["a" * 64, "a" * 64]),
        ("resolution", "supersedes", ["A" * 64]),
        ("transition", "to", "GONE"),
        ("transition", "previous", ""),
        ("import", "part", 0),
        ("import", "part", 9),
        ("import", "parts", True),
        ("import_review", "outcome", "ACCEPTED"),
        ("import_review", "outcome", "CONSOLIDATED"),
        ("import_review", "local_resolution_id", "a" * 64),
        ("rehash", "pairs", [["a" * 64]]),
        ("rehash", "pairs", [["b" * 64, "a" * 64], ["a" * 64, "b" * 64]]),
        ("stance", "type", "MAYBE"),
        ("candidate", "rationale", 7),
        ("session", "state", "ACTIVE"),
        ("session", "outcome", {"accepted_candidate_ids": ["nobody"]}),
        ("session", "candidates", {}),
    ],
)
def test_what_a_field_must_not_be_is_refused(object_type: str, field: str, wrong: Any) -> None:
    content = next(vector["content"] for vector in VECTORS if vector["type"] == object_type)
    with pytest.raises(InvalidInputError):
        FORMS[object_type]({**content, field: wrong})


@pytest.mark.spec("GOV-1")
def test_a_sealed_session_never_says_one_thing_twice() -> None:
    content = next(v["content"] for v in VECTORS if v["type"] == "session" and len(v["content"]["stances"]) > 1)
    for name in ("candidates", "stances"):
        with pytest.raises(InvalidInputError):
            FORMS["session"]({**content, name: [*content[name], content[name][0]]})
    with pytest.raises(InvalidInputError):
        FORMS["session"]({**content, "stances": list(reversed(content["stances"]))})


@pytest.mark.spec("GOV-1")
@pytest.mark.parametrize(
    "wrong",
    [
        {"content": None, "supersedes": [], "transitions": {}},
        {"content": None, "supersedes": ["a" * 64], "transitions": {"b" * 64: "RETIRED"}},
        {"content": {"text": "x"}, "supersedes": [], "transitions": {"b": "RETIRED"}},
        {"content": {"text": "x"}, "supersedes": [], "transitions": {"b" * 64: "DEAD"}},
        {"content": {"text": "x"}, "supersedes": [], "transitions": []},
        {"content": {"text": "x"}, "supersedes": [], "transitions": "ab"},
        {"content": {"text": "x"}, "supersedes": [], "transitions": None},
        {"content": {"text": "x"}, "supersedes": "a" * 64, "transitions": {}},
        {"content": {"text": "x"}, "supersedes": []},
        {"content": ["text"], "supersedes": [], "transitions": {}},
    ],
)
def test_a_proposal_that_proposes_nothing_or_nonsense_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidInputError):
        Proposal.from_content(wrong)


@pytest.mark.spec("GOV-2")
@pytest.mark.parametrize("kind", ResolutionType)
@pytest.mark.parametrize("before", ResolutionState)
def test_no_transition_leads_to_superseded_or_away_from_an_end(kind: ResolutionType, before: ResolutionState) -> None:
    with pytest.raises(InvalidTransitionError):
        check_transition(kind, before, ResolutionState.SUPERSEDED)
    with pytest.raises(InvalidTransitionError):
        check_transition(kind, before, before)
    for end in (ResolutionState.SUPERSEDED, ResolutionState.RETIRED):
        with pytest.raises(InvalidTransitionError):
            check_transition(kind, end, ResolutionState.ACTIVE)


@pytest.mark.spec("GOV-8", "GOV-9")
def test_names_of_refs_and_scopes_of_an_area() -> None:
    assert (authority_ref("a"), scope_ref("a"), area_scope("a")) == ("area/a/authority", "area/a/scope", "AREA:a")


@pytest.mark.spec("GOV-1")
@given(st.lists(st.text(alphabet="abc", min_size=1, max_size=2)))
def test_a_set_has_one_spelling(values: list[str]) -> None:
    spelled = list(sorted_set(values))
    assert spelled == sorted(set(values))
    assert names(spelled, field="x") == tuple(spelled)
    for wrong in ([*spelled, *spelled[-1:]], list(reversed(spelled))):
        if wrong != spelled:
            with pytest.raises(InvalidInputError):
                names(wrong, field="x")
    with pytest.raises(InvalidInputError, match="list"):
        sorted_set("abc")
    with pytest.raises(InvalidInputError):
        digests(["short"], field="x")


@pytest.mark.parametrize("wrong", [[], [("a", 1)], "text", 7, {1}])
def test_a_caller_gives_a_json_object_as_a_mapping(wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match="annotations"):
        given_object(wrong, field="annotations")
    assert given_object(None, field="annotations") == {}
