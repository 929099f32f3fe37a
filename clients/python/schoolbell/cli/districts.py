"""Districts, for operators."""

from __future__ import annotations

import click

from schoolbell.cli.session import Session
from schoolbell.v1 import common_pb2, district_service_pb2

_KINDS = [name.removeprefix("KIND_").lower() for name in common_pb2.Kind.keys()[1:]]


@click.group()
def districts() -> None:
    """Create, list and delete districts."""


@districts.command("create")
@click.argument("district_id")
@click.option("--name", default="", help="Its name for people.")
@click.option("--time-zone", required=True, help="Its IANA time zone, such as America/Chicago.")
@click.option("--locale", default="en", show_default=True)
@click.option("--currency", default="USD", show_default=True)
@click.option("--app", "app_ids", multiple=True, required=True, help="One of its apps; repeat.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(_KINDS),
    help="A licensed kind; default all.",
)
@click.pass_obj
def create_district(
    session: Session,
    *,
    district_id: str,
    name: str,
    time_zone: str,
    locale: str,
    currency: str,
    app_ids: tuple[str, ...],
    kinds: tuple[str, ...],
) -> None:
    """Create a district; it starts switched off."""
    district = district_service_pb2.District(
        district_id=district_id,
        display_name=name or district_id,
        time_zone=time_zone,
        locale=locale,
        currency_code=currency,
        licensed_kinds=[common_pb2.Kind.Value(f"KIND_{kind.upper()}") for kind in kinds or _KINDS],
        app_ids=app_ids,
    )
    request = district_service_pb2.CreateDistrictRequest(district_id=district_id, district=district)
    with session.client() as client:
        session.show(client.districts.CreateDistrict(request).district)


@districts.command("list")
@click.pass_obj
def list_districts(session: Session) -> None:
    """List the districts you may read."""
    request = district_service_pb2.ListDistrictsRequest(district_id="-", page_size=1000)
    with session.client() as client:
        found = client.districts.ListDistricts(request).districts
    rows = [(one.district_id, one.display_name, one.time_zone) for one in found]
    session.show_rows(found, ("district", "name", "time zone"), rows)


@districts.command("delete")
@click.argument("district_id")
@click.option("--confirm", required=True, help="The same id once more.")
@click.option("--dry-run", is_flag=True, help="Only count what would be deleted.")
@click.pass_obj
def delete_district(session: Session, *, district_id: str, confirm: str, dry_run: bool) -> None:
    """Delete a district with everything that is stored of it, its audit log included."""
    request = district_service_pb2.DeleteDistrictRequest(
        district_id=district_id, confirm_district_id=confirm, validate_only=dry_run
    )
    with session.client() as client:
        session.show(client.districts.DeleteDistrict(request))
