"""Devices, as the mobile backend would register them."""

from __future__ import annotations

import click

from schoolbell.cli.session import Session
from schoolbell.v1 import common_pb2, device_service_pb2


@click.group()
def devices() -> None:
    """Register and list devices."""


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
            "retired" if one.HasField("retirement") else "live",
        )
        for one in found
    ]
    session.show_rows(found, ("device", "app", "platform", "state"), rows)
