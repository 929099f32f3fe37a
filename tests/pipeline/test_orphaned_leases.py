"""Leases that nobody holds are given back; those that somebody holds never are."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from schoolbell_server.maintenance.orphaned_leases import OrphanedLeases
from schoolbell_server.observability.metrics import Metrics
from schoolbell_storage.claims import leased_by
from schoolbell_storage.engine import Storage
from tests.pipeline.leased import leased
from tests.service.observed import logged
from tests.storage.engines import databases
from tests.storage.waiting import store
from tests.unit.domain.deliveries import waiting_delivery


@dataclass
class Holder:
    """The side of a route that is asked what it holds."""

    held: set[str] = field(default_factory=set)
    woken: int = 0

    def leases(self) -> Set[str]:
        return self.held

    def wake(self) -> None:
        self.woken += 1


async def owned(storage: Storage, owner: str) -> set[str]:
    async with storage.read() as connection:
        return await leased_by(connection, owner)


@databases()
async def test_what_nobody_holds_is_given_back_at_the_second_look(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with leased(database, tmp_path) as (storage, lease):
        one, two = Holder({"held"}), Holder()
        metrics = Metrics()
        orphaned = OrphanedLeases(storage, lease, [one, two], metrics)
        mine = lease.instance_id
        await store(
            storage,
            waiting_delivery("held", lease_owner=mine),
            waiting_delivery("orphaned", lease_owner=mine),
            waiting_delivery("on its way", lease_owner=mine),
            waiting_delivery("another server's", lease_owner="other"),
        )
        await orphaned.look()
        assert await owned(storage, mine) == {"held", "orphaned", "on its way"}
        two.held.add("on its way")
        await store(storage, waiting_delivery("committed late", lease_owner=mine))
        await orphaned.look()
        assert await owned(storage, mine) == {"held", "on its way", "committed late"}
        assert (one.woken, two.woken) == (1, 1)
        await orphaned.look()
        assert await owned(storage, mine) == {"held", "on its way"}
        assert await owned(storage, "other") == {"another server's"}
        assert metrics.registry.get_sample_value("schoolbell_orphaned_leases_total") == 2
        assert logged(caplog, "orphaned leases given back", deliveries=1)


class LateHolder(Holder):
    """A route to which a delivery comes while the second look waits for storage."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def leases(self) -> Set[str]:
        self.asked += 1
        return {"late"} if self.asked > 2 else set()


@databases()
async def test_what_comes_to_a_route_at_the_last_moment_is_its(
    database: str, tmp_path: Path
) -> None:
    async with leased(database, tmp_path) as (storage, lease):
        orphaned = OrphanedLeases(storage, lease, [LateHolder()], Metrics())
        await store(storage, waiting_delivery("late", lease_owner=lease.instance_id))
        await orphaned.look()
        await orphaned.look()
        assert await owned(storage, lease.instance_id) == {"late"}
