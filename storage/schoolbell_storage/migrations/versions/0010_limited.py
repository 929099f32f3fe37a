"""Whether a caller that is limited to sources wrote a record of the roster last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_RECORDS = ("school", "calendar", "user_account", "relationship", "enrollment")


def upgrade() -> None:
    """Take this step; of what is stored it is not known, and nothing is taken from anybody."""
    for table in _RECORDS:
        op.add_column(
            table, sa.Column("limited", sa.Boolean(), nullable=False, server_default=sa.false())
        )
