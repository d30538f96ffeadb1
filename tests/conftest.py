"""What all tests share: Postgres, the suite's marker, and how long Hypothesis searches.

``CHARTER_HYPOTHESIS_PROFILE=deep`` searches for a long time; the default is ``normal``.
"""

from __future__ import annotations

import os

from hypothesis import settings

pytest_plugins = [
    "tests.postgres.fixtures",
    "tests.etcd_server",
    "tests.s3_server",
    "charter_persist.testing.plugin",
]

settings.register_profile("normal", deadline=None)
settings.register_profile("deep", deadline=None, max_examples=5_000)
settings.load_profile(os.environ.get("CHARTER_HYPOTHESIS_PROFILE", "normal"))
