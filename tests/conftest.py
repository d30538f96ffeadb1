"""What all tests share: Postgres, the suite's marker, and how long Hypothesis searches.

``CHARTER_HYPOTHESIS_PROFILE=deep`` searches for a long time; the default is ``normal``.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

pytest_plugins = ["tests.postgres.fixtures", "charter_persist.testing.plugin"]

settings.register_profile("normal", deadline=None)
settings.register_profile("deep", deadline=None, max_examples=5_000)
settings.load_profile(os.environ.get("CHARTER_HYPOTHESIS_PROFILE", "normal"))


def pytest_configure(config: pytest.Config) -> None:
    """Keep pytest-alembic from binding its own tests to this file: its 0.13.1 cannot do that on pytest 9.2."""
    config.option.pytest_alembic_tests_path = "nowhere"
