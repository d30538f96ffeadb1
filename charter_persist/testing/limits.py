"""Conformance under bad input: one typed error on every backend, nothing written, a message that says what was wrong.

Source: HASH-2, REQUIREMENTS 9, RELIABILITY P34 and P48.
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final, NamedTuple, cast

import pytest

from charter_persist.errors import CharterError, InvalidInputError, LimitExceededError, NotCanonicalError
from charter_persist.model.limits import DEFAULT_OPTIONS, Options
from charter_persist.store import Store
from charter_persist.testing.assertions import nothing_written, refused
from charter_persist.testing.backdoor import BackDoor
from charter_persist.testing.fixtures import OpenStore, StoreFixtures
from charter_persist.unit_of_work import ReadView, UnitOfWork


class Word(str):
    """A text that is not exactly a str."""


class Number(int):
    """An integer that is not exactly an int."""


class Colour(enum.Enum):
    """Not JSON."""

    RED = "red"


class Level(enum.IntEnum):
    """Looks like JSON and is not."""

    HIGH = 1


class BadValue(NamedTuple):
    """A value that must be refused, how, and what the message must name."""

    value: Any
    error: type[CharterError]
    words: tuple[str, ...]


def nested(depth: int) -> Any:
    """Arrays inside each other."""
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


def containing_itself() -> Any:
    """A list without an end."""
    value: list[Any] = []
    value.append(value)
    return value


def _not_json(value: Any, *words: str) -> BadValue:
    return BadValue(value, NotCanonicalError, words or (type(value).__name__,))


BAD_VALUES: Final[dict[str, BadValue]] = {
    "NaN": _not_json(float("nan"), "not finite"),
    "infinity": _not_json(float("inf"), "not finite"),
    "minus infinity": _not_json(float("-inf"), "not finite"),
    "2^53": _not_json(2**53, "2^53"),
    "-2^53": _not_json(-(2**53), "2^53"),
    "10^400": _not_json(10**400, "2^53"),
    "a lone high surrogate": _not_json("x\ud800", "surrogate"),
    "a lone low surrogate": _not_json("\udfffx", "surrogate"),
    "surrogates in the wrong order": _not_json("\udc00\ud800", "surrogate"),
    "a surrogate in a key": _not_json({"\ud800": 1}, "surrogate"),
    "bytes": _not_json(b"x"),
    "a bytearray": _not_json(bytearray(b"x")),
    "a tuple": _not_json((1, 2)),
    "a set": _not_json({1}),
    "a datetime": _not_json(datetime(2026, 1, 1, tzinfo=UTC)),
    "a decimal": _not_json(Decimal(1)),
    "a complex number": _not_json(1j),
    "an enum": _not_json(Colour.RED),
    "an int enum": _not_json(Level.HIGH),
    "a subclass of str": _not_json(Word("x")),
    "a subclass of int": _not_json(Number(1)),
    "a subclass of dict": _not_json(OrderedDict(a=1)),
    "an object": _not_json(object()),
    "a function": _not_json(len),
    "an integer as key": _not_json({1: 1}, "int"),
    "null as key": _not_json({None: 1}, "NoneType"),
    "true as key": _not_json({True: 1}, "bool"),
    "a subclass of str as key": _not_json({Word("x"): 1}, "Word"),
    "deep inside": _not_json({"a": [1, {"b c": float("nan")}]}, '.a[1]["b c"]', "not finite"),
    "behind good ones": _not_json([{"ok": True}, "fine", 2.5, b""], "[3]", "bytes"),
    "nested too deep": BadValue(nested(129), LimitExceededError, ("nesting_max", "128")),
    "nested far too deep": BadValue(nested(5_000), LimitExceededError, ("nesting_max", "128")),
    "without an end": BadValue(containing_itself(), LimitExceededError, ("nesting_max", "128")),
}
TAKES_VALUE: Final[dict[str, Callable[[UnitOfWork, Any], Any]]] = {
    "object": lambda uow, value: uow.objects.put("doc", value),
    "bulk": lambda uow, value: uow.objects.put_many([("doc", "good"), ("doc", value)]),
    "metadata": lambda uow, value: uow.metadata.set("k", value),
    "audit details": lambda uow, value: uow.audit.append("NOTED", scope="GLOBAL", subject=("doc", "x"), details=value),
    "constraints": lambda uow, value: uow.sessions.create(
        area_id="x", problem_statement="why", constraints={"v": value}
    ),
    "references": lambda uow, value: uow.sessions.create(area_id="x", problem_statement="why", references={"v": value}),
    "candidate": lambda uow, value: uow.sessions.add_candidate("s", value),
}
TAKES_SIZE: Final[dict[str, Callable[[UnitOfWork, str], Any]]] = {
    "object": lambda uow, text: uow.objects.put("doc", text),
    "bulk": lambda uow, text: uow.objects.put_many([("doc", text)]),
    "metadata": lambda uow, text: uow.metadata.set("k", text),
}
PAGES: Final[dict[str, Callable[[ReadView, int], Any]]] = {
    "objects": lambda view, limit: view.objects.list(limit=limit),
    "refs": lambda view, limit: view.refs.list(limit=limit),
    "audit": lambda view, limit: view.audit.list(limit=limit),
    "sessions": lambda view, limit: view.sessions.list(limit=limit),
}


def session(store: Store) -> None:
    """A session for candidates."""
    with store.begin() as uow:
        uow.sessions.create(session_id="s", area_id="x", problem_statement="why")


def _give(uow: UnitOfWork, value: Any) -> Any:
    return value


def verdict(call: Callable[[], Any], words: tuple[str, ...]) -> str:
    """The type of the error that a call raises, and the words that its message lacks."""
    try:
        call()
    except CharterError as exc:
        lacking = [word for word in words if word not in exc.message]
        return type(exc).__name__ + (f" lacks {lacking}: {exc.message}" if lacking else "")
    except Exception as exc:
        return f"untyped {exc!r}"
    return "accepted"


def exceeds(caught: pytest.ExceptionInfo[CharterError], limit: str, maximum: int, actual: int) -> bool:
    """Whether the error carries these facts."""
    error = caught.value
    assert isinstance(error, LimitExceededError)
    return (error.limit, error.maximum, error.actual) == (limit, maximum, actual)


@pytest.mark.spec("HASH-2", "P34")
class BadValueConformance(StoreFixtures):
    """Values outside the documented domain."""

    @pytest.mark.parametrize("where", TAKES_VALUE)
    def test_a_value_outside_the_domain_is_refused(self, store: Store, backdoor: BackDoor, where: str) -> None:
        """The same error wherever a value is taken, and nothing is written."""
        session(store)

        def attempt(value: Any) -> None:
            with store.begin() as uow:
                TAKES_VALUE[where](uow, value)

        with nothing_written(backdoor):
            verdicts = {name: verdict(partial(attempt, bad.value), bad.words) for name, bad in BAD_VALUES.items()}
        assert verdicts == {name: bad.error.__name__ for name, bad in BAD_VALUES.items()}

    @pytest.mark.parametrize("where", [where for where in TAKES_VALUE if where != "bulk"])
    def test_a_unit_goes_on_after_a_refused_value(self, store: Store, where: str) -> None:
        """Refused values leave nothing behind in the unit; what it did besides is committed."""
        session(store)
        with store.begin() as uow:
            for bad in BAD_VALUES.values():
                with pytest.raises(bad.error):
                    TAKES_VALUE[where](uow, bad.value)
            uow.metadata.set("went", "on")
        assert uow.receipt is not None
        assert uow.receipt.size == uow.receipt.first_position

    def test_the_value_of_an_operation_is_in_the_domain_too(self, store: Store, backdoor: BackDoor) -> None:
        """A value that cannot be kept for a repeat undoes its unit."""

        def change(uow: UnitOfWork, value: Any) -> Any:
            uow.objects.put("doc", 1)
            return value

        def attempt(value: Any) -> None:
            store.run(lambda uow: change(uow, value), operation_id="op")

        with nothing_written(backdoor):
            verdicts = {name: verdict(partial(attempt, bad.value), bad.words) for name, bad in BAD_VALUES.items()}
        assert verdicts == {name: bad.error.__name__ for name, bad in BAD_VALUES.items()}
        assert store.run(lambda uow: change(uow, "good"), operation_id="op").value == "good"


@pytest.mark.spec("P48")
class LimitConformance(StoreFixtures):
    """Limits are the same on every backend: exactly at the limit is fine, one more is refused with the facts."""

    @pytest.mark.parametrize("where", ["object", "bulk", "metadata"])
    def test_nesting_of_a_value(self, store: Store, where: str) -> None:
        """128 levels are fine, 129 are not."""
        with store.begin() as uow:
            TAKES_VALUE[where](uow, nested(128))
        with refused(LimitExceededError, "nesting_max") as caught, store.begin() as uow:
            TAKES_VALUE[where](uow, nested(129))
        assert exceeds(caught, "nesting_max", 128, 129)

    @pytest.mark.parametrize("where", TAKES_SIZE)
    @pytest.mark.parametrize("character", ["x", "\u20ac", "\U0001f600"], ids=ascii)
    def test_size_of_a_value(self, open_store: OpenStore, backdoor: BackDoor, where: str, character: str) -> None:
        """The limit counts bytes of canonical JSON, not characters."""
        size = len(character.encode())
        text = character * (100 // size)
        maximum = len(text.encode()) + 2
        with open_store(options=Options(object_bytes_max=maximum)) as store:
            with store.begin() as uow:
                TAKES_SIZE[where](uow, text)
            with nothing_written(backdoor), refused(LimitExceededError, "object_bytes_max") as caught:
                with store.begin() as uow:
                    TAKES_SIZE[where](uow, text + "x")
            assert exceeds(caught, "object_bytes_max", maximum, maximum + 1)

    def test_size_of_an_object_by_default(self, store: Store, backdoor: BackDoor) -> None:
        """An object of 16 MiB is stored and read; one byte more is refused."""
        maximum = DEFAULT_OPTIONS.object_bytes_max
        text = "x" * (maximum - 2)
        with store.begin() as uow:
            digest = uow.objects.put("doc", text)
        with store.read() as view:
            assert view.objects.require(digest).object == text
        with nothing_written(backdoor), refused(LimitExceededError, "object_bytes_max", "16777216"):
            with store.begin() as uow:
                uow.objects.put("doc", text + "x")

    def test_size_of_audit_details(self, store: Store, backdoor: BackDoor) -> None:
        """256 KiB are fine."""
        maximum = 256 * 1024
        with store.begin() as uow:
            TAKES_VALUE["audit details"](uow, "x" * (maximum - 2))
        with nothing_written(backdoor), refused(LimitExceededError, "audit_details_bytes_max") as caught:
            with store.begin() as uow:
                TAKES_VALUE["audit details"](uow, "x" * (maximum - 1))
        assert exceeds(caught, "audit_details_bytes_max", maximum, maximum + 1)

    def test_size_of_the_value_of_an_operation(self, open_store: OpenStore, backdoor: BackDoor) -> None:
        """64 KiB are kept; the limit can be lowered like every other."""
        for maximum, options in ((64 * 1024, Options()), (100, Options(operation_value_bytes_max=100))):
            with open_store(options=options) as store:
                text = "x" * (maximum - 2)
                assert store.run(partial(_give, value=text), operation_id=f"op-{maximum}").value == text
                with nothing_written(backdoor), refused(LimitExceededError, "operation_value_bytes_max") as caught:
                    store.run(partial(_give, value=text + "x"), operation_id="more")
                assert exceeds(caught, "operation_value_bytes_max", maximum, maximum + 1)

    @pytest.mark.parametrize("page", PAGES)
    def test_size_of_a_page(self, open_store: OpenStore, page: str) -> None:
        """1 to 10,000 items; the upper limit can be lowered."""
        for maximum, options in ((10_000, Options()), (3, Options(page_items_max=3))):
            with open_store(options=options) as store, store.read() as view:
                PAGES[page](view, 1)
                PAGES[page](view, maximum)
                with refused(LimitExceededError, "page_items_max") as caught:
                    PAGES[page](view, maximum + 1)
                assert exceeds(caught, "page_items_max", maximum, maximum + 1)
                for limit in cast("list[int]", [0, -1, "5", 1.0, True, None]):
                    with refused(InvalidInputError, "limit"):
                        PAGES[page](view, limit)
