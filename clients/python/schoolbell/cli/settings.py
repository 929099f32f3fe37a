"""The district's switch and settings: the page Push Notifications."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from rich.console import Group, RenderableType

from schoolbell.blocking import Client
from schoolbell.cli import values
from schoolbell.cli.choosing import KIND, Member, read_span
from schoolbell.cli.output import cell, pairs, plain_table
from schoolbell.cli.reading import FILE, read_message
from schoolbell.cli.session import Session
from schoolbell.cli.shared import Command
from schoolbell.v1 import common_pb2
from schoolbell.v1 import settings_service_pb2 as messages

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@click.group()
def settings() -> None:
    """See and save the page Push Notifications."""


@settings.command("get", cls=Command, calls=["settings.GetSettings"], examples=["settings get"])
@click.pass_obj
def get_settings(session: Session) -> None:
    """Show the settings with the state of the service, as an administrator reads them."""
    with session.client() as client:
        _show(session, _get(session, client))


_SPANS = (
    ("--time-to-live", "time_to_live", "KIND=SPAN, such as grade=2d: told no later; repeat."),
    ("--hold", "hold", "KIND=SPAN, such as grade=10m: wait for a newer value; repeat."),
)


def _span_options(command: Decorated) -> Decorated:
    for option, field, text in _SPANS:
        command = click.option(option, field, multiple=True, help=text)(command)
    return command


@settings.command(
    "set",
    cls=Command,
    calls=["settings.UpdateSettings", "settings.GetSettings"],
    examples=[
        "settings set --enable --detail generic",
        "settings set --hold grade=10m --time-to-live grade=2d --keep-deliveries 90d",
        "settings set --file settings.json",
    ],
)
@click.option("--enable/--disable", "enabled", default=None, help="Enable Push Notifications.")
@click.option(
    "--detail",
    "detail_level",
    type=Member(common_pb2.DetailLevel.DESCRIPTOR),
    help="The most that a push may say.",
)
@click.option(
    "--adult-students",
    "adult_student_rule",
    type=Member(messages.AdultStudentRule.DESCRIPTOR),
    help="Who is told of a student of age.",
)
@click.option("--enrollment-grace", help="How long after an enrollment ends grades are told: 14d.")
@_span_options
@click.option("--keep-changes", help="How long changes are kept, such as 400d.")
@click.option("--keep-deliveries", help="How long deliveries are kept, such as 90d.")
@click.option("--file", "file", type=FILE, help="Further settings as ProtoJSON; - is stdin.")
@click.pass_obj
def set_settings(session: Session, /, *, file: Path | None, **chosen: Any) -> None:
    """Save settings; what is not named stays as it is."""
    wanted = messages.Settings()
    if file is not None:
        read_message(file, wanted)
    for name in ("enabled", "detail_level", "adult_student_rule"):
        if chosen[name] is not None:
            setattr(wanted, name, chosen[name])
    if chosen["enrollment_grace"]:
        wanted.enrollment_grace.CopyFrom(_span("--enrollment-grace", chosen["enrollment_grace"]))
    merged = {name: chosen[name] for name in ("keep_changes", "keep_deliveries") if chosen[name]}
    spans = [
        (field, *_kind_span(option, text)) for option, field, _ in _SPANS for text in chosen[field]
    ]
    if not (wanted.ListFields() or merged or spans):
        raise click.UsageError("name something to save")
    with session.client() as client:
        if merged or spans:
            _merge(wanted, _get(session, client), merged, spans)
        request = messages.UpdateSettingsRequest(
            district_id=session.need_district(),
            settings=wanted,
            update_mask=FieldMask(
                paths=[field.name for field, _ in wanted.ListFields() if field.name != "etag"]
            ),
        )
        _show(session, client.settings.UpdateSettings(request).settings)


def _get(session: Session, client: Client) -> messages.Settings:
    request = messages.GetSettingsRequest(district_id=session.need_district())
    return client.settings.GetSettings(request).settings


def _merge(
    wanted: messages.Settings,
    stored: messages.Settings,
    kept: dict[str, str],
    spans: list[tuple[str, int, Duration]],
) -> None:
    """Change single kinds and spans of what is stored; the etag guards what was read."""
    wanted.etag = stored.etag
    if kept:
        wanted.retention.CopyFrom(stored.retention)
    for name, text in kept.items():
        span = _span(f"--{name.replace('_', '-')}", text)
        getattr(wanted.retention, name.removeprefix("keep_")).CopyFrom(span)
    if spans and not wanted.kind_settings:
        wanted.kind_settings.extend(stored.kind_settings)
    for field, kind, span in spans:
        found = next((one for one in wanted.kind_settings if one.kind == kind), None)
        if found is None:
            found = wanted.kind_settings.add(kind=common_pb2.Kind.ValueType(kind))
        getattr(found, field).CopyFrom(span)


def _kind_span(option: str, text: str) -> tuple[int, Duration]:
    kind, _, span = text.partition("=")
    try:
        return KIND.convert(kind, None, None), _span(option, span)
    except click.BadParameter as error:
        raise click.UsageError(f"{option} {text}: {error.message}") from None


def _span(option: str, text: str) -> Duration:
    try:
        found = Duration()
        found.FromTimedelta(read_span(text))
    except (ValueError, OverflowError) as error:
        raise click.UsageError(f"{option}: {error}") from None
    return found


def _show(session: Session, found: messages.Settings) -> None:
    if session.output.is_for_people:
        session.output.console.print(page(found))
    else:
        session.output.message(found)


def page(found: messages.Settings) -> RenderableType:
    """Return the page as an administrator reads it."""
    rows: list[tuple[str, Any]] = [
        ("Push Notifications", _on(found)),
        ("Service Status", _cell(found, "service_status")),
        ("Service Connectivity", _cell(found, "connectivity")),
        *(("Warning", cell(one.text)) for one in found.warnings),
        ("Detail of a push", _cell(found, "detail_level")),
        ("Adult students", _cell(found, "adult_student_rule")),
        ("Enrollment grace", _cell(found, "enrollment_grace")),
        ("Changes are kept", _cell(found, "retention.changes")),
        ("Deliveries are kept", _cell(found, "retention.deliveries")),
    ]
    minimums = found.minimum_versions
    rows += [("Minimum version", cell(values.message_text(one))) for one in minimums]
    if found.HasField("update_time"):
        rows.append(("Last saved", cell(f"{values.time_text(found.update_time)} by {_who(found)}")))
    table = plain_table("kind", "time to live", "hold", "students by default", "parents by default")
    for kind in common_pb2.Kind.values()[1:]:
        table.add_row(*_kind_row(found, kind))
    return Group(pairs(rows), "", table)


def _on(found: messages.Settings) -> Any:
    return cell("enabled" if found.enabled else "disabled")


def _who(found: messages.Settings) -> str:
    return values.message_text(found.updater)


def _cell(found: messages.Settings, path: str) -> Any:
    return cell(values.text(*values.get(found, path)))


def _kind_row(found: messages.Settings, kind: int) -> Iterator[str]:
    """Yield what holds for a kind; a time to live that is not set is the kind's own."""
    own = next((one for one in found.kind_settings if one.kind == kind), messages.KindSettings())
    yield values.member_name(common_pb2.Kind.DESCRIPTOR, kind)
    yield values.text(*values.get(own, "time_to_live")) or "its own"
    yield values.text(*values.get(own, "hold")) or "0s"
    for app in common_pb2.AppType.values()[1:]:
        chosen = [
            one for one in found.default_subscriptions if one.kind == kind and one.app_type == app
        ]
        rule = chosen[0].condition.WhichOneof("rule") if chosen else None
        yield (
            "off"
            if not chosen
            else values.message_text(getattr(chosen[0].condition, rule))
            if rule
            else "on"
        )
