"""Districts, for operators, and what calendars show."""

from __future__ import annotations

from typing import Any

import click

from schoolbell.cli.groups import add_calls
from schoolbell.cli.output import columns
from schoolbell.cli.rpc import Rpc
from schoolbell.v1 import common_pb2


@click.group()
def districts() -> None:
    """Create, change, list and delete districts."""


_FIELDS = {
    "district.display_name": "name",
    "district.currency_code": "currency",
    "district.licensed_kinds": "kind",
    "district.app_ids": "app",
    "district.district_id": "",
}


def _complete(request: Any, chosen: dict[str, Any]) -> None:
    """Give a new district its id as its name, every kind, and US dollars, unless it is told."""
    request.district_id = chosen["district_id"]
    district = request.district
    district.district_id = district.display_name = request.district_id
    district.locale, district.currency_code = "en", "USD"
    if not chosen["district__licensed_kinds"]:
        district.licensed_kinds.extend(common_pb2.Kind.values()[1:])


add_calls(
    districts,
    {
        "create": Rpc(
            call="districts.CreateDistrict",
            help="Create a district; it starts switched off.",
            example="districts create maple --time-zone America/Chicago --app district-parent",
            arguments=["district_id"],
            parts=["district"],
            options=_FIELDS,
            prepare=_complete,
        ),
        "get": Rpc(call="districts.GetDistrict", help="Show a district.", example="districts get"),
        "list": Rpc(
            call="districts.ListDistricts",
            help="List the districts you may read.",
            example="districts list",
            fixed={"district_id": "-"},
            any_district=True,
            columns=columns(
                "district=district_id",
                "name=display_name",
                "time zone=time_zone",
                "?year=active_school_year",
                "?locale=locale",
                "?currency=currency_code",
                "?apps=app_ids",
                "+kinds=licensed_kinds",
                "+created=create_time",
            ),
            nothing="districts",
        ),
        "update": Rpc(
            call="districts.UpdateDistrict",
            help="Change what is named of a district; the rest stays.",
            example='districts update --name "Maple County Schools"',
            parts=["district"],
            options=_FIELDS,
            patch="district",
        ),
        "delete": Rpc(
            call="districts.DeleteDistrict",
            help="Delete a district with everything that is stored of it, its audit log included.",
            example="districts delete maple-county --confirm maple-county --dry-run",
            arguments=["district_id"],
            options={"confirm_district_id": "confirm"},
        ),
    },
)


@click.group("display-options")
def display_options() -> None:
    """See, change and reset what calendars show in the apps."""


_SHOWN = columns(
    "calendar=calendar_id",
    ("shown", lambda one: "yes" if one.enabled else "no"),
    "students' app=student_app_kinds",
    "parents' app=parent_app_kinds",
    "?hidden terms=disabled_term_ids",
    ("by", lambda one: "the district" if one.inherited else "itself"),
)
add_calls(
    display_options,
    {
        "get": Rpc(
            call="settings.GetDisplayOptions",
            help="Show what a calendar shows.",
            example="display-options get maple-high:2027",
            arguments=["calendar_id"],
        ),
        "list": Rpc(
            call="settings.ListDisplayOptions",
            help="List what calendars show.",
            example="display-options list --year 2027",
            options={"school_year": "year"},
            columns=_SHOWN,
            nothing="calendars",
        ),
        "set": Rpc(
            call="settings.UpdateDisplayOptions",
            help="Change what is named for calendars; the rest stays.",
            example="display-options set maple-high:2027 --parent-app-kind grade",
            arguments=["calendar_ids"],
            parts=["display_options"],
            options={"display_options.calendar_id": ""},
            patch="display_options",
            columns=_SHOWN,
        ),
        "reset": Rpc(
            call="settings.ResetDisplayOptions",
            help="Drop what calendars store, so that the district's default holds for them again.",
            example="display-options reset maple-high:2027",
            arguments=["calendar_ids"],
            columns=_SHOWN,
        ),
    },
)
