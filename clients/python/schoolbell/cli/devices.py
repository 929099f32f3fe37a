"""Devices, as the mobile backend would register them, their notifications and receipts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, cast

import click

from schoolbell.blocking import Client
from schoolbell.cli.groups import add_calls
from schoolbell.cli.output import columns
from schoolbell.cli.progress import Progress
from schoolbell.cli.reading import FILE
from schoolbell.cli.rpc import Rpc
from schoolbell.cli.session import Session
from schoolbell.cli.shared import Command
from schoolbell.errors import from_status
from schoolbell.proto_json import BadJson, parse
from schoolbell.v1 import common_pb2, delivery_pb2, device_service_pb2

_MOST = 500  # registrations in one call
_OPTIONS = {"device.installation_id": "installation", "device.user_id": "", "address": ""}
_ADDRESS = [
    click.Option(["--token"], required=True, help="The push token that the provider gave the app."),
    click.Option(
        ["--environment"],
        type=click.Choice(["production", "sandbox"]),
        default="production",
        show_default=True,
        help="The environment of an iOS app's build.",
    ),
]


@click.group()
def devices() -> None:
    """Register, list, change, mute and test devices."""


def _set_address(request: Any, chosen: dict[str, Any]) -> None:
    token, environment = chosen.pop("token"), chosen.pop("environment")
    if chosen["device__platform"] == common_pb2.PLATFORM_IOS:
        request.address.apns.device_token = token
        request.address.apns.environment = common_pb2.ProviderEnvironment.Value(
            f"PROVIDER_ENVIRONMENT_{environment.upper()}"
        )
    else:
        request.address.fcm.registration_token = token
    if chosen["device__stay_logged_in"] is None:
        chosen["device__stay_logged_in"] = True


@devices.command(
    "register-batch",
    cls=Command,
    calls=["devices.BatchRegisterDevices"],
    examples=["devices register-batch devices.jsonl", "devices register-batch - < devices.jsonl"],
)
@click.argument("file", type=FILE)
@click.pass_obj
def register_batch(session: Session, *, file: Path) -> None:
    """Register devices from JSON Lines, a DeviceRegistration each; run again, nothing is doubled.

    Bad lines are reported by number; the exit code is 1 if there were any.
    """
    counts = {"registered": 0, "refused": 0}
    with (
        click.open_file(str(file), encoding="utf-8-sig", errors="replace") as opened,
        Progress(session.output, "registering") as progress,
        session.client() as client,
    ):
        lines = ((number, line) for number, line in enumerate(opened, 1) if line.strip())
        while batch := list(islice(lines, _MOST)):
            for number, refusal in _register(session, client, batch):
                counts["refused" if refusal else "registered"] += 1
                if refusal:
                    text = f"line {number}: {refusal}"
                    session.output.note(text, line=number, error=refusal)
            progress.advance(len(batch))
    session.output.counts(**counts)
    if counts["refused"]:
        raise SystemExit(1)


def _register(
    session: Session, client: Client, batch: list[tuple[int, str]]
) -> Iterator[tuple[int, str]]:
    """Yield each line's number with why it was refused; empty is that it was taken."""
    numbers, registrations = [], []
    for number, line in batch:
        try:
            found = parse(line, device_service_pb2.DeviceRegistration())
        except BadJson as error:
            yield number, str(error)
        else:
            numbers.append(number)
            registrations.append(found)
    if not registrations:
        return
    request = device_service_pb2.BatchRegisterDevicesRequest(
        district_id=session.need_district(), registrations=registrations
    )
    results = client.devices.BatchRegisterDevices(request).results
    for number, result in zip(numbers, results, strict=True):
        yield number, str(from_status(result.error)) if result.HasField("error") else ""


def _state(one: device_service_pb2.Device) -> str:
    return "retired" if one.HasField("retirement") else "muted" if one.muted else "live"


def _set_request_id(request: Any, chosen: dict[str, Any]) -> None:
    request.request_id = chosen.pop("request_id") or str(uuid.uuid4())  # the client tries again


def _set_muted(*, muted: bool) -> Rpc:
    does = "Silence a device as a whole; what its user subscribed to is kept."
    return Rpc(
        call="devices.UpdateDevice",
        help=does if muted else "Let a muted device be told again.",
        example=f"devices {'mute' if muted else 'unmute'} --user g5001 --device 971fe670-…",
        options={"device": "", "device_id": "device"},
        prepare=lambda request, _: _mute(request, muted=muted),
    )


def _mute(request: Any, *, muted: bool) -> None:
    request.device.muted = muted
    request.update_mask.paths.append("muted")


_PERSONS = {
    "device.user_id": "",
    "device.device_id": "",
    "device.app_id": "",
    "device.platform": "",
    "device.installation_id": "",
}
add_calls(
    devices,
    {
        "register": Rpc(
            call="devices.RegisterDevice",
            help="Register an installed app for a user, who stays logged in unless told otherwise.",
            example="devices register --user g5001 --app district-parent --platform ios "
            "--token abab… --installation my-phone --environment sandbox",
            parts=["device"],
            options=_OPTIONS,
            more=_ADDRESS,
            prepare=_set_address,
        ),
        "list": Rpc(
            call="devices.ListDevices",
            help="List a user's devices.",
            example="devices list --user g5001",
            options={"include_retired": "all"},
            columns=columns(
                "device=device_id",
                "app=app_id",
                "platform=platform",
                "environment=environment",
                ("state", _state),
                "?why=retirement.reason",
                "?last seen=last_seen_time",
                "?token=address_tail",
                "?locale=locale",
                "+installation=installation_id",
                "+os=os_version",
                "+version=app_version",
                "+stays logged in=stay_logged_in",
            ),
            nothing="devices",
        ),
        "get": Rpc(
            call="devices.GetDevice",
            help="Show a device.",
            example="devices get --user g5001 --device 971fe670-aa15-4971-8f6b-5346ddfd1fda",
        ),
        "update": Rpc(
            call="devices.UpdateDevice",
            help="Change what is named of a device; the rest stays.",
            example="devices update --user g5001 --device 971fe670-… --locale es",
            parts=["device"],
            options=_PERSONS,
            patch="device",
        ),
        "mute": _set_muted(muted=True),
        "unmute": _set_muted(muted=False),
        "unregister": Rpc(
            call="devices.UnregisterDevice",
            help="Retire a device and drop its address; its user's choices stay.",
            example="devices unregister --user g5001 --device 971fe670-…",
        ),
        "sign-out": Rpc(
            call="devices.SignOut",
            help="Sign a user out of every app: nothing is sent until they sign in again.",
            example="devices sign-out --user g5001",
        ),
        "test": Rpc(
            call="devices.SendTestNotification",
            help="Send a test notification, and show what the provider answered.",
            example="devices test --user g5001 --device 971fe670-…",
            options={"request_id": "request"},
            prepare=_set_request_id,
            fails=lambda answer: answer.attempt.outcome != delivery_pb2.OUTCOME_ACCEPTED,
        ),
    },
)


@click.group()
def notifications() -> None:
    """Read a notification as its phone does, and report what the phone did."""


def _check_target(request: Any, chosen: dict[str, Any]) -> None:
    if (chosen["notification_id"] is None) == (chosen["delivery_id"] is None):
        raise click.UsageError("name one of --notification and --delivery")


notifications.add_command(
    Rpc(
        call="devices.GetNotification",
        help="Show the whole text of a notification, if its user may still see it.",
        example="notifications get --user g5001 --delivery 01a2239c-… --locale es",
        prepare=_check_target,
    ).command("get")
)


@notifications.command(
    "receipt",
    cls=Command,
    calls=["devices.ReportReceipts"],
    examples=["notifications receipt opened 01a2239c-… --user g5001"],
)
@click.argument("event", type=click.Choice(["displayed", "opened"]))
@click.argument("delivery_ids", nargs=-1, required=True, metavar="DELIVERY...")
@click.option("--user", "user_id", required=True, help="The person.")
@click.pass_obj
def receipt(session: Session, *, event: str, delivery_ids: tuple[str, ...], user_id: str) -> None:
    """Report that a phone displayed or opened notifications just now."""
    request = device_service_pb2.ReportReceiptsRequest(
        district_id=session.need_district(), user_id=user_id
    )
    number = device_service_pb2.ReceiptEvent.Value(f"RECEIPT_EVENT_{event.upper()}")
    for delivery_id in delivery_ids:
        request.receipts.add(delivery_id=delivery_id, event=number).event_time.GetCurrentTime()
    with session.client() as client:
        results = client.devices.ReportReceipts(request).results
    refused = [one for one in results if one.HasField("error")]
    for one in refused:
        text = str(from_status(one.error))
        session.output.note(text, error=text)
    taken = cast(Any, [one for one in results if not one.HasField("error")])
    session.output.rows(taken, columns("state=state"), "receipts taken")
    if refused:
        raise SystemExit(1)
