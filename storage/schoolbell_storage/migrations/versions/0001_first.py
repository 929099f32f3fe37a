"""The first schema."""

from __future__ import annotations

from alembic import op

from schoolbell_storage.tables import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take this step."""
    metadata.create_all(op.get_bind())
