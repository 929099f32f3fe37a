"""What a provider says of one device holds nobody else up; what it says of a project is shown.

The same is so behind a hub, where districts share the project: `tests/link/test_shared_project.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from schoolbell.v1 import common_pb2, delivery_pb2, status_pb2
from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.faults import Endpoint, Fault
from schoolbell_server.domain.kinds import Outcome
from schoolbell_server.gateways.common.circuits import Circuits
from schoolbell_server.gateways.fcm.errors import meaning_of
from schoolbell_server.gateways.fcm.quota_guess import IN_A_ROW, QuotaGuess
from tests.service.following import following
from tests.service.observed import Observed, observed
from tests.service.scene import MOTHER, phone, populate, publish, register, tasks, token_of
from tests.service.whole import PARENT_APP

FCM = {"app_id": PARENT_APP, "provider": "FCM"}
PROJECT = Effect(status=429)
"""Google's front end, which knows no devices."""
ONE_DEVICE = [
    (Effect(status=429, reason="QUOTA_EXCEEDED"), delivery_pb2.DELIVERY_STATE_PENDING),
    (Effect(status=401, reason="THIRD_PARTY_AUTH_ERROR"), delivery_pb2.DELIVERY_STATE_REJECTED),
]
"""What Google answers for one device, and how that device's deliveries stand then."""
UNSCOPED = b'{"error":{"status":"RESOURCE_EXHAUSTED","details":[{"@type":\
"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"QUOTA_EXCEEDED"}]}}'


def google_answers(it: Observed, effect: Effect, address: str = "") -> None:
    it.service.sandbox.faults.add(Fault(endpoint=Endpoint.FCM, effect=effect, address=address))


def all_tried(found: Sequence[delivery_pb2.Delivery], stands: int) -> bool:
    """Return whether half of six deliveries are accepted, and half were tried and stand so."""
    states = sorted(one.state for one in found if one.attempt_count)
    return states == sorted([delivery_pb2.DELIVERY_STATE_ACCEPTED] * 3 + [stands] * 3)


async def test_a_projects_quota_is_trouble_of_its_link_until_it_is_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, throttle = list[Circuits](), Circuits.throttle

    def noted(circuits: Circuits, *args: Any, **options: Any) -> None:
        asked.append(circuits)
        throttle(circuits, *args, **options)

    monkeypatch.setattr(Circuits, "throttle", noted)
    async with observed(tmp_path, caplog) as it:
        await populate(it.service)
        mothers = phone(MOTHER, ios=False)
        await register(it.service, mothers)
        google_answers(it, PROJECT, token_of(mothers))
        await publish(it.service, *tasks(1, 1))
        await it.until_logged("link throttled", provider_reason="RESOURCE_EXHAUSTED", **FCM)
        await it.until_metric("schoolbell_link_throttled", lambda value: value == 1, **FCM)
        state = await it.until_state(lambda state: any(one.trouble for one in state.links))
        for circuits in asked:
            circuits._clock = lambda: math.inf  # the time that Google wished for is over
        await it.until_logged("link no longer throttled", **FCM)
        await it.until_metric("schoolbell_link_throttled", lambda value: value == 0, **FCM)
    (link,) = [one for one in state.links if one.trouble]
    assert (link.app_id, link.provider) == (PARENT_APP, common_pb2.PROVIDER_FCM)
    assert link.trouble == status_pb2.LINK_TROUBLE_THROTTLED
    assert link.connectivity == status_pb2.CONNECTIVITY_DEGRADED
    assert link.reason == "RESOURCE_EXHAUSTED"
    assert link.circuit == status_pb2.CIRCUIT_CLOSED


@pytest.mark.parametrize(("effect", "stands"), ONE_DEVICE)
async def test_what_is_wrong_with_one_device_holds_no_other_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, effect: Effect, stands: int
) -> None:
    async with observed(tmp_path, caplog) as it:
        await populate(it.service)
        bad, good = (phone(MOTHER, ios=False, number=number) for number in (1, 2))
        await register(it.service, bad, good)
        google_answers(it, effect, token_of(bad))
        async with following(it.service) as followed:
            await publish(it.service, *tasks(1, 3))
            await followed.until(lambda found: all_tried(found, stands))
        state = await it.until_state(lambda state: len(state.links) > 0)
        assert {(one.trouble, one.circuit) for one in state.links} == {
            (0, status_pb2.CIRCUIT_CLOSED)
        }


def test_one_device_after_another_is_the_projects_quota() -> None:
    guess, unscoped = QuotaGuess(), meaning_of(429, UNSCOPED)
    one_device = [guess.outcome("a", unscoped) for _ in range(3 * IN_A_ROW)]
    assert set(one_device) == {Outcome.THROTTLED_DEVICE}
    many = [guess.outcome(str(number), unscoped) for number in range(IN_A_ROW)]
    assert many[-1] is Outcome.THROTTLED_PROJECT
    assert guess.outcome("b", meaning_of(200, b'{"name":"1"}')) is Outcome.ACCEPTED
    assert guess.outcome("c", unscoped) is Outcome.THROTTLED_DEVICE
