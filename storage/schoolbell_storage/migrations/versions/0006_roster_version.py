"""The version of a district's roster, by which an import sees that somebody else wrote into it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take this step."""
    version = sa.Column("roster_version", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("district", version)
