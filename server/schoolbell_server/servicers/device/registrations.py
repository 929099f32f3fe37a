"""Requests to register devices, single or many at once: a bad one never spoils another."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import device_service_pb2 as messages
from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.contract.devices import check_device, read_address
from schoolbell_server.contract.fields import read_id
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.errors import InvalidFields, SchoolbellError
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.rpc.values import bad_values
from schoolbell_server.servicers.common.not_found import existing_district, no_user
from schoolbell_server.servicers.device.registered_device import Group, Registration
from schoolbell_server.servicers.device.registration import Registrar
from schoolbell_storage.devices import DeviceRow
from schoolbell_storage.engine import Storage
from schoolbell_storage.roster import known_users

MOST = 500
_STEP = 50  # registrations in one transaction

Answer = DeviceRow | SchoolbellError


@dataclass(frozen=True, slots=True)
class _Placed:
    """A registration and its place in the request."""

    index: int
    asked: Registration


class Registrations:
    """Takes registrations of a district."""

    def __init__(
        self, storage: Storage, registrar: Registrar, clock: Callable[[], dt.datetime]
    ) -> None:
        self._storage = storage
        self._registrar = registrar
        self._clock = clock

    async def take(
        self, district_id: str, wanted: Sequence[messages.DeviceRegistration]
    ) -> list[Answer]:
        """Return what became of each; raise NOT_FOUND where there is no such district.

        Those of one app take effect in their order; of different apps none touches another.
        """
        answers: dict[int, Answer] = {}
        groups: dict[str, list[_Placed]] = {}
        for index, message in enumerate(wanted):
            try:
                asked = _read(message)
            except InvalidFields as error:
                answers[index] = error
            else:
                groups.setdefault(asked.device.app_id, []).append(_Placed(index, asked))
        for app_id, placed in groups.items():
            for step in _steps(placed):
                async with self._storage.write() as connection:
                    answers |= await self._step(connection, district_id, app_id, step)
        return [answers[index] for index in range(len(wanted))]

    async def _step(
        self,
        connection: AsyncConnection,
        district_id: str,
        app_id: str,
        placed: Sequence[_Placed],
    ) -> dict[int, Answer]:
        district = await existing_district(connection, district_id)
        if app_id not in district.app_ids:
            return {one.index: _no_app(app_id, district.app_ids) for one in placed}
        users = {one.asked.user_id for one in placed}
        known = await known_users(connection, district_id, users)
        answers: dict[int, Answer] = {
            one.index: no_user(one.asked.user_id)
            for one in placed
            if one.asked.user_id not in known
        }
        taken = [one for one in placed if one.index not in answers]
        if taken:
            group = Group(
                district_id=district_id,
                app_id=app_id,
                now=self._clock(),
                asked=[one.asked for one in taken],
            )
            results = await self._registrar.register(connection, group)
            answers |= {one.index: row for one, row in zip(taken, results, strict=True)}
        return answers


def _read(message: messages.DeviceRegistration) -> Registration:
    """Return a registration; InvalidFields where its fields break their rules."""
    Violations(bad_values(message)).refuse()
    violations = Violations()
    read_id(message.user_id, "user_id", violations.add)
    violations.required(message, "device")
    if message.device.user_id not in ("", message.user_id):
        violations.add(
            "device.user_id", "must be empty or the same as the request's", reasons.INCONSISTENT
        )
    check_device(message.device, "device.", violations.add)
    address = None
    if message.HasField("address"):
        address = read_address(message.address, "address", violations.add)
    violations.refuse()
    return Registration(user_id=message.user_id, device=message.device, address=address)


def _steps(placed: Sequence[_Placed]) -> Iterator[Sequence[_Placed]]:
    for first in range(0, len(placed), _STEP):
        yield placed[first : first + _STEP]


def _no_app(app_id: str, known: Sequence[str]) -> SchoolbellError:
    there = f"it has {', '.join(known)}" if known else "it has none yet"
    return SchoolbellError(
        ErrorReason.ERROR_REASON_APP_NOT_FOUND,
        f"the district has no app {app_id!r}; {there}",
        metadata={"app_id": app_id},
    )
