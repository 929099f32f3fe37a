"""Schools, calendars and accounts, to choose among."""

from __future__ import annotations

import click

from schoolbell.cli.session import Session, every_page
from schoolbell.v1 import roster_service_pb2

_ALL = click.option("--all", "include_inactive", is_flag=True, help="Also deactivated ones.")


@click.group()
def schools() -> None:
    """List schools."""


@schools.command("list")
@_ALL
@click.pass_obj
def list_schools(session: Session, *, include_inactive: bool) -> None:
    """List the district's schools."""
    request = roster_service_pb2.ListSchoolsRequest(
        district_id=session.need_district(), include_inactive=include_inactive, page_size=1000
    )
    with session.client() as client:
        pages = every_page(client.roster.ListSchools, request)
        found = [school for page in pages for school in page.schools]
    rows = [(one.school_id, one.display_name, one.time_zone) for one in found]
    session.show_rows(found, ("school", "name", "time zone"), rows)


@click.group()
def calendars() -> None:
    """List calendars."""


@calendars.command("list")
@click.option("--school", "school_id", default="", help="Only of this school.")
@click.option("--year", "school_year", default=0, help="Only of the school year that ends in it.")
@_ALL
@click.pass_obj
def list_calendars(
    session: Session, *, school_id: str, school_year: int, include_inactive: bool
) -> None:
    """List calendars with the names of their schools."""
    request = roster_service_pb2.ListCalendarsRequest(
        district_id=session.need_district(),
        school_id=school_id,
        school_year=school_year,
        include_inactive=include_inactive,
        page_size=1000,
    )
    with session.client() as client:
        pages = every_page(client.roster.ListCalendars, request)
        found = [listing for page in pages for listing in page.calendars]
    rows = [
        (
            one.calendar.calendar_id,
            one.calendar.display_name,
            one.school_display_name or one.calendar.school_id,
            one.calendar.school_year,
        )
        for one in found
    ]
    session.show_rows(found, ("calendar", "name", "school", "year"), rows)


@click.group()
def users() -> None:
    """Find accounts."""


@users.command("list")
@click.argument("query", default="")
@click.option("--limit", default=50, show_default=True)
@_ALL
@click.pass_obj
def list_users(session: Session, *, query: str, limit: int, include_inactive: bool) -> None:
    """List accounts whose id, or a word of whose name, begins with QUERY."""
    request = roster_service_pb2.ListUsersRequest(
        district_id=session.need_district(),
        query=query,
        include_inactive=include_inactive,
        page_size=limit,
    )
    with session.client() as client:
        found = client.roster.ListUsers(request).users
    rows = [(one.user_id, one.names.given_name, one.names.family_name) for one in found]
    session.show_rows(found, ("user", "given name", "family name"), rows)
