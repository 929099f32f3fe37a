"""Writes at random: of whatever decides who is told, each with the district that it leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.kinds import Kind
from schoolbell_storage.devices import DeviceRow, insert_devices, store_device
from schoolbell_storage.display_options import write_display_options
from schoolbell_storage.districts import create_district, update_district, write_settings
from schoolbell_storage.roster_guards import Guards
from schoolbell_storage.roster_incoming import IncomingRecord, encode_incoming
from schoolbell_storage.roster_records import Record, RecordName, RecordType
from schoolbell_storage.roster_write import RosterWrite, write_records
from schoolbell_storage.subscriptions import Owner, drop_subscriptions, replace_subscriptions
from tests.storage.actors import person
from tests.storage.modelled import Model, Wishes, owner_of
from tests.storage.random_district import NOW, SCHOOLS, Founder

Write = Callable[[AsyncConnection], Awaitable[object]]
Step = tuple[Model, Write]
"""The district after a write, and the write."""


def step(founder: Founder, model: Model) -> Step:
    """Return one write of something that decides who is told."""
    return founder.random.choice(_STEPS)(founder, model)


def _record(founder: Founder, model: Model) -> Step:
    record = founder.again(founder.random.choice(list(model.roster.values())))
    return model.with_records([record]), roster_write(model, record)


def _leaving(founder: Founder, model: Model) -> Step:
    names = [one for one in model.roster if one.record_type is not RecordType.SCHOOL]
    name = founder.random.choice(names)
    return model.without(name), roster_write(model, name)


def _show(founder: Founder, model: Model) -> Step:
    shown = {f"{founder.random.choice(SCHOOLS)}:2027": founder.options(inherited=False)}
    after = replace(model, options=model.options | shown)
    return after, lambda to: write_display_options(
        to, model.row.district_id, shown, updater="ada", now=NOW
    )


def _set(founder: Founder, model: Model) -> Step:
    after = replace(model, enabled=not founder.rarely(), settings=founder.settings())
    return after, lambda to: _write_settings(to, after)


def _licence(founder: Founder, model: Model) -> Step:
    kinds = frozenset(founder.random.sample(list(Kind), k=4))
    after = replace(model, row=replace(model.row, licensed_kinds=kinds, locale="es"))
    return after, lambda to: update_district(to, after.row, NOW)


def _wish(founder: Founder, model: Model) -> Step:
    owner = owner_of(founder.random.choice(list(model.devices.values())))
    if founder.rarely(0.5):
        owner = replace(owner, device_id="")
    known = model.wishes.get(owner, {})
    if founder.rarely(0.3):
        dropped = {name for name in known if founder.rarely(0.5)}
        left = {name: wish for name, wish in known.items() if name not in dropped}
        after = replace(model, wishes=model.wishes | {owner: left})
        return after, lambda to: drop_subscriptions(to, owner, dropped)
    wanted = founder.wishes(model, owner)
    after = replace(model, wishes=model.wishes | {owner: known | wanted})
    return after, lambda to: replace_subscriptions(to, owner, wanted, NOW)


def _phone(founder: Founder, model: Model) -> Step:
    row = founder.random.choice(list(model.devices.values()))
    if founder.rarely(0.5):
        new = founder.phone(model, row.user_id)
        return model.with_devices(new), lambda to: insert_devices(to, [new])
    changed = replace(
        row, stay_logged_in=not row.stay_logged_in, muted=not row.muted, app_version="9"
    )
    return model.with_devices(changed), lambda to: store_device(to, changed)


_STEPS: list[Callable[[Founder, Model], Step]] = [
    *[_record] * 6,
    *[_leaving] * 2,
    *[_wish] * 4,
    *[_phone] * 3,
    _show,
    _set,
    _licence,
]


def roster_write(model: Model, *contents: Record | RecordName) -> Write:
    """Return the write of records, or of the leaving of those that are only named."""
    asked = RosterWrite(
        district_id=model.row.district_id,
        source="sis",
        now=NOW,
        by_hand=True,
        guards=Guards(allow_bar_loss=True),
    )
    incoming = [IncomingRecord(index, one) for index, one in enumerate(contents)]

    async def batches() -> AsyncIterator[bytes]:
        yield encode_incoming(incoming)

    return lambda to: write_records(to, asked, batches())


async def _write_settings(connection: AsyncConnection, model: Model) -> None:
    await write_settings(
        connection,
        model.row.district_id,
        enabled=model.enabled,
        document=model.settings,
        updater=person("ada"),
        now=NOW,
    )


def whole(model: Model) -> list[Write]:
    """Return the writes that bring a district into an empty database."""

    def settle(row: DeviceRow) -> Write:
        return lambda to: insert_devices(to, [row])

    def want(owner: Owner, wanted: Wishes) -> Write:
        return lambda to: replace_subscriptions(to, owner, wanted, NOW)

    return [
        lambda to: create_district(to, model.row, b"sealed"),
        lambda to: _write_settings(to, model),
        roster_write(model, *model.roster.values()),
        lambda to: write_display_options(
            to, model.row.district_id, model.options, updater="ada", now=NOW
        ),
        *map(settle, model.devices.values()),
        *(want(*one) for one in model.wishes.items()),
    ]
