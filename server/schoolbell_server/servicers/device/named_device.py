"""The device that a request names, as one of the user that it names."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.contract.fields import read_id
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.servicers.common.not_found import no_device
from schoolbell_storage.devices import DeviceRow, get_device


class NamesDevice(Protocol):
    """A request about one device of one user."""

    district_id: str
    user_id: str
    device_id: str


def check_named(request: NamesDevice) -> Violations:
    """Check the names of a user's device."""
    violations = Violations()
    read_id(request.user_id, "user_id", violations.add)
    read_id(request.device_id, "device_id", violations.add)
    return violations


async def named_device(
    connection: AsyncConnection, request: NamesDevice, *, lock: bool = False
) -> DeviceRow:
    """Return the device; raise NOT_FOUND where it is none of the user's."""
    row = await get_device(
        connection, request.district_id, request.user_id, request.device_id, lock=lock
    )
    if row is None:
        raise no_device(request.device_id)
    return row


def device_retired(device_id: str) -> SchoolbellError:
    """Return that a device is retired."""
    return SchoolbellError(
        ErrorReason.ERROR_REASON_DEVICE_RETIRED,
        "the device is retired: register it again",
        metadata={"device_id": device_id},
    )
