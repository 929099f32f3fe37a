"""Our gateways and the stock libraries behind one face: push by push, a task each."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aioapns import NotificationRequest, PushType
from pyfcm import FCMNotification
from pyfcm.errors import FCMNotRegisteredError, FCMSenderIdMismatchError

from benchmarks.stock_clients import aioapns_client
from schoolbell_server.domain.kinds import Outcome, Platform
from schoolbell_server.gateways.common.push import Push, PushResult
from tests.faults.sending import TOPIC, Sending

ACCEPTED, DEAD, ERROR = "accepted", "dead", "error"
_DEAD = ("BadDeviceToken", "Unregistered", "ExpiredToken")
Send = Callable[[Sequence[Push]], list[asyncio.Task[str]]]


@dataclass(frozen=True, slots=True)
class Sender:
    """A way to send."""

    name: str
    platform: Platform
    open: Callable[[Sending], AbstractAsyncContextManager[Send]]


@asynccontextmanager
async def ours(it: Sending) -> AsyncIterator[Send]:
    """Send through our gateway: whoever calls gets their own batch."""

    async def one(push: Push) -> str:
        return _said((await it.gateway.send([push]))[0])

    yield lambda pushes: [asyncio.create_task(one(push)) for push in pushes]


def _said(result: PushResult) -> str:
    if result.outcome is Outcome.ACCEPTED:
        return ACCEPTED
    return DEAD if result.outcome is Outcome.TOKEN_DEAD else ERROR


@asynccontextmanager
async def aioapns(it: Sending) -> AsyncIterator[Send]:
    """Send with aioapns."""
    logging.getLogger("aioapns").setLevel(logging.CRITICAL)
    client = aioapns_client(
        it.box.apns_port,
        ssl.create_default_context(cadata=it.box.ca_pem.decode()),
        key=it.box.credentials.apns_p8,
        key_id=it.box.credentials.apns_key_id,
        team_id=it.box.credentials.apns_team_id,
        topic=TOPIC,
    )

    async def one(push: Push) -> str:
        request = NotificationRequest(
            device_token=push.address,
            message={"aps": {"alert": {"title": push.title, "body": push.body}}},
            notification_id=push.delivery_id,
            push_type=PushType.ALERT,
        )
        answer = await client.send_notification(request)
        if answer.is_successful:
            return ACCEPTED
        return DEAD if answer.description in _DEAD else ERROR

    yield lambda pushes: [asyncio.create_task(one(push)) for push in pushes]
    client.pool.close()


def _pyfcm(it: Sending) -> FCMNotification:
    os.environ["REQUESTS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"] = str(it.folder / "ca.pem")

    class ToSandbox(FCMNotification):  # type: ignore[misc]
        FCM_END_POINT_BASE = f"https://localhost:{it.box.fcm_port}/v1/projects"

    return ToSandbox(
        service_account_file=str(it.folder / "service-account.json"),
        project_id=it.box.credentials.fcm_project_id,
    )


def _in_thread(work: Callable[[], Any]) -> asyncio.Task[Any]:
    """Run blocking work in a thread that nobody has to wait for."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: Exception | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - whatever the library raises is its answer
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, daemon=True).start()
    return asyncio.ensure_future(_wait(answer))


async def _wait(answer: asyncio.Future[Any]) -> Any:
    return await answer


@asynccontextmanager
async def pyfcm_threads(it: Sending) -> AsyncIterator[Send]:
    """Send with pyfcm's `notify`, each push in a thread of its own."""
    client = _pyfcm(it)

    def one(push: Push) -> str:
        try:
            client.notify(fcm_token=push.address, data_payload={"delivery_id": push.delivery_id})
        except (FCMNotRegisteredError, FCMSenderIdMismatchError):
            return DEAD
        return ACCEPTED

    yield lambda pushes: [_in_thread(lambda push=push: one(push)) for push in pushes]  # type: ignore[misc]


@asynccontextmanager
async def pyfcm_async(it: Sending) -> AsyncIterator[Send]:
    """Send with pyfcm's `async_notify_multiple_devices`, a batch in a thread without a loop."""
    client = _pyfcm(it)

    def batch(pushes: Sequence[Push]) -> list[dict[str, Any]]:
        messages = [
            {"fcm_token": one.address, "data_payload": {"delivery_id": one.delivery_id}}
            for one in pushes
        ]
        answers: list[dict[str, Any]] = client.async_notify_multiple_devices(messages)
        return answers

    async def one(whole: asyncio.Task[Any], place: int) -> str:
        answer = (await asyncio.shield(whole))[place]
        if "name" in answer:
            return ACCEPTED
        return DEAD if "UNREGISTERED" in str(answer) else ERROR

    def send(pushes: Sequence[Push]) -> list[asyncio.Task[str]]:
        whole = _in_thread(lambda: batch(pushes))
        return [asyncio.create_task(one(whole, place)) for place in range(len(pushes))]

    yield send


SENDERS = [
    Sender("ours", Platform.IOS, ours),
    Sender("aioapns", Platform.IOS, aioapns),
    Sender("ours", Platform.ANDROID, ours),
    Sender("pyfcm, threads", Platform.ANDROID, pyfcm_threads),
    Sender("pyfcm, async", Platform.ANDROID, pyfcm_async),
]
