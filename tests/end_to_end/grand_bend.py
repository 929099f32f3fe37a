"""Grand Bend on a whole service: its roster, a phone for everybody, and its recorded changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from schoolbell import oneroster
from schoolbell.cli.roster import import_parts
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import (
    common_pb2,
    roster_pb2,
    roster_service_pb2,
    settings_service_pb2,
    status_service_pb2,
)
from schoolbell.v1.change_pb2 import Change
from schoolbell_server.demo import settled as waiting
from schoolbell_server.demo.district import Phone, phones_of, register
from tests.service.whole import DISTRICT, KINDS, Whole, whole

PATIENCE = 900.0  # seconds


@asynccontextmanager
async def grand_bend_service(
    folder: Path, roster: oneroster.Roster, phones: Sequence[Phone] | None = None
) -> AsyncIterator[Whole]:
    """Run a replaying service with the roster imported, and phones registered: else everybody's."""
    if phones is None:
        phones = phones_of(sorted(user.user_id for user in roster.users))
    async with whole(folder, replay=True) as service:
        await service.create_district(zone="America/Chicago")
        await import_roster(service, roster)
        await want_everything(service)
        students = {one.student_id for one in roster.enrollments}
        async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
            await register(backend, phones, students, district_id=DISTRICT)
        yield service


async def import_roster(
    service: Whole, roster: oneroster.Roster
) -> roster_service_pb2.ImportRosterResponse:
    """Import a roster whole and make its year the active one."""
    header = roster_service_pb2.ImportRosterHeader(
        import_id="grand-bend", mode=roster_pb2.IMPORT_MODE_FULL, source="oneroster"
    )
    async with service.client(access.ROLE_PUBLISHER) as publisher:
        answer = await publisher.import_roster(import_parts(DISTRICT, header, roster))
        await publisher.roster.SetActiveSchoolYear(
            roster_service_pb2.SetActiveSchoolYearRequest(district_id=DISTRICT, school_year=2027)
        )
    return answer


async def want_everything(service: Whole) -> None:
    """Let every device want every kind until its user says otherwise."""
    wanted = [
        settings_service_pb2.DefaultSubscription(app_type=app, kind=kind)
        for app in common_pb2.AppType.values()[1:]
        for kind in KINDS
    ]
    await service.configure(default_subscriptions=wanted)


async def publish(service: Whole, changes: Iterable[Change]) -> Counter[int]:
    """Publish changes through the client; count the answers by result."""
    results: Counter[int] = Counter()
    async with (
        service.client(access.ROLE_PUBLISHER) as client,
        client.publisher(DISTRICT) as publisher,
    ):
        async for _, ack in publisher.publish_all(changes):
            results[ack.result] += 1
    return results


async def settled(service: Whole) -> dict[int, status_service_pb2.Tally]:
    """Wait until every delivery has an outcome; return the tallies by kind."""
    async with service.client(access.ROLE_MONITOR) as monitor:
        tallies = await waiting.settled(monitor, DISTRICT, PATIENCE)
    return {tally.kind: tally for tally in tallies}


def refusals(tally: status_service_pb2.Tally) -> dict[int, int]:
    """Return a tally's refusals by reason."""
    return {one.reason: one.count for one in tally.refusals}


def states(tally: status_service_pb2.Tally) -> dict[int, int]:
    """Return a tally's deliveries by state."""
    return {one.state: one.count for one in tally.deliveries}
