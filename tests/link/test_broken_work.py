"""A message whose work breaks, by whatever fault, comes again: it does not stay with who has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from schoolbell.v1 import delivery_pb2
from schoolbell_server.demo.rabbitmq.broker import Broker
from schoolbell_server.hub.attempts import Attempts
from schoolbell_server.hub.intake import Intake
from schoolbell_server.link.answers import AnswerWriter
from tests.link.linked import linked
from tests.service.following import following
from tests.service.scene import STUDENT, phone, populate, publish, register, tasks

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED


@pytest.mark.parametrize(
    ("where", "name"), [(Attempts, "make"), (Intake, "settled"), (AnswerWriter, "write")]
)
@pytest.mark.parametrize("fault", [OSError, KeyError])
async def test_a_message_whose_work_breaks_comes_again(
    tmp_path: Path,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    where: type,
    name: str,
    fault: type[Exception],
) -> None:
    whole = getattr(where, name)
    broken: list[str] = []

    async def once(self: object, *args: Any) -> Any:
        if not broken:
            broken.append(name)
            raise fault("disk")
        return await whole(self, *args)

    monkeypatch.setattr(where, name, once)
    async with linked(tmp_path, broker) as link:
        service = link.service
        await populate(service)
        await register(service, phone(STUDENT))
        async with following(service) as followed:
            await publish(service, *tasks(1, 1))
            (found,) = await followed.until_states(ACCEPTED)
        assert broken
        assert service.sandbox.ledger.count(found.delivery_id) == 1
