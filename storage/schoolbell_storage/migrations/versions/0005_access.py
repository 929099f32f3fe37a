"""Who acted, districts of keys, and requests that are remembered."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_USER, _API_KEY, _SYSTEM = 1, 2, 5
_DEFAULT_RETENTION = 400 * 86_400  # seconds


def upgrade() -> None:
    """Take this step."""
    _name_principals()
    _list_districts_of_keys()
    _move_audit_retention()
    _chain_audit_entries()


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default="")


def _name_principals() -> None:
    """Say what sort of caller acted: before, a person behind a key was named instead of the key."""
    with op.batch_alter_table("audit_entry") as table:
        table.add_column(
            sa.Column("principal_type", sa.SmallInteger(), nullable=False, server_default="0")
        )
        for name in ("acting_user_id", "client_address", "request_id"):
            table.add_column(_text(name))
    entry = sa.table("audit_entry", sa.column("caller"), sa.column("principal_type"))
    op.execute(entry.update().values(principal_type=_sort_of(entry.c.caller)))
    with op.batch_alter_table("audit_entry") as table:
        table.alter_column("principal_type", existing_type=sa.SmallInteger(), server_default=None)
    with op.batch_alter_table("district") as table:
        table.add_column(
            sa.Column(
                "settings_updater_type", sa.SmallInteger(), nullable=False, server_default="0"
            )
        )
        table.add_column(_text("settings_acting_user_id"))
    district = sa.table(
        "district", sa.column("settings_updater"), sa.column("settings_updater_type")
    )
    op.execute(
        district.update()
        .where(district.c.settings_updater != "")
        .values(settings_updater_type=_sort_of(district.c.settings_updater))
    )


def _sort_of(caller: sa.ColumnElement[str]) -> sa.ColumnElement[int]:
    key = sa.table("api_key", sa.column("key_id"))
    return sa.case(
        (caller == "start", _SYSTEM),
        (caller.in_(sa.select(key.c.key_id)), _API_KEY),
        else_=_USER,
    )


def _list_districts_of_keys() -> None:
    op.create_table(
        "api_key_district",
        sa.Column("district_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("district_id", "key_id"),
    )
    op.create_index("api_key_district_by_key", "api_key_district", ["key_id"], unique=False)
    key = sa.table("api_key", sa.column("district_id"), sa.column("key_id"))
    place = sa.table("api_key_district", sa.column("district_id"), sa.column("key_id"))
    op.execute(
        place.insert().from_select(
            ["district_id", "key_id"], sa.select(key.c.district_id, key.c.key_id)
        )
    )
    op.drop_index("api_key_by_district", "api_key")
    with op.batch_alter_table("api_key") as table:
        table.drop_column("district_id")
        table.add_column(_text("request_id"))
        table.add_column(_text("request_hash"))


def _chain_audit_entries() -> None:
    """Give entries of the audit log a place in a chain; the server seals those that are there."""
    with op.batch_alter_table("audit_entry") as table:
        for name in ("salt", "commitment", "digest"):
            table.add_column(_text(name))
        table.add_column(sa.Column("sequence", sa.BigInteger()))
    op.create_index("audit_entry_by_sequence", "audit_entry", ["district_id", "sequence"])
    op.create_index(
        "audit_entry_unsealed",
        "audit_entry",
        ["district_id"],
        sqlite_where=sa.text("sequence IS NULL"),
        postgresql_where=sa.text("sequence IS NULL"),
    )
    op.create_table(
        "audit_chain",
        sa.Column("district_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        _text("digest"),
        sa.PrimaryKeyConstraint("district_id"),
    )


def _move_audit_retention() -> None:
    """Take how long the audit log is kept from the settings to the district."""
    with op.batch_alter_table("district") as table:
        table.add_column(
            sa.Column(
                "audit_retention",
                sa.BigInteger(),
                nullable=False,
                server_default=sa.text(str(_DEFAULT_RETENTION)),
            )
        )
    district = sa.table(
        "district",
        sa.column("district_id"),
        sa.column("settings", sa.Text()),
        sa.column("audit_retention", sa.BigInteger()),
    )
    connection = op.get_bind()
    for row in connection.execute(sa.select(district.c.district_id, district.c.settings)).all():
        kept = json.loads(row.settings).get("retention", [])
        if len(kept) == 3:
            connection.execute(
                district.update()
                .where(district.c.district_id == row.district_id)
                .values(audit_retention=int(kept[2]))
            )
