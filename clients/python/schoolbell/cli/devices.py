"""Devices, as the mobile backend would register them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from itertools import islice
from typing import TextIO

import click
from google.protobuf import json_format

from schoolbell.blocking import Client
from schoolbell.cli.session import Session
from schoolbell.errors import from_status
from schoolbell.v1 import common_pb2, device_service_pb2

_MOST = 500  # registrations in one call


@click.group()
def devices() -> None:
    """Register, list, mute and test devices."""


@devices.command("register")
@click.option("--user", "user_id", required=True)
@click.option("--app", "app_id", required=True)
@click.option("--platform", type=click.Choice(["ios", "android"]), required=True)
@click.option("--token", required=True, help="The push token.")
@click.option("--installation", "installation_id", required=True)
@click.option("--stay-logged-in/--no-stay-logged-in", default=True, show_default=True)
@click.option("--locale", default="")
@click.option("--os-version", default="")
@click.option("--app-version", default="")
@click.pass_obj
def register(
    session: Session,
    *,
    user_id: str,
    app_id: str,
    platform: str,
    token: str,
    installation_id: str,
    stay_logged_in: bool,
    locale: str,
    os_version: str,
    app_version: str,
) -> None:
    """Register an installed app for a user."""
    device = device_service_pb2.Device(
        app_id=app_id,
        platform=common_pb2.Platform.Value(f"PLATFORM_{platform.upper()}"),
        installation_id=installation_id,
        stay_logged_in=stay_logged_in,
        locale=locale,
        os_version=os_version,
        app_version=app_version,
    )
    address = device_service_pb2.DeviceAddress()
    if device.platform == common_pb2.PLATFORM_IOS:
        address.apns.device_token = token
    else:
        address.fcm.registration_token = token
    request = device_service_pb2.RegisterDeviceRequest(
        district_id=session.need_district(), user_id=user_id, device=device, address=address
    )
    with session.client() as client:
        session.show(client.devices.RegisterDevice(request).device)


@devices.command("register-batch")
@click.argument("file", type=click.File(encoding="utf-8"))
@click.pass_obj
def register_batch(session: Session, *, file: TextIO) -> None:
    """Register devices from JSON Lines, a DeviceRegistration each; run again, nothing is doubled.

    Bad lines are reported by number; the exit code is 1 if there were any.
    """
    lines = ((number, line) for number, line in enumerate(file, 1) if line.strip())
    counts = {"registered": 0, "refused": 0}
    with session.client() as client:
        while batch := list(islice(lines, _MOST)):
            for number, refusal in _register(session, client, batch):
                counts["refused" if refusal else "registered"] += 1
                if refusal:
                    click.echo(f"line {number}: {refusal}", err=True)
    for name, count in counts.items():
        click.echo(f"{name} {count}")
    if counts["refused"]:
        raise SystemExit(1)


def _register(
    session: Session, client: Client, batch: list[tuple[int, str]]
) -> Iterator[tuple[int, str]]:
    """Yield each line's number with why it was refused; empty is that it was taken."""
    numbers, registrations = [], []
    for number, line in batch:
        try:
            found = json_format.Parse(line, device_service_pb2.DeviceRegistration())
        except json_format.ParseError as error:
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


@devices.command("mute")
@click.option("--user", "user_id", required=True)
@click.option("--device", "device_id", required=True)
@click.pass_obj
def mute(session: Session, *, user_id: str, device_id: str) -> None:
    """Silence a device as a whole; what its user subscribed to is kept."""
    _set_muted(session, user_id, device_id, muted=True)


@devices.command("unmute")
@click.option("--user", "user_id", required=True)
@click.option("--device", "device_id", required=True)
@click.pass_obj
def unmute(session: Session, *, user_id: str, device_id: str) -> None:
    """Let a muted device be told again."""
    _set_muted(session, user_id, device_id, muted=False)


def _set_muted(session: Session, user_id: str, device_id: str, *, muted: bool) -> None:
    request = device_service_pb2.UpdateDeviceRequest(
        district_id=session.need_district(),
        user_id=user_id,
        device_id=device_id,
        device=device_service_pb2.Device(muted=muted),
    )
    with session.client() as client:
        session.show(client.devices.UpdateDevice(request).device)


@devices.command("test")
@click.option("--user", "user_id", required=True)
@click.option("--device", "device_id", required=True)
@click.option("--request", "request_id", default="", help="Repeated with it, none is sent again.")
@click.pass_obj
def send_test(session: Session, *, user_id: str, device_id: str, request_id: str) -> None:
    """Send a test notification, and show what the provider answered."""
    request = device_service_pb2.SendTestNotificationRequest(
        district_id=session.need_district(),
        user_id=user_id,
        device_id=device_id,
        request_id=request_id or str(uuid.uuid4()),  # the client tries again
    )
    with session.client() as client:
        session.show(client.devices.SendTestNotification(request))


@devices.command("list")
@click.option("--user", "user_id", required=True)
@click.pass_obj
def list_devices(session: Session, *, user_id: str) -> None:
    """List a user's devices."""
    request = device_service_pb2.ListDevicesRequest(
        district_id=session.need_district(), user_id=user_id, page_size=1000
    )
    with session.client() as client:
        found = client.devices.ListDevices(request).devices
    rows = [
        (
            one.device_id,
            one.app_id,
            common_pb2.Platform.Name(one.platform).removeprefix("PLATFORM_"),
            "retired" if one.HasField("retirement") else "muted" if one.muted else "live",
        )
        for one in found
    ]
    session.show_rows(found, ("device", "app", "platform", "state"), rows)
