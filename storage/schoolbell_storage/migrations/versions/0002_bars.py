"""Bars of several origins, and what an import provides."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_CALENDAR, _RELATIONSHIP = "2", "4"
"""The types of records whose columns change, as the batches that wait name them."""


def upgrade() -> None:
    """Take this step."""
    _create_bars()
    _fill_bars()
    op.drop_column("relationship", "barred")
    op.drop_column("relationship", "locally_set")
    op.add_column(
        "calendar", sa.Column("display_name", sa.Text(), server_default="", nullable=False)
    )
    for name in ("max_portal_loss_percent", "max_birth_date_loss_percent"):
        percent: sa.Column[float] = sa.Column(
            name, sa.Double(), server_default=sa.text("5"), nullable=False
        )
        op.add_column("roster_import", percent)
    allowed: sa.Column[bool] = sa.Column(
        "allow_bar_loss", sa.Boolean(), server_default=sa.text("false"), nullable=False
    )
    op.add_column("roster_import", allowed)
    op.execute(
        "UPDATE roster_import SET state = 'validated' WHERE validate_only AND state = 'applied'"
    )
    _rewrite_reports()
    _rewrite_waiting()


def _create_bars() -> None:
    op.create_table(
        "bar",
        sa.Column("district_id", sa.Text(), nullable=False),
        sa.Column("student_id", sa.Text(), nullable=False),
        sa.Column("guardian_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("set_time", sa.BigInteger(), nullable=False),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.Column("principal_type", sa.SmallInteger(), nullable=True),
        sa.Column("principal_id", sa.Text(), server_default="", nullable=False),
        sa.Column("acting_user_id", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("district_id", "student_id", "guardian_id", "source"),
    )
    op.create_index("bar_by_guardian", "bar", ["district_id", "guardian_id"])


def _fill_bars() -> None:
    """Take the bars along: those set by hand are the district's, the others their source's.

    Also those of relationships that are not active: they would have come back with them.
    """
    op.execute(
        "INSERT INTO bar (district_id, student_id, guardian_id, source, set_time) "
        "SELECT district_id, student_id, guardian_id, "
        "CASE WHEN locally_set THEN '' ELSE source END, update_time "
        "FROM relationship WHERE barred"
    )


def _rewrite_reports() -> None:
    """Say of every problem that its code is not known (0), and that it is an error (1)."""
    imports = sa.table(
        "roster_import",
        sa.column("district_id", sa.Text),
        sa.column("import_id", sa.Text),
        sa.column("report", sa.Text),
    )
    connection = op.get_bind()
    names = connection.execute(sa.select(imports.c.district_id, imports.c.import_id)).all()
    for name in names:
        same = sa.and_(*(imports.c[key] == value for key, value in name._mapping.items()))
        text = connection.execute(sa.select(imports.c.report).where(same)).scalar_one()
        report = json.loads(text)
        report["problems"] = [[*problem, 0, 1] for problem in report.get("problems", [])]
        connection.execute(sa.update(imports).where(same).values(report=_compact(report)))


def _rewrite_waiting() -> None:
    """Give the records of imports that wait to be applied the columns of today."""
    stage = sa.table(
        "roster_stage",
        sa.column("district_id", sa.Text),
        sa.column("import_id", sa.Text),
        sa.column("position", sa.Integer),
        sa.column("records", sa.LargeBinary),
    )
    connection = op.get_bind()
    names = connection.execute(
        sa.select(stage.c.district_id, stage.c.import_id, stage.c.position)
    ).all()
    for name in names:
        same = sa.and_(*(stage.c[key] == value for key, value in name._mapping.items()))
        batch = connection.execute(sa.select(stage.c.records).where(same)).scalar_one()
        connection.execute(sa.update(stage).where(same).values(records=_rewritten(batch)))


def _rewritten(batch: bytes) -> bytes:
    rows = {
        record_type: [_row(record_type, row) for row in waiting]
        for record_type, waiting in json.loads(batch).items()
    }
    return _compact(rows).encode()


def _compact(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _row(record_type: str, row: list[Any]) -> list[Any]:
    """Return a row as it waits now: what it provides, here everything, comes before its columns."""
    index, removed, *columns = row
    if record_type == _CALENDAR:
        columns.append(None if removed else "")
    if record_type == _RELATIONSHIP:
        student_id, guardian_id, relation, portal, barred, _, consent, start, end = columns
        columns = [student_id, guardian_id, relation, portal, consent, start, end, barred]
    return [index, removed, None, *columns]
