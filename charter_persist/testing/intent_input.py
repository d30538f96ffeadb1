"""Conformance of the intent graph under bad input: what is no id, no intent and no edge, and ids at their limits.

Source: CCOS-4, REQUIREMENTS 9, RELIABILITY P47.
"""

from __future__ import annotations

from typing import Any

import pytest

from charter_persist.errors import InvalidInputError, LimitExceededError, NotCanonicalError
from charter_persist.model.limits import Options
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.testing.intents import edge, intent, put_intents
from charter_persist.testing.names import LITERAL, NOT_TEXTS, REFUSED


@pytest.mark.spec("CCOS-4")
class IntentInputConformance(StoreFixtures):
    """What the graph refuses, and that it then writes nothing."""

    @pytest.mark.parametrize("name", [*REFUSED, *NOT_TEXTS], ids=ascii)
    def test_what_is_no_id_is_refused_everywhere(self, store: Store, backdoor: BackDoor, name: Any) -> None:
        """Before any row is read or written."""
        put_intents(store, "a")
        with nothing_written(backdoor), store.begin() as uow:
            for use in (
                lambda: uow.intents.get(name),
                lambda: uow.intents.exists(name),
                lambda: uow.intents.version(name),
                lambda: uow.intents.delete(name),
                lambda: list(uow.intents.get_edges_for(name)),
                lambda: uow.intents.get_edge("a", name, "Blocks"),
                lambda: uow.intents.delete_edge(name, "a", "Blocks"),
                lambda: uow.intents.add_edge(edge("a", name)),
                lambda: uow.intents.store(intent(name)),
            ):
                with pytest.raises(InvalidInputError) as caught:
                    use()
                assert caught.value.applied == "no"

    def test_any_text_is_kept_literally_as_an_id(self, store: Store) -> None:
        """No id is SQL, a path or a pattern."""
        put_intents(store, *LITERAL)
        with store.begin() as uow:
            for name in LITERAL:
                uow.intents.add_edge(edge(name, LITERAL[0], "Enables"))
        with store.read() as view:
            assert [one.intent_id for one in view.intents.iter()] == sorted(LITERAL, key=str.encode)
            for name in LITERAL:
                assert view.intents.require(name).goal == f"goal of {name}"
                assert edge(name, LITERAL[0], "Enables") in list(view.intents.get_edges_for(name))

    @pytest.mark.parametrize("character", ["x", "~", "/", "\u20ac", "\U0001f600"], ids=ascii)
    def test_the_longest_ids_have_edges(self, store: Store, character: str) -> None:
        """512 bytes at both ends, escaped where that is needed; one byte more is refused."""
        length = 512 // len(character.encode())
        one, other = character * length, "b" + character * (length - 1)
        put_intents(store, one, other)
        with store.begin() as uow:
            uow.intents.add_edge(edge(one, other, "ConflictsWith"))
            with refused(LimitExceededError, "512"):
                uow.intents.get("x" * 513)
        with store.read() as view:
            assert len(list(view.intents.get_edges_for(other))) == 1

    @pytest.mark.parametrize(
        ("metadata", "error"),
        [
            ({"a": float("nan")}, NotCanonicalError),
            ({"a": 2**53}, NotCanonicalError),
            ({"a": "\ud800"}, NotCanonicalError),
            ({"a": {1: 2}}, NotCanonicalError),
            ({"a": b"x"}, NotCanonicalError),
            ({"a": "x" * 1_000}, LimitExceededError),
            ({"a": {"b": {"c": {"d": {}}}}}, LimitExceededError),
        ],
        ids=repr,
    )
    def test_what_has_no_canonical_form_is_refused(
        self, open_store: OpenStore, backdoor: BackDoor, metadata: dict[str, Any], error: type[Any]
    ) -> None:
        """Of intents and of edges; so nothing is stored that a backup could not hold."""
        with open_store(options=Options(object_bytes_max=900, nesting_max=6)) as store:
            put_intents(store, "a")
            with nothing_written(backdoor), store.begin() as uow:
                for write in (
                    lambda: uow.intents.store(intent("b", metadata=metadata)),
                    lambda: uow.intents.update(intent("a", metadata=metadata)),
                    lambda: uow.intents.add_edge(edge("a", "a", metadata=metadata)),
                    lambda: uow.intents.replace_all([intent("b", metadata=metadata)], []),
                ):
                    with refused(error):
                        write()

    def test_other_things_than_intents_are_refused(self, store: Store) -> None:
        """The JSON of one, or the other kind."""
        put_intents(store, "a")
        not_intents: list[Any] = [intent("b").to_json(), edge("a", "a"), None, "b"]
        not_edges: list[Any] = [edge("a", "a").to_json(), intent("b"), None]
        nothing_of_the_kind: Any = {"status": "Active"}
        with store.begin() as uow:
            for value in not_intents:
                with refused(InvalidInputError, "StorableIntent"):
                    uow.intents.store(value)
            for value in not_edges:
                with refused(InvalidInputError, "Edge"):
                    uow.intents.add_edge(value)
            with refused(InvalidInputError, "IntentFilter"):
                uow.intents.list(nothing_of_the_kind)
            with refused(InvalidInputError, "edge_type"):
                uow.intents.delete_edge("a", "a", "Loves")
