"""Conformance under hostile names: a text is stored and listed literally, or refused; it never is SQL, path or pattern.

Source: REQUIREMENTS 9, RELIABILITY P47 and P48.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

import pytest

from charter_persist.errors import InvalidInputError, InvalidKeyError, LimitExceededError
from charter_persist.model.limits import Options
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.testing.limits import exceeds
from charter_persist.unit_of_work import ReadView, UnitOfWork

LITERAL: Final = (
    *("'", '"', "`", "''", "';--", "' OR '1'='1", '"; DROP TABLE object; --', "x'; DELETE FROM journal; --"),
    *(
        "%",
        "_",
        "%%",
        "a%b",
        "*",
        "?",
        "[a]",
        "[^a]",
        "{}",
        "{0}",
        "%s",
        "%(name)s",
        ":name",
        "$1",
        "$$",
        "\\",
        "\\x00",
    ),
    *(
        "..",
        ".",
        "a..b",
        "~",
        "C:",
        "NUL",
        "-",
        "--",
        "#",
        "&",
        "<b>",
        "\\u0000",
        "\\ud800",
        "null",
        "None",
        "true",
        "0",
    ),
    *(
        " ",
        " lead",
        "trail ",
        "a b",
        "\u00a0",
        "\u200b",
        "\u202eabc",
        "\u2028",
        "\ufeff",
        "\ufffd",
        "\uffff",
        "\x80",
        "\x9f",
    ),
    *(
        "\u00e9",
        "e\u0301",
        "\u00df",
        "SS",
        "\u0130",
        "i",
        "I",
        "\u4f60\u597d",
        "\U0001f600",
        "\U0010ffff",
        "\ud7ff",
        "\ue000",
    ),
)
"""Valid everywhere, and to be kept as they are. None holds a slash, so each is a segment of a ref name."""

REFUSED: Final = (
    "",
    "\0",
    "a\0b",
    "\n",
    "a\n",
    "\r",
    "\t",
    "\x1b[31m",
    "\x7f",
    "\x1f",
    "\ud800",
    "a\udfff",
    "\udc00\ud800",
)
NOT_TEXTS: Final = (None, 7, 1.5, True, b"x", ["x"], ("x",), {"x": 1})
SEGMENTS: Final = ("/", "//", "a//b", "/a", "a/", "a/b/", "/a/b")
"""Ref names with an empty segment."""

NAMED: Final[dict[str, tuple[str, Callable[[UnitOfWork, Any], Any]]]] = {
    "ref": ("ref name", lambda uow, name: uow.refs.set(name, uow.objects.put("doc", 1), expected=0)),
    "metadata": ("metadata key", lambda uow, name: uow.metadata.set(name, 1)),
    "event id": ("event_id", lambda uow, name: _append(uow, event_id=_text(name))),
    "actor": ("actor", lambda uow, name: _append(uow, actor=_text(name))),
    "subject type": ("subject type", lambda uow, name: _append(uow, subject=(name, "x"))),
    "subject id": ("subject id", lambda uow, name: _append(uow, subject=("doc", name))),
    "scope": ("scope", lambda uow, name: _append(uow, scope=f"AREA:{name}" if type(name) is str else name)),
    "session context": ("session_id", lambda uow, name: _append(uow, context={"session_id": _text(name)})),
    "session": ("session_id", lambda uow, name: _create(uow, session_id=_text(name))),
    "area": ("area_id", lambda uow, name: _create(uow, area_id=name)),
    "candidate": ("candidate_id", lambda uow, name: _discuss(uow, candidate_id=_text(name))),
    "stance": ("actor_id", lambda uow, name: _discuss(uow, actor_id=name)),
}
READ_BY_NAME: Final[dict[str, Callable[[ReadView, Any], Any]]] = {
    "refs.get": lambda view, name: view.refs.get(name),
    "refs.require": lambda view, name: view.refs.require(name),
    "refs.history": lambda view, name: list(view.refs.history(name)),
    "metadata.get": lambda view, name: view.metadata.get(name),
    "metadata.history": lambda view, name: list(view.metadata.history(name)),
    "audit.get": lambda view, name: view.audit.get(name),
    "audit.iter": lambda view, name: list(view.audit.iter(subject=("doc", name))),
    "sessions.get": lambda view, name: view.sessions.get(name),
    "sessions.history": lambda view, name: list(view.sessions.history(name)),
    "sessions.sealed_digest": lambda view, name: view.sessions.sealed_digest(name),
}
READ_BY_PREFIX: Final[dict[str, Callable[[ReadView, Any], Any]]] = {
    "refs.iter": lambda view, prefix: list(view.refs.iter(prefix)),
    "refs.list": lambda view, prefix: view.refs.list(prefix),
    "metadata.iter": lambda view, prefix: list(view.metadata.iter(prefix)),
    "sessions.iter": lambda view, prefix: list(view.sessions.iter(area_id=prefix)),
}
LISTS: Final[dict[str, Callable[[ReadView, str], Any]]] = {
    "objects": lambda view, cursor: view.objects.list(cursor=cursor),
    "refs": lambda view, cursor: view.refs.list(cursor=cursor),
    "audit": lambda view, cursor: view.audit.list(cursor=cursor),
    "sessions": lambda view, cursor: view.sessions.list(cursor=cursor),
}


def _text(name: Any) -> Any:
    """None would mean "not given" there, so a stand-in takes its place."""
    return 0 if name is None else name


def _append(uow: UnitOfWork, **fields: Any) -> Any:
    return uow.audit.append(**{"event_type": "NOTED", "scope": "GLOBAL", "subject": ("doc", "x"), **fields})


def _create(uow: UnitOfWork, **fields: Any) -> Any:
    return uow.sessions.create(**{"area_id": "x", "problem_statement": "why", **fields})


def _discuss(uow: UnitOfWork, candidate_id: Any = "c", actor_id: Any = "ana") -> None:
    session_id = _create(uow).session_id
    candidate = uow.sessions.add_candidate(session_id, "this", candidate_id=candidate_id)
    uow.sessions.set_state(session_id, "ACTIVE")
    uow.sessions.record_stance(session_id, actor_id=actor_id, candidate_id=candidate.candidate_id, stance="ACCEPT")


@pytest.mark.spec("P47")
class NameConformance(StoreFixtures):
    """Names that a database, a shell or a pattern would understand otherwise."""

    def test_refs_keep_any_name_literally(self, store: Store) -> None:
        """Stored, found, listed and deleted under exactly that name."""
        names = [*LITERAL, *[f"area/{name}/x" for name in LITERAL]]
        with store.begin() as uow:
            digest = uow.objects.put("doc", 1)
            for name in names:
                assert uow.refs.set(name, digest, expected=0).version == 1
        with store.read() as view:
            assert [ref.name for ref in view.refs.iter()] == sorted(names, key=str.encode)
            for name in names:
                assert view.refs.require(name).name == name
                found = [ref.name for ref in view.refs.iter(name)]
                assert found == sorted((other for other in names if other.startswith(name)), key=str.encode)
        with store.begin() as uow:
            for name in LITERAL:
                uow.refs.delete(name, expected=1)
        with store.read() as view:
            assert len(list(view.refs.iter())) == len(LITERAL)

    def test_metadata_keeps_any_key_literally(self, store: Store) -> None:
        """Stored, found and listed under exactly that key."""
        with store.begin() as uow:
            for name in LITERAL:
                uow.metadata.set(name, name)
        with store.read() as view:
            assert [entry.key for entry in view.metadata.iter()] == sorted(LITERAL, key=str.encode)
            for name in LITERAL:
                assert view.metadata.require(name) == name
                found = [entry.key for entry in view.metadata.iter(name)]
                assert found == sorted((other for other in LITERAL if other.startswith(name)), key=str.encode)

    def test_audit_keeps_any_text_literally(self, store: Store) -> None:
        """In every field that takes one, and in every filter."""
        with store.begin() as uow:
            for name in LITERAL:
                _append(uow, event_id=name, actor=name, scope=f"AREA:{name}", subject=(name, name), details=name)
        with store.read() as view:
            for name in LITERAL:
                event = view.audit.get(name)
                assert event is not None
                assert (event.actor, event.subject, event.details) == (name, (name, name), name)
                assert list(view.audit.iter(scope=f"AREA:{name}")) == [event]
                assert list(view.audit.iter(subject=(name, name))) == [event]
            assert [event.event_id for event in view.audit.replay()] == list(LITERAL)

    def test_sessions_keep_any_text_literally(self, store: Store) -> None:
        """In ids and in what people wrote, control characters included there."""
        with store.begin() as uow:
            for name in LITERAL:
                _create(uow, session_id=name, area_id=name, problem_statement=f"{name}\0\n\x1b")
                uow.sessions.add_candidate(name, name, candidate_id=name, rationale=f"\0{name}")
                uow.sessions.set_state(name, "ACTIVE")
                uow.sessions.record_stance(name, actor_id=name, candidate_id=name, stance="ACCEPT")
        with store.read() as view:
            assert [s.session_id for s in view.sessions.iter()] == sorted(LITERAL, key=str.encode)
            for name in LITERAL:
                (session,) = view.sessions.iter(area_id=name)
                assert (session.session_id, session.problem_statement) == (name, f"{name}\0\n\x1b")
                assert session.candidates[name].rationale == f"\0{name}"
                assert list(session.stances) == [(name, name)]

    def test_operations_keep_any_id_literally(self, store: Store) -> None:
        """An id is compared as it is."""
        for name in LITERAL[::4]:
            assert store.run(lambda uow: 1, operation_id=name).value == 1
        for name in LITERAL:
            assert (store.resolve(name) is not None) == (name in LITERAL[::4])

    @pytest.mark.parametrize("kind", NAMED)
    def test_what_is_no_name_is_refused(self, store: Store, backdoor: BackDoor, kind: str) -> None:
        """Empty, with a control character, a lone surrogate, or no text at all: the message names the field."""
        field, use = NAMED[kind]
        wrong = []
        bad: tuple[Any, ...] = (*REFUSED, *NOT_TEXTS, *(SEGMENTS if kind == "ref" else ()))
        with nothing_written(backdoor):
            for name in bad:
                try:
                    with store.begin() as uow:
                        use(uow, name)
                except InvalidInputError as exc:
                    if field not in exc.message:
                        wrong.append((name, exc.message))
                except Exception as exc:
                    wrong.append((name, repr(exc)))
                else:
                    wrong.append((name, "accepted"))
        assert wrong == []

    @pytest.mark.parametrize("read", READ_BY_NAME)
    def test_what_is_no_name_cannot_be_read(self, store: Store, read: str) -> None:
        """A read checks a name like a write does, before the database sees it."""
        with store.read() as view:
            for name in (*REFUSED, *NOT_TEXTS):
                with pytest.raises(InvalidKeyError):
                    READ_BY_NAME[read](view, name)

    @pytest.mark.parametrize("read", READ_BY_PREFIX)
    def test_what_begins_no_name_is_refused_as_a_prefix(self, store: Store, read: str) -> None:
        """The same error on every backend; the empty prefix alone fits all."""
        wrong = []
        with store.read() as view:
            for prefix in (*REFUSED[1:], *NOT_TEXTS[1:]):
                try:
                    READ_BY_PREFIX[read](view, prefix)
                except InvalidInputError:
                    continue
                except Exception as exc:
                    wrong.append((prefix, repr(exc)))
                else:
                    wrong.append((prefix, "accepted"))
        assert wrong == []

    @pytest.mark.parametrize("listing", LISTS)
    def test_a_cursor_that_was_not_handed_out_does_no_harm(self, store: Store, listing: str) -> None:
        """It is refused, or it is a place in the listing; the database never chokes on it."""
        forged = [
            base64.urlsafe_b64encode(name.encode(errors="surrogatepass")).decode() for name in (*LITERAL, *REFUSED)
        ]
        with store.read() as view:
            for cursor in ("", "!", "a", "=", "\0", "\ud800", "\u20ac", 7, b"YQ==", *forged):
                try:
                    LISTS[listing](view, cursor)  # type: ignore[arg-type]  # two of them are no text
                except InvalidInputError:
                    continue
            assert view.objects.list().items == ()


@pytest.mark.spec("P48")
class NameLimitConformance(StoreFixtures):
    """Names have their limits in bytes of UTF-8, the same on every backend."""

    @pytest.mark.parametrize("character", ["x", "\u20ac", "\U0001f600"], ids=ascii)
    @pytest.mark.parametrize("kind", NAMED)
    def test_length_of_a_name(self, store: Store, backdoor: BackDoor, kind: str, character: str) -> None:
        """Exactly at the limit is fine, one byte more is refused with the facts."""
        field, use = NAMED[kind]
        limit, maximum = {
            "ref": ("ref_name_bytes_max", 512),
            "metadata": ("key_bytes_max", 1024),
        }.get(kind, ("identifier_bytes_max", 512))
        room = maximum - (len("AREA:") if kind == "scope" else 0)
        name = character * (room // len(character.encode()))
        name += "y" * (room - len(name.encode()))
        with nothing_written(backdoor), refused(LimitExceededError, field, limit, str(maximum)) as caught:
            with store.begin() as uow:
                use(uow, name + "y")
        assert exceeds(caught, limit, maximum, maximum + 1)
        with store.begin() as uow:
            use(uow, name)
        assert uow.receipt is not None

    def test_limits_of_names_can_be_lowered(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """Where `Options` has a limit, it is the one that counts, for reads as for writes."""
        with open_store(options=Options(key_bytes_max=4, ref_name_bytes_max=3)) as store:
            with store.begin() as uow:
                uow.metadata.set("1234", 1)
                uow.refs.set("123", uow.objects.put("doc", 1), expected=0)
            with nothing_written(backdoor), store.begin() as uow:
                for call in (uow.metadata.get, uow.metadata.delete, lambda key: uow.metadata.set(key, 1)):
                    with refused(LimitExceededError, "key_bytes_max", "4"):
                        call("12345")
                for use in (uow.refs.get, lambda name: uow.refs.delete(name, expected=1)):
                    with refused(LimitExceededError, "ref_name_bytes_max", "3"):
                        use("1234")

    def test_every_name_at_its_limit_at_once(self, store: Store) -> None:
        """No index of a backend has a limit of its own below ours."""
        # Digits of a long number, so that nothing can be compressed below a limit.
        digits = str(3**6_000)
        name, key = digits[:512], digits[1_000:2_024]
        with store.begin() as uow:
            _append(
                uow,
                event_type="A" * 128,
                event_id=digits[600:1_112],
                actor=name,
                scope=f"AREA:{digits[:507]}",
                subject=(name, digits[512:1_024]),
                context=dict.fromkeys(("authority_resolution_id", "scope_resolution_id", "session_id"), name),
            )
            _create(uow, session_id=name, area_id=digits[512:1_024])
            uow.sessions.add_candidate(name, "this", candidate_id=name)
            uow.sessions.set_state(name, "ACTIVE")
            uow.sessions.record_stance(name, actor_id=digits[512:1_024], candidate_id=name, stance="ACCEPT")
            uow.metadata.set(key, 1)
            uow.refs.set(
                "/".join(digits[n : n + 15] for n in range(0, 512, 16))[:512], uow.objects.put("d" * 64, 1), expected=0
            )
        with store.read() as view:
            assert len(list(view.audit.iter(subject=(name, digits[512:1_024])))) == 1
            assert [session.session_id for session in view.sessions.iter(area_id=digits[512:1_024])] == [name]
            assert view.metadata.get(key) == 1
