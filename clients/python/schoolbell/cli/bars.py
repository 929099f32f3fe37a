"""Bars: who may see nothing of a student, set by the district."""

from __future__ import annotations

import click

from schoolbell.cli.session import Session, every_page
from schoolbell.v1 import roster_pb2, roster_service_pb2


@click.group()
def bars() -> None:
    """Bar persons from students' data, lift bars, and list them."""


@bars.command("set")
@click.argument("student_id")
@click.argument("guardian_id")
@click.option("--comment", required=True, help="Why, for the record.")
@click.pass_obj
def set_bar(session: Session, *, student_id: str, guardian_id: str, comment: str) -> None:
    """Bar a person from a student's data, related or not."""
    _change(session, student_id, guardian_id, comment, barred=True)


@bars.command("lift")
@click.argument("student_id")
@click.argument("guardian_id")
@click.option("--comment", required=True, help="Why, for the record.")
@click.option(
    "--source", default="", help="Lift the bar of this source, which no longer delivers; operators."
)
@click.pass_obj
def lift_bar(
    session: Session, *, student_id: str, guardian_id: str, comment: str, source: str
) -> None:
    """Lift the district's bar; what sources bar stays barred."""
    _change(session, student_id, guardian_id, comment, barred=False, source=source)


@bars.command("list")
@click.option("--student", "student_id", default="", help="Only of this student.")
@click.option("--guardian", "guardian_id", default="", help="Only of this person.")
@click.pass_obj
def list_bars(session: Session, *, student_id: str, guardian_id: str) -> None:
    """List the bars that stand."""
    request = roster_service_pb2.ListBarsRequest(
        district_id=session.need_district(),
        student_id=student_id,
        guardian_id=guardian_id,
        page_size=1000,
    )
    with session.client() as client:
        found = [bar for page in every_page(client.roster.ListBars, request) for bar in page.bars]
    _show(session, found)


def _change(
    session: Session,
    student_id: str,
    guardian_id: str,
    comment: str,
    *,
    barred: bool,
    source: str = "",
) -> None:
    request = roster_service_pb2.SetBarRequest(
        district_id=session.need_district(),
        student_id=student_id,
        guardian_id=guardian_id,
        barred=barred,
        comment=comment,
        source=source,
    )
    with session.client() as client:
        found = client.roster.SetBar(request).bars
    _show(session, list(found))


def _show(session: Session, found: list[roster_pb2.Bar]) -> None:
    rows = [
        (
            bar.student_id,
            bar.guardian_id,
            bar.source or "the district",
            bar.set_time.ToJsonString(),
            bar.comment,
        )
        for bar in found
    ]
    session.show_rows(found, ("student", "person", "set by", "set", "comment"), rows)
