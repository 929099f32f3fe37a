"""What "When something is wrong" in docs/operations.md says is seen, is seen.

Each test causes one trouble and looks for it in the log, in the metrics and in the status, as far
as the page says that it shows there.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from schoolbell.errors import ResourceExhausted, SchoolbellError
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2, delivery_pb2, status_pb2, status_service_pb2
from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.faults import Endpoint, Fault
from schoolbell_server.config import Config
from schoolbell_server.gateways.common import transport
from schoolbell_server.gateways.common.mass_death import IN_A_ROW
from tests.service.following import following
from tests.service.observed import Observed, observed
from tests.service.ports import free_port
from tests.service.scene import (
    MOTHER,
    phone,
    populate,
    publish,
    register,
    restore,
    tasks,
    token_of,
)
from tests.service.test_back_pressure import fill, limited
from tests.service.whole import DISTRICT, PARENT_APP

APNS = {"app_id": PARENT_APP, "provider": "APNS"}
LINK = f"{PARENT_APP}/apns"
LINKED = PARENT_APP, common_pb2.PROVIDER_APNS


def unreachable(config: Config) -> Config:
    """Let nobody listen where the parents' app looks for Apple."""
    app = config.apps[PARENT_APP]
    assert app.ios is not None
    ios = replace(app.ios, server=f"localhost:{free_port()}")
    return replace(config, apps={**config.apps, PARENT_APP: replace(app, ios=ios)})


def apple_answers(it: Observed, effect: Effect, address: str = "") -> None:
    """Let Apple answer so: every request, or those to one phone."""
    fault = Fault(endpoint=Endpoint.APNS, effect=effect, address=address)
    it.service.sandbox.faults.add(fault)


async def test_a_provider_that_cannot_be_reached_and_its_circuit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with observed(tmp_path, caplog, unreachable) as it:
        await populate(it.service)
        await it.until_logged("link probed", state="disconnected", **APNS)
        await it.until_metric("schoolbell_link_connected", lambda value: value == 0, **APNS)
        warning = await it.until_warning(status_pb2.WARNING_CODE_PROVIDER_UNREACHABLE)
        assert LINK in warning.text
        await it.until_logged("circuit open", **APNS)
        await it.until_metric("schoolbell_circuit_open", lambda value: value == 1, **APNS)
        state = await it.until_state(
            lambda state: any(
                (link.app_id, link.provider) == LINKED and link.circuit == status_pb2.CIRCUIT_OPEN
                for link in state.links
            )
        )
        assert state.connectivity == status_pb2.CONNECTIVITY_DEGRADED
        async with following(it.service) as followed:
            await register(it.service, phone(MOTHER))
            await publish(it.service, *tasks(1, 1))
            (held,) = await followed.until_states(delivery_pb2.DELIVERY_STATE_HELD)
        assert held.attempt_count == 0


async def test_credentials_that_are_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with observed(tmp_path, caplog) as it:
        await populate(it.service)
        mothers, refused = phone(MOTHER), Effect(status=403, reason="InvalidProviderToken")
        await register(it.service, mothers)
        apple_answers(it, refused, token_of(mothers))  # a probe would open the circuit before
        await publish(it.service, *tasks(1, 1))
        bad = {"outcome": "CREDENTIAL_BAD"} | APNS
        await it.until_metric("schoolbell_attempts_total", lambda value: value > 0, **bad)
        apple_answers(it, refused)
        await it.until_logged("link probed", provider_reason="InvalidProviderToken", **APNS)
        await it.until_warning(status_pb2.WARNING_CODE_CREDENTIAL_REFUSED)
        state = await it.until_state(lambda state: bool(state.links))
        assert state.connectivity == status_pb2.CONNECTIVITY_DEGRADED


async def test_pushes_of_which_it_is_not_known_whether_they_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_UNSEEN", ("in other words",))
    async with observed(tmp_path, caplog) as it:
        await populate(it.service)
        mothers = phone(MOTHER)
        await register(it.service, mothers)
        apple_answers(it, Effect(reset=2), token_of(mothers))
        await publish(it.service, *tasks(1, 1))
        lost = {"outcome": "ANSWER_LOST"} | APNS
        await it.until_metric("schoolbell_attempts_total", lambda value: value > 0, **lost)
        await it.until_warning(status_pb2.WARNING_CODE_TRANSPORT_UNPROVEN)


async def test_tokens_that_are_all_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with observed(tmp_path, caplog) as it:
        await populate(it.service)
        await register(it.service, *(phone(MOTHER, number=number) for number in range(IN_A_ROW)))
        apple_answers(it, Effect(status=410, reason="Unregistered"))
        await publish(it.service, *tasks(1, 2))
        await it.until_logged("every device token is refused: tokens are kept")
        await it.until_warning(status_pb2.WARNING_CODE_MASS_TOKEN_DEATH)


async def test_a_provider_that_throttles(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with observed(tmp_path, caplog) as it:
        await populate(it.service)
        await register(it.service, phone(MOTHER))
        apple_answers(it, Effect(status=429, reason="TooManyRequests"))
        await publish(it.service, *tasks(1, 1))
        throttled = {"outcome": "THROTTLED_DEVICE"} | APNS
        await it.until_metric("schoolbell_attempts_total", lambda value: value > 0, **throttled)


async def test_a_backlog_that_is_full(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with observed(tmp_path, caplog, limited) as it:
        await populate(it.service)
        began = dt.datetime.now(dt.UTC)
        await fill(it.service)
        warning = await it.until_warning(status_pb2.WARNING_CODE_BACKLOG)
        assert warning.start_time.ToDatetime(dt.UTC) > began
        await it.until_metric("schoolbell_backlog_deliveries", lambda value: value > 800)
        await it.until_metric("schoolbell_backlog_age_seconds", lambda value: value < 30)
        refused = "BACKLOG_FULL"
        await it.until_logged("call", reason=refused)


async def test_nobody_is_told_and_since_when(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with observed(tmp_path, caplog) as it:
        began = dt.datetime.now(dt.UTC)
        await it.service.create_district(enabled=False)
        for code in (
            status_pb2.WARNING_CODE_NO_ACTIVE_YEAR,
            status_pb2.WARNING_CODE_NO_PORTAL_DATA,
        ):
            warning = await it.until_warning(code)
            assert warning.start_time.ToDatetime(dt.UTC) > began
        state = await it.until_state(lambda state: True)
        assert state.service_status == status_pb2.SERVICE_STATUS_INACTIVE
        await restore(it.service)
        await publish(it.service, *tasks(1, 1))
        await it.until_metric("schoolbell_refusals_total", lambda value: value > 0)


async def test_callers_that_are_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def few_calls(config: Config) -> Config:
        return replace(config, limits=replace(config.limits, concurrent_calls=10, reserved_calls=0))

    request = status_service_pb2.GetStatusRequest(district_id=DISTRICT)
    async with observed(tmp_path, caplog, few_calls) as it:
        await populate(it.service)
        async with it.service.client_of(f"sb_{uuid.uuid4()}_made-up") as nobody:
            with pytest.raises(SchoolbellError):
                await nobody.status.GetStatus(request)
        await it.until_logged("call", reason="UNAUTHENTICATED")
        async with it.service.client(access.ROLE_MOBILE_BACKEND) as backend:
            with pytest.raises(SchoolbellError):
                await backend.status.GetStatus(request)
        await it.until_logged("call", code="PERMISSION_DENIED")
        async with it.service.client(access.ROLE_MONITOR) as monitor:
            calls = [monitor.status.GetStatus(request) for _ in range(200)]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert any(isinstance(one, ResourceExhausted) for one in answers)
            await it.until_logged("call", reason="TOO_MANY_CALLS")
        await it.until_metric("schoolbell_calls_refused_total", lambda value: value > 0)
        await it.until_metric("schoolbell_keys_unknown_total", lambda value: value > 0)
