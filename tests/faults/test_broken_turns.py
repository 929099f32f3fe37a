"""A delivery whose outcome cannot be written is set aside; nothing stays leased, nobody waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from schoolbell.v1 import delivery_pb2
from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.faults import Endpoint, Fault
from schoolbell_server import app
from schoolbell_server.gateways.common.push import Push, PushResult
from schoolbell_server.gateways.factory import Gateways, build_gateways
from tests.faults.wrapped import Wrapped
from tests.service.following import following
from tests.service.observed import observed
from tests.service.scene import MOTHER, phone, populate, publish, register, tasks
from tests.service.whole import whole
from tests.storage.engines import databases

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
UNCERTAIN = delivery_pb2.DELIVERY_STATE_UNCERTAIN


@dataclass
class Spoiling(Wrapped):
    """A real gateway, behind which the first result becomes one that cannot be stored."""

    raising: bool
    spoiled: list[str] = field(default_factory=list)

    async def send(self, batch: Sequence[Push]) -> Sequence[PushResult]:
        results = list(await super().send(batch))
        if not self.spoiled:
            self.spoiled.append(results[0].delivery_id)
            if self.raising:
                raise ValueError("broken")
            results[0] = replace(results[0], provider_reason="\ud800")
        return results


@pytest.mark.parametrize("raising", [False, True], ids=["unwritable", "broken"])
async def test_a_turn_that_breaks_leaves_nothing_leased_and_delays_nobody(
    raising: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def build(*args: Any, **options: Any) -> Gateways:
        found = build_gateways(*args, **options)
        return {name: Spoiling(gateway, raising) for name, gateway in found.items()}

    monkeypatch.setattr(app, "build_gateways", build)
    async with observed(tmp_path, caplog) as it:
        service = it.service
        await populate(service)
        await register(service, phone(MOTHER))
        async with following(service) as followed:
            await publish(service, *tasks(0, 1))
            (lost,) = await followed.until_states(UNCERTAIN)
            await publish(service, *tasks(1, 10))
            await followed.until_states(UNCERTAIN, *[ACCEPTED] * 10)
        assert service.sandbox.ledger.count(lost.delivery_id) == 1, "and it is not sent again"
        record = await it.until_logged("delivery set aside", delivery_id=lost.delivery_id)
        assert record.exc_info
        set_aside = "schoolbell_deliveries_set_aside_total"
        await it.until_metric(set_aside, lambda value: value == 1)


@databases()
async def test_an_answer_that_no_database_takes_holds_nothing_up(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await register(service, phone(MOTHER), phone(MOTHER, ios=False, number=2))
        for endpoint, body in (
            (Endpoint.APNS, '{"reason":"\\ud800\\u0000"}'),
            (Endpoint.FCM, '{"name":"\\ud800\\u0000"}'),
        ):
            effect = Effect(status=200 if endpoint is Endpoint.FCM else 400, body=body)
            service.sandbox.faults.add(Fault(endpoint=endpoint, effect=effect, times=1))
        async with following(service) as followed:
            await publish(service, *tasks(0, 5))
            await followed.until_states(*[ACCEPTED] * 10)
