"""What an import needs to know when it is applied: whose roster it may touch, and which it met."""

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
    sources = sa.Column("sources", sa.Text(), nullable=False, server_default="[]")
    op.add_column("roster_import", sources)
