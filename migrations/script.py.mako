"""${message}.

Imports nothing from the package: a released migration never changes with the code. Names are given in full with
``op.f``; on SQLite a table is never rebuilt (batch mode drops its guards). Canonical bytes are never touched.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    schema = op.get_context().version_table_schema  # None on SQLite; give it to every operation
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
