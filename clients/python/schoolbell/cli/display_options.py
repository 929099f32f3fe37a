"""The display options of calendars."""

from __future__ import annotations

import click

from schoolbell.cli.session import Session
from schoolbell.v1 import settings_service_pb2


@click.group("display-options")
def display_options() -> None:
    """Reset the display options of calendars."""


@display_options.command("reset")
@click.argument("calendar_ids", nargs=-1, required=True)
@click.pass_obj
def reset(session: Session, *, calendar_ids: tuple[str, ...]) -> None:
    """Drop what calendars store, so that the district's default holds for them again."""
    request = settings_service_pb2.ResetDisplayOptionsRequest(
        district_id=session.need_district(), calendar_ids=calendar_ids
    )
    with session.client() as client:
        found = client.settings.ResetDisplayOptions(request).display_options
    rows = [(one.calendar_id, "shown" if one.enabled else "hidden") for one in found]
    session.show_rows(list(found), ("calendar", "by default"), rows)
