"""The district's switch and settings."""

from __future__ import annotations

import click
from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask

from schoolbell.cli.session import Session
from schoolbell.v1 import settings_service_pb2


@click.group()
def settings() -> None:
    """See and save the page Push Notifications."""


@settings.command("get")
@click.pass_obj
def get_settings(session: Session) -> None:
    """Show the settings with the state of the service."""
    request = settings_service_pb2.GetSettingsRequest(district_id=session.need_district())
    with session.client() as client:
        session.show(client.settings.GetSettings(request).settings)


@settings.command("set")
@click.option("--enable/--disable", "enabled", default=None, help="Enable Push Notifications.")
@click.option(
    "--detail", type=click.Choice(["generic", "detailed"]), help="The most that a push may say."
)
@click.option("--file", "file", type=click.File(), help="Further settings as ProtoJSON.")
@click.pass_obj
def set_settings(
    session: Session, *, enabled: bool | None, detail: str | None, file: click.File | None
) -> None:
    """Save settings; what is not named stays as it is."""
    chosen, paths = settings_service_pb2.Settings(), []
    if file is not None:
        text = file.read()  # type: ignore[attr-defined]
        try:
            json_format.Parse(text, chosen)
        except json_format.ParseError as error:
            raise click.UsageError(f"--file: {error}") from None
        paths += [field.name for field, _ in chosen.ListFields()]
    if enabled is not None:
        chosen.enabled = enabled
        paths.append("enabled")
    if detail is not None:
        chosen.detail_level = f"DETAIL_LEVEL_{detail.upper()}"  # type: ignore[assignment]
        paths.append("detail_level")
    if not paths:
        raise click.UsageError("name something to save")
    request = settings_service_pb2.UpdateSettingsRequest(
        district_id=session.need_district(),
        settings=chosen,
        update_mask=FieldMask(paths=sorted(set(paths))),
    )
    with session.client() as client:
        session.show(client.settings.UpdateSettings(request).settings)
