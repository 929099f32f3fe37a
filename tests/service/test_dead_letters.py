"""How deliveries end that no provider took, and which of them a person may send again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from google.protobuf.duration_pb2 import Duration

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import delivery_pb2
from schoolbell.v1.delivery_pb2 import DeliveryFilter
from schoolbell.v1.status_service_pb2 import RetryDeliveriesRequest
from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.faults import Endpoint, Fault
from tests.service.following import following
from tests.service.held import grade_settings
from tests.service.scene import (
    FATHER,
    MOTHER,
    STUDENT,
    grade,
    phone,
    populate,
    publish,
    register,
    token_of,
)
from tests.service.whole import DISTRICT, FAST, Whole, whole
from tests.storage.engines import databases

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
FAILED = delivery_pb2.DELIVERY_STATE_FAILED
UNCERTAIN = delivery_pb2.DELIVERY_STATE_UNCERTAIN
EXPIRED = delivery_pb2.DELIVERY_STATE_EXPIRED
DOWN = Effect(status=503, reason="ServiceUnavailable")
LOST = Effect(reset=2)
"""The phone was told, and the answer is lost."""
BUDGET = 3
THRICE = replace(FAST, attempt_budget=BUDGET)


def suffer(service: Whole, user_id: str, effect: Effect, **conditions: Any) -> None:
    """Break what is sent to one phone; probes and other phones fare well."""
    address = token_of(phone(user_id))
    service.sandbox.faults.add(
        Fault(endpoint=Endpoint.APNS, effect=effect, address=address, **conditions)
    )


async def retry(service: Whole, *states: int, validate_only: bool = False) -> int:
    async with service.client(access.ROLE_OPERATOR) as operator:
        answer = await operator.status.RetryDeliveries(
            RetryDeliveriesRequest(
                district_id=DISTRICT,
                filter=DeliveryFilter(states=states),  # type: ignore[arg-type]
                validate_only=validate_only,
            )
        )
    return answer.delivery_count


@databases()
async def test_spent_attempts_end_by_what_is_known_and_a_person_may_send_again(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database, delivery=THRICE) as service:
        await populate(service)
        await register(service, phone(MOTHER), phone(FATHER), phone(STUDENT))
        suffer(service, MOTHER, DOWN)
        suffer(service, FATHER, LOST, times=1)
        suffer(service, FATHER, DOWN)
        async with following(service) as followed:
            await publish(service, grade("g1", 80))
            found = await followed.until_states(ACCEPTED, FAILED, UNCERTAIN)
            by_user = {one.user_id: one for one in found}
            assert (by_user[MOTHER].state, by_user[MOTHER].attempt_count) == (FAILED, BUDGET)
            assert (by_user[FATHER].state, by_user[FATHER].attempt_count) == (UNCERTAIN, BUDGET)

            assert await retry(service, ACCEPTED) == 0, "only what is named"
            assert await retry(service, FAILED, validate_only=True) == 1
            assert await retry(service) == 1, "what may have been shown has to be named"
            await followed.until(
                lambda found: (
                    [one.attempt_count for one in found if one.user_id == MOTHER] == [2 * BUDGET]
                )
            )
            await followed.until_states(ACCEPTED, FAILED, UNCERTAIN)  # with fresh attempts

            service.sandbox.faults.clear()
            assert await retry(service, FAILED, UNCERTAIN) == 2
            await followed.until_states(ACCEPTED, ACCEPTED, ACCEPTED)
        assert await _audited(service) == ["StatusService/RetryDeliveries"] * 3
        counts = {
            one.user_id: service.sandbox.ledger.count(one.delivery_id)
            for one in followed.deliveries.values()
        }
        assert counts == {STUDENT: 1, MOTHER: 1, FATHER: 2}


async def test_what_would_be_tried_too_late_ends_at_once_and_is_not_sent_again(
    tmp_path: Path,
) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await register(service, phone(MOTHER), phone(FATHER))
        await grade_settings(service, time_to_live=Duration(seconds=300))
        later = Effect(status=429, reason="TooManyRequests", headers={"retry-after": "900"})
        suffer(service, MOTHER, later)
        suffer(service, FATHER, LOST, times=1)
        suffer(service, FATHER, later)
        async with following(service) as followed:
            await publish(service, grade("g1", 80))
            found = await followed.until_states(UNCERTAIN, EXPIRED)
        assert {one.user_id: one.state for one in found} == {MOTHER: EXPIRED, FATHER: UNCERTAIN}
        service.sandbox.faults.clear()
        assert await retry(service, EXPIRED, FAILED) == 0


async def _audited(service: Whole) -> list[str]:
    async with service.client(access.ROLE_ADMINISTRATOR) as administrator:
        answer = await administrator.access.ListAuditEntries(
            access.ListAuditEntriesRequest(district_id=DISTRICT)
        )
    actions = [one.method.removeprefix("schoolbell.v1.") for one in answer.audit_entries]
    return [action for action in actions if action.startswith("StatusService/")]
