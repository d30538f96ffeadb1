"""What a pydantic model holds comes back equal, or is refused where it is written."""

from __future__ import annotations

import math
from typing import Any

import pydantic
import pytest
from pydantic import BaseModel, ConfigDict, Field

from charter_persist import connect
from charter_persist.encoding.codec import ModelCodec
from charter_persist.encoding.layout import Layout, ValueReader, ValueRepository
from charter_persist.errors import ValidationError


class Alias(BaseModel):
    port: int = Field(default=80, alias="p")


class OneWay(BaseModel):
    port: int = Field(default=80, validation_alias="p")


class OtherWay(BaseModel):
    port: int = Field(default=80, serialization_alias="p")


class BothWays(BaseModel):
    port: int = Field(default=80, serialization_alias="p", validation_alias="p")


class ByName(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    port: int = Field(default=80, alias="p")


class Generated(BaseModel):
    model_config = ConfigDict(alias_generator=str.upper)
    port: int = 80
    host: str = ""


class Nested(BaseModel):
    one: Alias
    many: list[Generated] = []


class Secret(BaseModel):
    word: pydantic.SecretStr


class Derived(Alias):
    host: str = ""


class Anything(BaseModel):
    value: Any = None


class Excluded(BaseModel):
    name: str
    port: int = Field(default=80, exclude=True)


class Private(BaseModel):
    name: str
    _seen: int = pydantic.PrivateAttr(default=0)

    def see(self) -> Private:
        """The same, with another private attribute."""
        self._seen += 1
        return self


class Computed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def length(self) -> int:
        """Not written."""
        return len(self.name)


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Real(BaseModel):
    value: float = 0


def changed(given: Any, value: object) -> Any:
    """An instance that was changed since it was made; pydantic does not look."""
    given.value = value
    return given


@pytest.mark.spec("KV-6")
@pytest.mark.parametrize(
    ("given", "data"),
    [
        (Alias(p=8080), b'{"p":8080}'),
        (BothWays(p=8080), b'{"p":8080}'),
        (ByName(port=8080), b'{"p":8080}'),
        (Generated(PORT=1, HOST="x"), b'{"HOST":"x","PORT":1}'),
        (Nested(one=Alias(p=1), many=[Generated(PORT=2)]), b'{"many":[{"HOST":"","PORT":2}],"one":{"p":1}}'),
        (Anything(value={"a": [1, None, "x", 1.5]}), b'{"value":{"a":[1,null,"x",1.5]}}'),
        (Excluded(name="a"), b'{"name":"a"}'),
        (Private(name="a"), b'{"name":"a"}'),
        (Computed(name="abc"), b'{"name":"abc"}'),
        (Open(extra=[1]), b'{"extra":[1]}'),  # type: ignore[call-arg]
    ],
    ids=repr,
)
def test_a_model_is_written_by_its_aliases_and_comes_back_equal(given: Any, data: bytes) -> None:
    layout = Layout({"/models/": ModelCodec(type(given))})
    with connect("memory://") as store:
        with store.begin() as uow:
            ValueRepository(uow.kv, layout).set("/models/a", given)
            assert uow.kv.require("/models/a").value == data
        with store.read() as view:
            returned = ValueReader(view.kv, layout).require("/models/a").value
    assert returned == given
    assert type(returned) is type(given)


@pytest.mark.spec("KV-6")
@pytest.mark.parametrize(
    ("model", "given", "word"),
    [
        (OneWay, OneWay(p=8080), "port"),
        (OtherWay, OtherWay(port=8080), "port"),
        (Secret, Secret(word="hunter2"), "word"),  # type: ignore[arg-type]
        (Alias, Derived(p=80, host="x"), "a Derived comes back as a Alias"),
        (Nested, Nested(one=Derived(p=1)), "one"),
        (Anything, Anything(value=math.inf), "value"),
        (Anything, Anything(value=math.nan), "value"),
        (Anything, Anything(value=(1, 2)), "value"),
        (Anything, Anything(value={1: 2}), "value"),
        (Real, Real(value=math.nan), "value"),
        (Real, changed(Real(), "1"), "value"),
        (Real, changed(Real(), "x"), "value"),
        (Excluded, Excluded(name="a", port=81), "port"),
        (Private, Private(name="a").see(), "private"),
        (Open, Open(extra=(1,)), "extra"),  # type: ignore[call-arg]
    ],
    ids=repr,
)
def test_what_would_not_come_back_equal_is_refused(model: Any, given: Any, word: str) -> None:
    layout = Layout({"/models/": ModelCodec(model)})
    with connect("memory://") as store, store.begin() as uow:
        with pytest.raises(ValidationError, match=word) as caught:
            ValueRepository(uow.kv, layout).set("/models/a", given)
        assert "hunter2" not in str(caught.value)
        assert not uow.kv.exists("/models/a")
