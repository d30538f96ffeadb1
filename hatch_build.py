"""Ships the migrations inside the wheel.

They stand at the top of the repository, so that plain ``alembic`` finds them, and are installed as
``charter_persist/migrations``, so that an installed package can upgrade a database. An editable install reads them
where they stand. Source: DESIGN 2, RELIABILITY 4.3-9.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = "migrations"
TARGET = "charter_persist/migrations"
SHIPPED_SUFFIXES = {".py", ".mako"}


class MigrationsHook(BuildHookInterface[Any]):
    """Adds each migration file to a standard wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Map the files of ``migrations/`` into the package.

        Args:
            version: ``"standard"`` or ``"editable"``; an editable wheel is left alone.
            build_data: the build's settings, changed in place.

        Raises:
            FileNotFoundError: if no migration is there, because such a wheel could not create a store.
        """
        if version == "editable":
            return
        source = Path(self.root) / SOURCE
        files = sorted(path for path in source.rglob("*") if path.suffix in SHIPPED_SUFFIXES)
        if not any(path.parent.name == "versions" for path in files):
            raise FileNotFoundError(f"{source} holds no migration")
        for path in files:
            build_data["force_include"][str(path)] = f"{TARGET}/{path.relative_to(source).as_posix()}"
