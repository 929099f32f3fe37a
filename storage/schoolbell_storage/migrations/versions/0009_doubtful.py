"""An index of what somebody may have who said nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_DOUBTFUL = sa.text("answer_lost AND state IN (1, 2, 11)")


def upgrade() -> None:
    """Take this step."""
    op.create_index(
        "delivery_doubtful",
        "delivery",
        ["update_time"],
        sqlite_where=_DOUBTFUL,
        postgresql_where=_DOUBTFUL,
    )
