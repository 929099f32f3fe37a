"""Facts have their kind in a column of its own, and the retention of a district its names."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_WORDS = {"assignment": 1, "grade": 2, "attendance": 3, "lunch": 4, "responsive": 5}
"""The kind of a fact, by the word with which its key begins."""


def upgrade() -> None:
    """Take this step."""
    _store_kinds()
    _name_retention()


def _store_kinds() -> None:
    """Store the kind of each fact: before, two letters of its key stood for it.

    No table is made anew, as a batch operation would: that cannot copy a generated column.
    """
    op.drop_index("fact_by_age", "fact")
    op.execute("ALTER TABLE fact DROP COLUMN kind_letters")
    op.execute("ALTER TABLE fact ADD COLUMN kind SMALLINT NOT NULL DEFAULT 0")
    fact = sa.table("fact", sa.column("fact_key"), sa.column("kind"))
    kinds = [(_begins(fact.c.fact_key, f'["{word}",'), kind) for word, kind in _WORDS.items()]
    op.execute(fact.update().values(kind=sa.case(*kinds, else_=0)))
    op.create_index("fact_by_age", "fact", ["district_id", "kind", "update_day"])


def _begins(key: sa.ColumnElement[str], begin: str) -> sa.ColumnElement[bool]:
    return sa.func.substr(key, 1, len(begin)) == begin


def _name_retention() -> None:
    """Name what is kept how long: before, it was a list (that of first versions had a third)."""
    district = sa.table("district", sa.column("district_id"), sa.column("settings"))
    connection = op.get_bind()
    for row in connection.execute(sa.select(district)).all():
        settings = json.loads(row.settings)
        if "retention" in settings:
            changes, deliveries, *_ = settings["retention"]
            settings["retention"] = {"changes": changes, "deliveries": deliveries}
            text = json.dumps(settings, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
            same = district.c.district_id == row.district_id
            connection.execute(district.update().where(same).values(settings=text))
