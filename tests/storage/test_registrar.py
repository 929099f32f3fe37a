"""A group of registrations locks as every other writer does, whatever the order of its phones."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from schoolbell.v1 import device_service_pb2
from schoolbell_server.contract.devices import GivenAddress
from schoolbell_server.domain.kinds import ProviderEnvironment
from schoolbell_server.security.fingerprint import TokenFingerprints
from schoolbell_server.security.sealer import Sealer
from schoolbell_server.servicers.device.registered_device import Group, Registration
from schoolbell_server.servicers.device.registration import Registrar
from schoolbell_storage.devices import get_device
from schoolbell_storage.districts import bump_facts
from tests.storage.engines import POSTGRESQL, open_database
from tests.storage.phones import LATER, device, store
from tests.storage.rosters import add_district
from tests.storage.test_devices import PATIENCE, until_somebody_waits


def _again(name: str) -> Registration:
    """Return the registration of a stored phone, at another address."""
    return Registration(
        user_id="mother",
        device=device_service_pb2.Device(app_id="parent", installation_id=f"installation-{name}"),
        address=GivenAddress("apns", f"{name}0" * 32, ProviderEnvironment.PRODUCTION, False),
    )


@pytest.mark.postgresql
@pytest.mark.parametrize("order", ["ac", "ca"])
async def test_devices_are_locked_by_id_and_the_district_last(order: str, tmp_path: Path) -> None:
    registrar = Registrar(Sealer.load(tmp_path), TokenFingerprints.load(tmp_path))
    async with open_database(POSTGRESQL, tmp_path) as storage:
        await add_district(storage)
        await store(storage, *(device(name) for name in "abc"))

        async def register() -> None:
            group = Group(
                district_id="maple",
                app_id="parent",
                now=LATER,
                asked=[_again(name) for name in order],
            )
            async with storage.write() as connection:
                await registrar.register(connection, group)

        async with storage.write() as other:
            assert await get_device(other, "maple", "mother", "a", lock=True)
            registering = asyncio.create_task(register())
            await until_somebody_waits(storage, registering)
            assert await get_device(other, "maple", "mother", "c", lock=True)
            await bump_facts(other, "maple")
        await asyncio.wait_for(registering, PATIENCE)
