"""Subscriptions of a person, muted devices, and remembered test notifications."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# What was saved last for any of a person's devices, the retired ones too, becomes the person's. A
# device of the student's app was only ever about its own user, one of the parents' about others:
# app type 1 is the student's, 2 the parents'.
_LATEST = """
    CREATE TEMPORARY TABLE latest_choice AS
    SELECT * FROM (
        SELECT
            device.district_id,
            device.user_id,
            CASE WHEN subscription.student_id = device.user_id THEN 1 ELSE 2 END AS app_type,
            subscription.student_id,
            subscription.kind,
            subscription.enabled,
            subscription.condition,
            subscription.limit_time,
            subscription.update_time,
            row_number() OVER (
                PARTITION BY
                    device.district_id,
                    device.user_id,
                    subscription.student_id,
                    subscription.kind
                ORDER BY subscription.update_time DESC, subscription.device_id DESC
            ) AS place
        FROM subscription JOIN device ON device.device_id = subscription.device_id
    ) AS choice
    WHERE place = 1
"""
_COLUMNS = "app_type, student_id, kind, enabled, condition, limit_time, update_time"


def upgrade() -> None:
    """Take this step."""
    op.execute(_LATEST)
    op.drop_table("subscription")
    op.create_table(
        "subscription",
        sa.Column("district_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("app_type", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("student_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("condition", sa.Text(), nullable=True),
        sa.Column("limit_time", sa.BigInteger(), nullable=True),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "district_id", "user_id", "app_type", "device_id", "student_id", "kind"
        ),
    )
    op.create_index("subscription_by_student", "subscription", ["district_id", "student_id"])
    op.execute(
        f"INSERT INTO subscription (district_id, user_id, device_id, {_COLUMNS}) "  # noqa: S608
        f"SELECT district_id, user_id, '', {_COLUMNS} FROM latest_choice"
    )
    op.execute("DROP TABLE latest_choice")
    op.add_column(
        "device", sa.Column("muted", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.drop_column("device", "subscriptions_version")
    op.create_table(
        "test_notification",
        sa.Column("district_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("district_id", "request_id"),
    )
    op.create_index("test_notification_by_user", "test_notification", ["district_id", "user_id"])
    op.create_index("test_notification_by_time", "test_notification", ["create_time"])
