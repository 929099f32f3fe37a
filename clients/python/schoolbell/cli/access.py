"""Who you are, who may do what, which keys there are, and who did what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from schoolbell.cli.choosing import Member
from schoolbell.cli.failing import Failed
from schoolbell.cli.groups import add_calls
from schoolbell.cli.output import columns
from schoolbell.cli.profiles import write_private
from schoolbell.cli.rpc import Rpc
from schoolbell.cli.session import Session
from schoolbell.cli.shared import Command
from schoolbell.v1 import access_service_pb2 as access

whoami = Rpc(
    call="access.GetCaller",
    help="Show who you are to the service, and what you may do.",
    example="whoami",
    any_district=True,
).command("whoami")

server_info = Rpc(
    call="access.GetServerInfo",
    help="Show what the server is, and what a client must stay within.",
    example="server-info",
).command("server-info")


@click.group()
def rights() -> None:
    """Grant, revoke and list what persons may do with the tools."""


_RIGHTS = columns("type=grantee_type", "person or group=grantee_id", "tool=tool", "right=right")
_TOOLS = [
    click.Option(["--user", "users"], multiple=True, help="A person; repeat."),
    click.Option(["--group", "groups"], multiple=True, help="A group of your credentials; repeat."),
    click.Option(
        ["--tool", "tools"],
        multiple=True,
        required=True,
        type=Member(access.Tool.DESCRIPTOR),
        help="A tool; repeat.",
    ),
    click.Option(
        ["--right"],
        type=Member(access.Right.DESCRIPTOR),
        default="write",
        show_default=True,
        help="What may be done with it; write includes read.",
    ),
]


def _add_rights(request: Any, chosen: dict[str, Any]) -> None:
    """Name a right for each of the persons and groups on each of the tools."""
    users, groups = chosen.pop("users"), chosen.pop("groups")
    tools, right = chosen.pop("tools"), chosen.pop("right")
    grantees = [(access.GRANTEE_TYPE_USER, one) for one in users]
    grantees += [(access.GRANTEE_TYPE_GROUP, one) for one in groups]
    if not grantees:
        raise click.UsageError("name somebody with --user or --group")
    for kind, grantee_id in grantees:
        for tool in tools:
            request.rights.add(grantee_type=kind, grantee_id=grantee_id, tool=tool, right=right)


add_calls(
    rights,
    {
        "list": Rpc(
            call="access.ListRights",
            help="List who may do what with which tool.",
            example="rights list --tool bars",
            options={"grantee_id": "user"},
            columns=_RIGHTS,
            nothing="rights",
        ),
        "grant": Rpc(
            call="access.GrantRights",
            help="Grant rights on tools; what is granted already stays so.",
            example="rights grant --user clerk --tool push_notifications --tool bars",
            options={"rights": ""},
            more=_TOOLS,
            prepare=_add_rights,
            columns=_RIGHTS,
            nothing="rights",
        ),
        "revoke": Rpc(
            call="access.RevokeRights",
            help="Revoke rights on tools, from the next call on.",
            example="rights revoke --user clerk --tool bars",
            options={"rights": ""},
            more=_TOOLS,
            prepare=_add_rights,
            columns=_RIGHTS,
            nothing="rights left",
        ),
    },
)


@click.group()
def keys() -> None:
    """Create, list and revoke API keys."""


@keys.command(
    "create",
    cls=Command,
    calls=["access.CreateApiKey"],
    examples=["keys create --role publisher --name sis --source sis --out publisher.key"],
)
@click.option("--role", type=Member(access.Role.DESCRIPTOR), required=True)
@click.option("--name", required=True, help="Its name for people.")
@click.option(
    "--source", "sources", multiple=True, help="A source it may publish for; default all."
)
@click.option("--user", "user_id", default="", help="For administrators: whose rights it has.")
@click.option("--for", "district_ids", multiple=True, help="Another of its districts; repeat.")
@click.option(
    "--request-id", default="", help="The same again replaces the secret, for lost answers."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the secret to a new file that only you can read, instead of printing it.",
)
@click.pass_obj
def create_key(
    session: Session,
    *,
    role: int,
    name: str,
    sources: tuple[str, ...],
    user_id: str,
    district_ids: tuple[str, ...],
    request_id: str,
    out: Path | None,
) -> None:
    """Create a key and print its secret, which is shown this once."""
    district_id = session.need_district()
    key = access.ApiKey(
        display_name=name,
        role=access.Role.ValueType(role),
        sources=sources,
        user_id=user_id,
        district_ids=dict.fromkeys([district_id, *district_ids]) if district_ids else (),
    )
    request = access.CreateApiKeyRequest(
        district_id=district_id, api_key=key, request_id=request_id
    )
    if out is not None:
        _reserve(out)
    try:
        with session.client() as client:
            answer = client.access.CreateApiKey(request)
    except BaseException:
        if out is not None:
            out.unlink()
        raise
    if out is not None:
        out.write_text(f"{answer.secret}\n", encoding="utf-8")
        answer.ClearField("secret")
        if session.output.is_for_people:
            click.echo(f"wrote {out}", err=True)
    elif session.output.is_for_people:
        click.echo(answer.secret)
        return
    if not session.output.is_for_people:
        session.output.message(answer)


def _reserve(out: Path) -> None:
    """Make the file before the key is made, so that no secret is lost."""
    try:
        write_private(out, "")
    except FileExistsError:
        raise Failed(f"{out} is there already: name a new file, or remove it") from None
    except OSError as error:
        raise Failed(f"{out} cannot be written: {error.strerror}") from None


add_calls(
    keys,
    {
        "list": Rpc(
            call="access.ListApiKeys",
            help="List keys without their secrets; --district - is those of all districts.",
            example="keys list --role publisher",
            options={"include_ended": "all"},
            columns=columns(
                "key=api_key_id",
                "name=display_name",
                "role=role",
                "?user=user_id",
                "?sources=sources",
                "?last used=last_use_time",
                "?expires=expire_time",
                "+districts=district_ids",
                "+tail=secret_tail",
                "+created=create_time",
                "+revoked=revoke_time",
            ),
            nothing="keys",
        ),
        "revoke": Rpc(
            call="access.RevokeApiKey",
            help="Revoke a key, from the next call on.",
            example="keys revoke 4f5c4f1e-9a3f-4c1e-8d4e-0f5f4f1e9a3f",
            arguments=["api_key_id"],
        ),
    },
)


@click.group()
def audit() -> None:
    """See who did what, and check that nobody changed the log."""


def _set_principal(request: Any, chosen: dict[str, Any]) -> None:
    key_id, user_id = chosen.pop("key_id") or "", chosen.pop("user_id") or ""
    if key_id or user_id:
        request.filter.principals.add(id=key_id, acting_user_id=user_id)


add_calls(
    audit,
    {
        "list": Rpc(
            call="access.ListAuditEntries",
            help="List what was done, newest first; --district - is what is for all districts.",
            example="audit list --method schoolbell.v1.StatusService/CancelDeliveries",
            parts=["filter"],
            options={"filter.principals": ""},
            more=[
                click.Option(["--key", "key_id"], help="Only what this key did."),
                click.Option(["--user", "user_id"], help="Only what this person did."),
            ],
            prepare=_set_principal,
            columns=columns(
                "time=create_time",
                "who=principal",
                ("method", lambda one: one.method.rpartition("/")[2]),
                "subject=subject",
                "?after=after",
                "+before=before",
                "+from=client_address",
                "+request=request_id",
            ),
            nothing="entries",
        ),
        "verify": Rpc(
            call="access.VerifyAuditLog",
            help="Check that nobody changed the log or took something out of it; show its end.",
            example="audit verify --head 5f1c…",
            options={"head": ""},
            more=[
                click.Option(
                    ["--head", "digest"],
                    help="A digest that you kept: the log must lead through it.",
                )
            ],
            prepare=lambda request, chosen: _set_head(request, chosen.pop("digest")),
            fails=lambda answer: bool(answer.fault),
        ),
    },
)


def _set_head(request: Any, digest: str | None) -> None:
    if digest:
        request.head.digest = digest
