"""One sender against the sink, for so many seconds, in a process of its own.

`python -m benchmarks.senders PROVIDER NAME FOLDER SECONDS` prints what it sent, and in how much
time of the clock and of the processor. `FOLDER` is what `benchmarks.sending` has written.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import json
import os
import ssl
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvloop
from aioapns import NotificationRequest, PushType
from pyfcm import FCMNotification

from benchmarks.meter import Meter
from benchmarks.stock_clients import aioapns_client
from schoolbell_sandbox.credentials import PROJECT_ID
from schoolbell_server.domain.kinds import AppType, Kind, Outcome, Platform
from schoolbell_server.gateways.app_config import AndroidConfig, AppConfig, IosConfig
from schoolbell_server.gateways.common.push import Gateway, Push
from schoolbell_server.gateways.factory import build_gateways

OURS = "ours"
TOPIC = "org.schoolbell.parent"
TEXT = ("New grade", "A grade was posted in one of your student's courses. Open the app.")
_BATCH, _BATCHES = 500, 3  # as the service's routes send
_IN_FLIGHT = 100  # of the stock libraries: with more both are slower
_THREADS = 8
_DEADLINE = dt.timedelta(seconds=20)


@asynccontextmanager
async def our_gateway(folder: Path, platform: Platform) -> AsyncIterator[Gateway]:
    """Open our gateway of a platform, configured as the service configures it."""
    port, ca_file = _sink_fact(folder, "h2"), folder / "ca.pem"
    ios = IosConfig(
        topic=TOPIC,
        team_id="SANDBOXTEA",
        key_id="SANDBOXKEY",
        key_file=folder / "apns.p8",
        server=f"localhost:{port}",
        ca_file=ca_file,
    )
    android = AndroidConfig(
        project_id=PROJECT_ID,
        service_account_file=folder / "service-account.json",
        endpoint=f"https://localhost:{port}",
        ca_file=ca_file,
    )
    apps = {"parent": AppConfig(app_id="parent", kind=AppType.PARENT, ios=ios, android=android)}
    gateways = build_gateways(
        apps, in_flight=1_000, deadline=_DEADLINE, clock=lambda: dt.datetime.now(dt.UTC)
    )
    try:
        yield gateways["parent", platform]
    finally:
        for gateway in gateways.values():
            await gateway.close()


async def ours(folder: Path, meter: Meter, platform: Platform) -> None:
    """Send as the service's routes do: batches, a few of them under way."""
    batch = [_push() for _ in range(_BATCH)]
    async with our_gateway(folder, platform) as gateway:

        async def route() -> None:
            going = True
            while going:
                results = await gateway.send(batch)
                accepted = sum(one.outcome is Outcome.ACCEPTED for one in results)
                going = meter.note(accepted, len(results) - accepted)

        await asyncio.gather(*(route() for _ in range(_BATCHES)))


async def our_apns(folder: Path, meter: Meter) -> None:
    """Send through our APNs gateway."""
    await ours(folder, meter, Platform.IOS)


async def our_fcm(folder: Path, meter: Meter) -> None:
    """Send through our FCM gateway, which holds to no rate here but its own."""
    await ours(folder, meter, Platform.ANDROID)


async def stock_aioapns(folder: Path, meter: Meter) -> None:
    """Send with aioapns as it is; only the address and the certificate's authority are ours."""
    client = aioapns_client(
        _sink_fact(folder, "h2"),
        ssl.create_default_context(cafile=str(folder / "ca.pem")),
        key=(folder / "apns.p8").read_text(),
        key_id="SANDBOXKEY",
        team_id="SANDBOXTEA",
        topic=TOPIC,
    )

    async def sender() -> None:
        going = True
        while going:
            result = await client.send_notification(_request())
            going = meter.note(result.is_successful, not result.is_successful)

    await asyncio.gather(*(sender() for _ in range(_IN_FLIGHT)))
    client.pool.close()


async def stock_pyfcm_threads(folder: Path, meter: Meter) -> None:
    """Send with pyfcm's `notify`, which blocks, on a few threads."""
    client = _pyfcm(folder)

    def sender() -> None:
        going = True
        while going:
            answer = client.notify(fcm_token="d" * 150, data_payload=_data(), timeout=20)
            going = meter.note("name" in answer)

    await asyncio.gather(*(asyncio.to_thread(sender) for _ in range(_THREADS)))


async def stock_pyfcm_async(folder: Path, meter: Meter) -> None:
    """Send with pyfcm's `async_notify_multiple_devices`, which wants a thread without a loop."""
    client = _pyfcm(folder)

    def sender() -> None:
        going = True
        while going:
            messages = [{"fcm_token": "d" * 150, "data_payload": _data()} for _ in range(100)]
            answers = client.async_notify_multiple_devices(messages, timeout=20)
            going = meter.note(sum("name" in answer for answer in answers))

    await asyncio.to_thread(sender)


SENDERS: dict[tuple[str, str], Callable[[Path, Meter], Coroutine[None, None, None]]] = {
    ("APNs", OURS): our_apns,
    ("APNs", "aioapns"): stock_aioapns,
    ("FCM", OURS): our_fcm,
    ("FCM", "pyfcm, 8 threads"): stock_pyfcm_threads,
    ("FCM", "pyfcm, asynchronous"): stock_pyfcm_async,
}
"""By provider and name."""


def main() -> None:
    """Run the named sender and print its figures."""
    provider, name, path, seconds = sys.argv[1:]
    folder = Path(path)
    os.environ["REQUESTS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"] = str(folder / "ca.pem")
    meter = Meter(float(seconds), _sink_fact(folder, "pid"))
    uvloop.run(SENDERS[provider, name](folder, meter))  # as the service runs
    print(json.dumps(meter.report()))


def _sink_fact(folder: Path, name: str) -> int:
    fact: int = json.loads((folder / "sink.json").read_text())[name]
    return fact


_numbers = itertools.count()


def _push() -> Push:
    return Push(
        delivery_id=str(uuid.uuid4()),
        app_id="parent",
        address=f"{next(_numbers):064x}",
        kind=Kind.GRADE,
        title=TEXT[0],
        body=TEXT[1],
        collapse_key="k" * 22,
        expire_time=dt.datetime.now(dt.UTC) + dt.timedelta(days=1),
        registration_ref="r" * 16,
    )


def _request() -> NotificationRequest:
    """Return what our own gateway would send."""
    delivery_id = str(uuid.uuid4())
    aps = {
        "alert": {"title": TEXT[0], "body": TEXT[1]},
        "sound": "default",
        "mutable-content": 1,
        "interruption-level": "active",
        "thread-id": "GRADE",
        "category": "GRADE",
    }
    keys = {"delivery_id": delivery_id, "kind": "GRADE", "registration_ref": "r" * 16}
    return NotificationRequest(
        device_token=f"{next(_numbers):064x}",
        message={"aps": aps, **keys},
        notification_id=delivery_id,
        time_to_live=86_400,
        priority=10,
        collapse_key="k" * 22,
        push_type=PushType.ALERT,
    )


def _data() -> dict[str, str]:
    keys = {"delivery_id": str(uuid.uuid4()), "kind": "GRADE", "registration_ref": "r" * 16}
    return {"title": TEXT[0], "body": TEXT[1], "tag": "k" * 22, **keys}


def _pyfcm(folder: Path) -> Any:
    FCMNotification.FCM_END_POINT_BASE = f"https://localhost:{_sink_fact(folder, 'h1')}/v1/projects"
    token = SimpleNamespace(token="sink", project_id=PROJECT_ID, refresh=lambda _: None)
    return FCMNotification(credentials=token)


if __name__ == "__main__":
    main()
