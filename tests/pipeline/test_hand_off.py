"""What goes from the accepting transaction to a sender in memory, and what does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from schoolbell_server.dispatch.dispatch_queue import DispatchQueue
from schoolbell_server.dispatch.hand_off import Reservation
from schoolbell_server.dispatch.lease import Lease
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.kinds import Platform
from tests.pipeline.leased import leased
from tests.storage.engines import databases
from tests.storage.waiting import ROUTE
from tests.unit.domain.deliveries import waiting_delivery

MOST = 3
ATTENDANCE, GRADES = 0, 4  # lanes


@dataclass
class Place:
    """The side of a route that hand-offs see."""

    queue: DispatchQueue
    handed: list[Delivery] = field(default_factory=list)
    woken: int = 0

    def hand(self, reserved: Mapping[int, int], rows: Sequence[Delivery], term: int) -> None:
        self.queue.settle(reserved, rows, term=term)
        self.handed += rows

    def wake(self) -> None:
        self.woken += 1


def keeping_up(lease: Lease) -> Place:
    queue = DispatchQueue(lease, MOST)
    queue.open()
    return Place(queue)


def row(number: int, **fields: object) -> Delivery:
    return waiting_delivery(f"d-{number}", **{"device_id": f"phone-{number}"} | fields)


@databases()
async def test_a_route_is_handed_as_much_as_it_takes(database: str, tmp_path: Path) -> None:
    async with leased(database, tmp_path) as (_, lease):
        place = keeping_up(lease)
        reservation = Reservation(lease, {ROUTE: place})
        owners = [reservation.lease(*ROUTE, GRADES) for number in range(MOST + 1)]
        assert owners == [lease.instance_id] * MOST + [""]
        assert reservation.lease("student", Platform.ANDROID, GRADES) == ""
        rows = [row(number, lease_owner=owner) for number, owner in enumerate(owners)]
        reservation.settle(rows)
        assert place.handed == rows[:MOST]
        assert place.woken == 1
        # Something waits in storage now: nothing new overtakes it.
        assert not place.queue.reserve(GRADES)


@databases()
async def test_what_was_not_committed_leaves_the_room_free(database: str, tmp_path: Path) -> None:
    async with leased(database, tmp_path) as (_, lease):
        place = keeping_up(lease)
        failed = Reservation(lease, {ROUTE: place})
        assert [failed.lease(*ROUTE, GRADES) for number in range(MOST)]
        failed.settle()
        assert place.handed == []
        assert all(place.queue.reserve(GRADES) for _ in range(MOST))


@databases()
async def test_a_server_without_a_lease_hands_nothing(database: str, tmp_path: Path) -> None:
    async with leased(database, tmp_path) as (_, lease):
        place = keeping_up(lease)
        await lease.end()
        assert Reservation(lease, {ROUTE: place}).lease(*ROUTE, GRADES) == ""


@databases()
async def test_what_was_at_hand_when_the_lease_broke_off_is_given_back(
    database: str, tmp_path: Path
) -> None:
    async with leased(database, tmp_path) as (_, lease):
        queue = keeping_up(lease).queue
        queue.put([row(1), row(2)], term=lease.term)
        await lease.end()
        await lease.start()
        queue.put([row(3)], term=lease.term)
        assert queue.lost() == [row(1), row(2)]
        assert queue.lost() == []
        assert queue.take(10, set()) == [row(3)]


@databases()
async def test_news_of_one_fact_leaves_one_after_the_other(database: str, tmp_path: Path) -> None:
    older, newer = row(1, device_id="phone", fact_key="f"), row(2, device_id="phone", fact_key="f")
    other = row(3, device_id="tablet", fact_key="f")
    async with leased(database, tmp_path) as (_, lease):
        queue = keeping_up(lease).queue
        queue.put([older, newer, other], term=lease.term)
        assert queue.take(10, set()) == [older, other]
        assert queue.take(10, {("phone", "f"), ("tablet", "f")}) == []
        assert queue.take(10, set()) == [newer]


@databases()
async def test_attendance_passes_grades_by_hand_too(database: str, tmp_path: Path) -> None:
    grades = [row(number) for number in range(MOST)]
    absence = row(9, lane=ATTENDANCE)
    async with leased(database, tmp_path) as (_, lease):
        queue = keeping_up(lease).queue
        queue.put(grades, term=lease.term)
        assert not queue.reserve(GRADES)
        assert queue.reserve(ATTENDANCE)
        queue.settle({ATTENDANCE: 1}, [absence], term=lease.term)
        assert queue.take(2, set()) == [absence, grades[0]]


@databases()
async def test_only_lanes_that_wait_in_storage_are_closed(database: str, tmp_path: Path) -> None:
    async with leased(database, tmp_path) as (_, lease):
        queue = keeping_up(lease).queue
        queue.open({GRADES})
        assert queue.reserve(ATTENDANCE)
        assert not queue.reserve(GRADES)
        queue.close()
        assert not queue.reserve(ATTENDANCE)


@databases()
async def test_the_first_lane_can_be_taken_alone(database: str, tmp_path: Path) -> None:
    absence = row(9, lane=ATTENDANCE)
    async with leased(database, tmp_path) as (_, lease):
        queue = keeping_up(lease).queue
        queue.put([row(1), absence], term=lease.term)
        assert queue.take(10, set(), first_lane=True) == [absence]
        assert queue.take(10, set(), first_lane=True) == []
        assert queue.take(10, set()) == [row(1)]


@databases()
async def test_what_a_transaction_leases_is_of_the_term_in_which_it_leases(
    database: str, tmp_path: Path
) -> None:
    """A transaction that waited for the writer behind a renewal hands over what it leases."""
    async with leased(database, tmp_path) as (_, lease):
        place = keeping_up(lease)
        reservation = Reservation(lease, {ROUTE: place})
        await lease.end()
        await lease.start()
        owner = reservation.lease(*ROUTE, GRADES)
        reservation.settle([row(1, lease_owner=owner)])
        assert place.queue.take(10, set()) == [row(1, lease_owner=lease.instance_id)]


@databases()
async def test_what_was_leased_in_a_term_that_is_over_is_given_back_and_never_forgotten(
    database: str, tmp_path: Path
) -> None:
    async with leased(database, tmp_path) as (_, lease):
        place = keeping_up(lease)
        reservation = Reservation(lease, {ROUTE: place})
        handed = row(1, lease_owner=reservation.lease(*ROUTE, GRADES))
        term = lease.term
        await lease.end()
        await lease.start()
        reservation.settle([handed])
        place.queue.put([row(2)], term=term)
        assert place.queue.take(10, set()) == []
        assert not place.queue.reserve(GRADES), "new ones would overtake what is given back"
        assert place.queue.lost() == [handed, row(2)]
