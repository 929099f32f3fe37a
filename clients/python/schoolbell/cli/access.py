"""Who you are, which keys there are, and who did what."""

from __future__ import annotations

import datetime as dt
import json

import click
from google.protobuf.json_format import MessageToDict

from schoolbell.cli.session import Session
from schoolbell.v1 import access_service_pb2

_ROLES = [name.removeprefix("ROLE_").lower() for name in access_service_pb2.Role.keys()[1:]]
_TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%z"])


@click.command()
@click.pass_obj
def whoami(session: Session) -> None:
    """Show who you are to the service, and what you may do."""
    request = access_service_pb2.GetCallerRequest(district_id=session.district_id)
    with session.client() as client:
        session.show(client.access.GetCaller(request))


@click.command("server-info")
@click.pass_obj
def server_info(session: Session) -> None:
    """Show what the server is, and what a client must stay within."""
    with session.client() as client:
        session.show(client.access.GetServerInfo(access_service_pb2.GetServerInfoRequest()))


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
@click.option(
    "--district", "district_ids", multiple=True, help="One of its districts; default the session's."
)
@click.option(
    "--request-id", default="", help="The same again replaces the secret, for lost answers."
)
@click.pass_obj
def create_key(
    session: Session,
    *,
    role: str,
    name: str,
    sources: tuple[str, ...],
    user_id: str,
    district_ids: tuple[str, ...],
    request_id: str,
) -> None:
    """Create a key and print its secret, which is shown this once."""
    key = access_service_pb2.ApiKey(
        display_name=name,
        role=_role(role),
        sources=sources,
        user_id=user_id,
        district_ids=district_ids,
    )
    request = access_service_pb2.CreateApiKeyRequest(
        district_id=district_ids[0] if district_ids else session.need_district(),
        api_key=key,
        request_id=request_id,
    )
    with session.client() as client:
        answer = client.access.CreateApiKey(request)
    if session.as_json:
        session.show(answer)
    else:
        click.echo(answer.secret)


@keys.command("list")
@click.option("--role", type=click.Choice(_ROLES), help="Only keys of this role.")
@click.option("--user", "user_id", default="", help="Only keys that act for this person.")
@click.pass_obj
def list_keys(session: Session, *, role: str | None, user_id: str) -> None:
    """List keys without their secrets."""
    request = access_service_pb2.ListApiKeysRequest(
        district_id=session.need_district(), role=_role(role), user_id=user_id, page_size=1000
    )
    with session.client() as client:
        found = client.access.ListApiKeys(request).api_keys
    rows = [
        (
            one.api_key_id,
            access_service_pb2.Role.Name(one.role),
            " ".join(one.district_ids),
            one.user_id,
            one.display_name,
        )
        for one in found
    ]
    session.show_rows(found, ("key", "role", "districts", "user", "name"), rows)


def _role(name: str | None) -> access_service_pb2.Role.ValueType:
    if name is None:
        return access_service_pb2.ROLE_UNSPECIFIED
    return access_service_pb2.Role.Value(f"ROLE_{name.upper()}")


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


@click.group()
def audit() -> None:
    """Look who did what."""


@audit.command("list")
@click.option("--key", "key_id", default="", help="Only what this key did.")
@click.option("--user", "user_id", default="", help="Only what this person did.")
@click.option("--method", "methods", multiple=True, help="Only this method; repeat.")
@click.option("--subject", "subjects", multiple=True, help="Only what this was done to; repeat.")
@click.option("--since", type=_TIME, help="At or after this time; a time without a zone is UTC.")
@click.option("--until", type=_TIME, help="Before this time.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.pass_obj
def list_audit(
    session: Session,
    *,
    key_id: str,
    user_id: str,
    methods: tuple[str, ...],
    subjects: tuple[str, ...],
    since: dt.datetime | None,
    until: dt.datetime | None,
    limit: int,
) -> None:
    """List what was done, newest first; `--district -` is what is for all districts."""
    wanted = access_service_pb2.AuditFilter(methods=methods, subjects=subjects)
    if key_id or user_id:
        wanted.principals.add(id=key_id, acting_user_id=user_id)
    if since is not None:
        wanted.start_create_time.FromDatetime(since)
    if until is not None:
        wanted.end_create_time.FromDatetime(until)
    request = access_service_pb2.ListAuditEntriesRequest(
        district_id=session.need_district(), filter=wanted, page_size=limit
    )
    with session.client() as client:
        found = client.access.ListAuditEntries(request).audit_entries
    rows = [
        (
            one.create_time.ToJsonString(),
            one.principal.acting_user_id or one.principal.id,
            one.method.rpartition("/")[2],
            one.subject,
            json.dumps(MessageToDict(one.after)),
        )
        for one in found
    ]
    session.show_rows(found, ("time", "who", "method", "subject", "after"), rows)


@audit.command("verify")
@click.option("--head", default="", help="A digest that you kept: the log must lead through it.")
@click.pass_obj
def verify_audit(session: Session, *, head: str) -> None:
    """Check that nothing was changed in the log or taken out of it; show where it ends."""
    request = access_service_pb2.VerifyAuditLogRequest(district_id=session.need_district())
    if head:
        request.head.digest = head
    with session.client() as client:
        found = client.access.VerifyAuditLog(request)
    session.show(found)
    if found.fault:
        raise SystemExit(1)
