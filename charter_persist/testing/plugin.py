"""Pytest plugin of the suite: registers its marker. Load it with ``pytest_plugins`` in your ``conftest.py``."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that names the requirements a test shows."""
    config.addinivalue_line("markers", "spec(*ids): the requirement ids that a test shows")
