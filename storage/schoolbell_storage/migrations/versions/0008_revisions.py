"""A sequence gives the numbers of the status log on PostgreSQL, where many write at once."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take this step: the sequence goes on from where the store's counter stands."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE SEQUENCE status_revision")
        op.execute(
            "SELECT setval('status_revision', coalesce((SELECT max(value) FROM revision), 1))"
        )
