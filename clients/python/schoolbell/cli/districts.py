"""Districts and API keys, for operators and administrators."""

from __future__ import annotations

import click

from schoolbell.cli.printing import say
from schoolbell.cli.session import Session
from schoolbell.v1 import access_service_pb2, common_pb2, district_service_pb2

_ROLES = [name.removeprefix("ROLE_").lower() for name in access_service_pb2.Role.keys()[1:]]
_KINDS = [name.removeprefix("KIND_").lower() for name in common_pb2.Kind.keys()[1:]]


@click.group()
def districts() -> None:
    """Create and list districts."""


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


@click.group()
def keys() -> None:
    """Create, list and revoke API keys."""


@keys.command("create")
@click.option("--role", type=click.Choice(_ROLES), required=True)
@click.option("--name", required=True, help="Its name for people.")
@click.option(
    "--source", "sources", multiple=True, help="A source it may publish for; default all."
)
@click.option("--user", "user_id", default="", help="For administrators: whose rights it has.")
@click.pass_obj
def create_key(
    session: Session, *, role: str, name: str, sources: tuple[str, ...], user_id: str
) -> None:
    """Create a key and print its secret, which is shown this once."""
    key = access_service_pb2.ApiKey(
        display_name=name,
        role=access_service_pb2.Role.Value(f"ROLE_{role.upper()}"),
        sources=sources,
        user_id=user_id,
    )
    request = access_service_pb2.CreateApiKeyRequest(
        district_id=session.need_district(), api_key=key
    )
    with session.client() as client:
        answer = client.access.CreateApiKey(request)
    if session.as_json:
        session.show(answer)
    else:
        say(answer.secret)


@keys.command("list")
@click.pass_obj
def list_keys(session: Session) -> None:
    """List keys without their secrets."""
    request = access_service_pb2.ListApiKeysRequest(district_id=session.need_district())
    with session.client() as client:
        found = client.access.ListApiKeys(request).api_keys
    rows = [
        (one.api_key_id, access_service_pb2.Role.Name(one.role), one.display_name) for one in found
    ]
    session.show_rows(found, ("key", "role", "name"), rows)


@keys.command("revoke")
@click.argument("key_id")
@click.pass_obj
def revoke_key(session: Session, *, key_id: str) -> None:
    """Revoke a key, from the next call on."""
    request = access_service_pb2.RevokeApiKeyRequest(
        district_id=session.need_district(), api_key_id=key_id
    )
    with session.client() as client:
        session.show(client.access.RevokeApiKey(request).api_key)
