"""Optional dependencies, imported when they are first used. Imports ``errors``."""

from __future__ import annotations

import importlib
from typing import Any

from charter_persist.errors import NotSupportedError


def extra(module: str, name: str) -> Any:
    """A module of an optional dependency.

    Args:
        module: what to import.
        name: of the extra that installs it.

    Raises:
        NotSupportedError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise NotSupportedError(f"that needs {module}; install charter-persist[{name}]") from exc
