"""Send many requests to a whole service, and say what it answered and what it must never answer."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc

from schoolbell.errors import DeadlineExceeded
from schoolbell.v1 import district_service_pb2
from schoolbell_server.security.api_key import Role
from schoolbell_server.security.permissions import RULES
from tests.fuzz.callers import FORGER, NOBODY, Caller, is_spared, make_callers
from tests.fuzz.calling import FAILED_WRITE, PATIENCE, Outcome, call, faults_in, name_of
from tests.fuzz.making import Maker
from tests.fuzz.mutations import damage, mutate
from tests.fuzz.pool import FOREIGN, Pool
from tests.service.scene import MOTHER, STUDENT, phone, populate, register, restore
from tests.service.whole import DISTRICT, KINDS, TOPICS, Whole, whole
from tests.unit.contract import methods

PERMITTED = {
    StatusCode.OK,
    StatusCode.INVALID_ARGUMENT,
    StatusCode.NOT_FOUND,
    StatusCode.ALREADY_EXISTS,
    StatusCode.PERMISSION_DENIED,
    StatusCode.FAILED_PRECONDITION,
    StatusCode.ABORTED,
    StatusCode.OUT_OF_RANGE,
    StatusCode.RESOURCE_EXHAUSTED,
}
_LANES = 4  # calls at once
_ROUND = 400  # requests, after which the scene is put right and health is looked at
_MOST_FAULTS = 20
_TRIES = 4  # to put the scene right


@dataclass
class Findings:
    """What a run saw."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By RPC and code."""
    reached: Counter[str] = field(default_factory=Counter)
    """By caller: how often OK."""
    faults: list[str] = field(default_factory=list)


async def fuzz(database: str, folder: Path, *, requests: int, seed: int) -> Findings:
    """Send so many requests to a service on this database."""
    findings, pool = Findings(), Pool()
    handler = _Errors(findings)
    logging.getLogger("schoolbell_server").addHandler(handler)
    async with whole(folder, database=database) as service:
        await populate(service)
        callers = await make_callers(service)
        async with service.connection().aio_channel() as channel:
            lanes = [
                Lane(channel, callers, pool, findings, random.Random(f"{seed}/{number}"))
                for number in range(_LANES)
            ]
            for _ in range(0, requests, _ROUND):
                await put_right(service)
                await asyncio.gather(*(lane.send(_ROUND // _LANES) for lane in lanes))
                await _check_health(channel, findings)
                if len(findings.faults) > _MOST_FAULTS:
                    break
    logging.getLogger("schoolbell_server").removeHandler(handler)
    for caller in callers:
        if caller.name not in (NOBODY, FORGER) and not findings.reached[caller.name]:
            findings.faults.append(f"{caller.name} was never answered OK")
    return findings


class _Errors(logging.Handler):
    """Takes every error that the service logs as a fault: a call's, or one of its background."""

    def __init__(self, findings: Findings) -> None:
        super().__init__(logging.ERROR)
        self._findings = findings
        self._formatter = logging.Formatter("%(name)s: %(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        """Keep an error with its frames."""
        fields = {name: getattr(record, name, "") for name in ("method", "reason")}
        self._findings.faults.append(f"logged {fields} {self._formatter.format(record)}")


class Lane:
    """Sends one request after the other."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        callers: Sequence[Caller],
        pool: Pool,
        findings: Findings,
        dice: random.Random,
    ) -> None:
        self._channel = channel
        self._callers = callers
        self._pool = pool
        self._findings = findings
        self._dice = dice
        self._maker = Maker(dice, pool)
        self._methods = list(methods())

    async def send(self, count: int) -> None:
        """Send so many requests."""
        for _ in range(count):
            method = self._dice.choice(self._methods)
            caller = self._caller(method)
            parts = self._parts(method, caller)
            if parts:
                outcome = await call(self._channel, method, parts, caller.metadata, self._dice)
                self._judge(method, parts, caller, outcome)

    def _caller(self, method: MethodDescriptor) -> Caller:
        """Return somebody, often somebody who may call the method."""
        dice, rule = self._dice, RULES[name_of(method)]
        if dice.random() < 0.3:
            return dice.choice(self._callers)
        home = FOREIGN if dice.random() < 0.15 else DISTRICT
        fit = [
            one
            for one in self._callers
            if one.role and Role(one.role) in rule.roles and one.district_id in ("", home)
        ]
        return dice.choice(fit)

    def _parts(self, method: MethodDescriptor, caller: Caller) -> list[bytes]:
        """Return the messages of a call; none if it would end what the run needs."""
        dice, kind = self._dice, GetMessageClass(method.input_type)
        made: list[Any] = list(self._maker.requests(method))
        if (
            caller.district_id == FOREIGN
            and hasattr(made[0], "district_id")
            and dice.random() < 0.5
        ):
            made[0].district_id = FOREIGN
        for _ in range(dice.choice((0, 0, 1, 1, 3))):
            mutate(dice, dice.choice(made))
        parts = [one.SerializeToString() for one in made]
        if dice.random() < 0.15:
            index = dice.randrange(len(parts))
            parts[index] = damage(dice, parts[index])
        read = [_read(kind, part) for part in parts]
        return [] if any(is_spared(one, self._callers) for one in read if one) else parts

    def _judge(
        self, method: MethodDescriptor, parts: list[bytes], caller: Caller, outcome: Outcome
    ) -> None:
        findings, name, code = self._findings, name_of(method), outcome.code
        findings.counts[name, code.name] += 1
        wrong = code not in PERMITTED
        if code is StatusCode.CANCELLED or outcome.details == FAILED_WRITE:
            wrong = not (method.client_streaming or method.server_streaming)
        elif code is StatusCode.UNAUTHENTICATED:
            wrong = caller.name not in (NOBODY, FORGER)
        elif code is StatusCode.OK:
            findings.reached[caller.name] += 1
            wrong = bool(faults_in(outcome.answers)) or self._is_foreign(method, parts, caller)
            for answer in outcome.answers[:3]:
                self._pool.learn(self._dice, answer)
        if wrong:
            shown = " ".join(part[:300].hex() for part in parts)
            findings.faults.append(
                f"{name} as {caller.name}: {code.name} {outcome.details[:200]}\n    {shown[:1200]}"
            )

    def _is_foreign(self, method: MethodDescriptor, parts: list[bytes], caller: Caller) -> bool:
        """Tell whether a caller was answered of a district that is not its own."""
        first: Any = _read(GetMessageClass(method.input_type), parts[0])
        asked = getattr(first, "district_id", "")
        return caller.district_id not in ("", asked) and asked not in ("", "-")


def _read(kind: type[Message], data: bytes) -> Message | None:
    try:
        return kind.FromString(data)
    except DecodeError:
        return None


async def put_right(service: Whole) -> None:
    """Undo what requests did to the district, so that later ones reach as far."""
    async with service.client() as operator:
        await operator.districts.UpdateDistrict(
            district_service_pb2.UpdateDistrictRequest(
                district_id=DISTRICT,
                district=district_service_pb2.District(
                    licensed_kinds=KINDS, app_ids=list(TOPICS), time_zone="UTC"
                ),
                update_mask=FieldMask(paths=["licensed_kinds", "app_ids", "time_zone"]),
            )
        )
    for _ in range(_TRIES):
        # At low priority on a busy machine, a call may take longer than its deadline.
        with suppress(DeadlineExceeded):
            await restore(service)
            break
    else:
        await restore(service)
    await service.configure(enabled=True)
    await register(service, phone(STUDENT), phone(MOTHER))


async def _check_health(channel: grpc.aio.Channel, findings: Findings) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        findings.faults.append("the server is not serving any more")
