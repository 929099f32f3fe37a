"""A real gateway that sends to a real sandbox over TLS, and what may be said of the outcome."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import os
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.faults import Endpoint, Fault
from schoolbell_sandbox.listener import Listener
from schoolbell_sandbox.server import Sandbox
from schoolbell_server.domain.kinds import AppType, Kind, Outcome, Platform, ProviderEnvironment
from schoolbell_server.gateways.apns.gateway import ApnsGateway
from schoolbell_server.gateways.apns.provider_token import ProviderToken
from schoolbell_server.gateways.app_config import AndroidConfig, AppConfig, IosConfig
from schoolbell_server.gateways.common.circuits import circuits_by_environment
from schoolbell_server.gateways.common.push import Gateway, Push, PushResult
from schoolbell_server.gateways.factory import build_gateways
from tests.service.sandbox.wire import sandbox

PATIENCE = 20.0
"""Seconds a test waits for what must come."""
SHORT = 0.5
"""The deadline, in seconds, where an answer never comes."""
TOPIC = "org.maple.parent"
BOTH = [Platform.IOS, Platform.ANDROID]


@dataclass
class Sending:
    """A gateway, and the sandbox that it sends to."""

    box: Sandbox
    gateway: Gateway
    platform: Platform
    folder: Path

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint.APNS if self.platform is Platform.IOS else Endpoint.FCM

    @property
    def listener(self) -> Listener:
        return self.box.listener(self.endpoint)

    def suffer(self, effect: Effect, **conditions: Any) -> None:
        """Put a fault in force."""
        self.box.faults.add(Fault(endpoint=self.endpoint, effect=effect, **conditions))

    def pushes(self, count: int, **changes: Any) -> list[Push]:
        """Return pushes to as many phones."""
        return [
            Push(
                **{
                    "delivery_id": str(uuid.uuid4()),
                    "app_id": "parent",
                    "address": uuid.uuid4().hex * 2,
                    "environment": ProviderEnvironment.SANDBOX,
                    "kind": Kind.GRADE,
                    "title": "New grade",
                    "body": "Open the app.",
                    "collapse_key": f"fact-{number}",
                    **changes,
                }
            )
            for number in range(count)
        ]

    async def send(self, count: int, **changes: Any) -> Sequence[PushResult]:
        """Send to as many phones."""
        return await self.gateway.send(self.pushes(count, **changes))

    async def warm(self) -> None:
        """Have one push accepted, so that there are tokens and a connection."""
        await self.recover()  # on a slow machine a short deadline may be too short for the first

    async def recover(self, *, probing: bool = False) -> None:
        """Wait until a push is accepted again."""
        async with asyncio.timeout(PATIENCE):
            while True:
                if probing:
                    await self.gateway.probe()
                (result,) = await self.send(1)
                if result.outcome is Outcome.ACCEPTED:
                    return
                await asyncio.sleep(0.02)

    async def send_all(self, pushes: Sequence[Push]) -> None:
        """Send until all are accepted; every result must be one, or that nothing was done."""
        async with asyncio.timeout(PATIENCE):
            while pushes:
                results = await self.gateway.send(pushes)
                found = outcomes(results)
                assert found[Outcome.ACCEPTED] + found[Outcome.NOT_SENT] == len(pushes), found
                pushes = [
                    push
                    for push, result in zip(pushes, results, strict=True)
                    if result.outcome is Outcome.NOT_SENT
                ]
                if pushes:
                    await asyncio.sleep(0.02)

    async def accepted(self, count: int) -> None:
        """Wait until phones were shown so many."""
        async for batch in self.box.ledger.follow_shown():
            count -= len(batch)
            if count <= 0:
                return

    def check_honest(self, results: Sequence[PushResult]) -> None:
        """Hold the results to what the provider really accepted: nothing hidden, nothing twice."""
        counts = [self.box.ledger.count(result.delivery_id) for result in results]
        for result, count in zip(results, counts, strict=True):
            if result.outcome is Outcome.ACCEPTED:
                assert count == 1
            elif result.outcome is not Outcome.ANSWER_LOST:
                assert count == 0
            else:
                assert count <= 1


def memory() -> int:
    """Return this process's resident memory in bytes, Rust's too."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def outcomes(results: Sequence[PushResult]) -> Counter[Outcome]:
    """Count the outcomes."""
    return Counter(result.outcome for result in results)


def reasons(results: Sequence[PushResult]) -> set[str]:
    """Return the reasons given."""
    return {result.provider_reason for result in results}


def app_config(box: Sandbox, folder: Path, **ios: Any) -> AppConfig:
    """Return an app whose providers are a sandbox."""
    box.write_credentials(folder)
    key = {
        "team_id": box.credentials.apns_team_id,
        "key_id": box.credentials.apns_key_id,
        "key_file": folder / "apns.p8",
    }
    return AppConfig(
        app_id="parent",
        kind=AppType.PARENT,
        ios=IosConfig(
            topic=TOPIC,
            environment=ProviderEnvironment.SANDBOX,
            server=f"localhost:{box.apns_port}",
            ca_file=folder / "ca.pem",
            **(ios or key),
        ),
        android=AndroidConfig(
            project_id=box.credentials.fcm_project_id,
            service_account_file=folder / "service-account.json",
            endpoint=f"https://localhost:{box.fcm_port}",
            ca_file=folder / "ca.pem",
        ),
    )


def apns_gateway(config: IosConfig, token: ProviderToken | None) -> ApnsGateway:
    """Return a gateway to Apple that signs with a token of the test's own, or with none."""
    return ApnsGateway(
        config,
        token,
        in_flight=100,
        deadline=dt.timedelta(seconds=PATIENCE),
        circuits=circuits_by_environment(),
        clock=lambda: dt.datetime.now(dt.UTC),
    )


@asynccontextmanager
async def sending(
    platform: Platform,
    folder: Path,
    *,
    deadline: float = PATIENCE,
    ios: dict[str, Any] | None = None,
    in_flight: int = 1000,
    proxy: str = "",
    **settings: Any,
) -> AsyncIterator[Sending]:
    """Run a sandbox and a gateway of one provider; the other gateway is never used."""
    async with sandbox(**settings) as box:
        gateways = build_gateways(
            {"parent": app_config(box, folder, **(ios or {}))},
            in_flight=in_flight,
            deadline=dt.timedelta(seconds=deadline),
            clock=lambda: dt.datetime.now(dt.UTC),
            apns_proxy=proxy,
            fcm_proxy=proxy,
        )
        try:
            yield Sending(box, gateways["parent", platform], platform, folder)
        finally:
            for gateway in gateways.values():
                await gateway.close()
