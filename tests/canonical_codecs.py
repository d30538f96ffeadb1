"""The module of canonical JSON twice: with orjson, and as it is on a machine without it."""

from __future__ import annotations

import importlib.util
import sys
import types
from typing import Any
from unittest import mock

from charter_persist.model import canonical


def _load_without_orjson() -> types.ModuleType:
    """Load a second copy of the module while orjson cannot be imported."""
    spec = importlib.util.spec_from_file_location("canonical_without_orjson", canonical.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict(sys.modules, {"orjson": None}):
        spec.loader.exec_module(module)
    return module


CODECS = {"with orjson": canonical, "without orjson": _load_without_orjson()}
"""Each copy under the name a test shows."""


def nested(depth: int, *, objects: bool = False) -> Any:
    """Make a value of so many containers inside each other."""
    value: Any = {} if objects else []
    for _ in range(depth - 1):
        value = {"a": value} if objects else [value]
    return value
