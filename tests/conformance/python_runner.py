"""The runner of the Python client: it does what README.md says of each operation."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message

from schoolbell import (
    AsyncClient,
    AsyncPublisher,
    AsyncWatcher,
    BadConnection,
    Connection,
    InvalidKeyError,
    SchoolbellError,
)
from schoolbell.errors import from_status
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.change_service_pb2 import (
    PUBLISH_RESULT_ACCEPTED,
    PUBLISH_RESULT_REFUSED,
    PublishAck,
    PublishResult,
)
from schoolbell.v1.status_service_pb2 import WatchStatusRequest
from schoolbell.watcher import Update
from tests.conformance.python_building import build

OFFERS = ["publisher", "watcher", "relisting", "builders", "mistakes", "environment", "mutual-tls"]
_LONGEST_LINE = 64 * 1024 * 1024  # bytes
_STUBS = {
    "AccessService": "access",
    "ChangeService": "changes",
    "DeviceService": "devices",
    "DistrictService": "districts",
    "RosterService": "roster",
    "SettingsService": "settings",
    "StatusService": "status",
    "SubscriptionService": "subscriptions",
}


@dataclass
class Publishing:
    """A publisher and what was submitted since the last flush."""

    publisher: AsyncPublisher
    submitted: list[tuple[str, asyncio.Future[PublishAck]]] = field(default_factory=list)

    async def acks(self) -> dict[str, Any]:
        """Return the answers of what was submitted, once all are there."""
        submitted, self.submitted = self.submitted, []
        return {"acks": [_ack(change_id, await answer) for change_id, answer in submitted]}


@dataclass
class Watching:
    """A watcher and its updates."""

    watcher: AsyncWatcher
    updates: AsyncIterator[Update]


@dataclass
class Runner:
    """The clients of a scenario by name, and what they are doing."""

    clients: dict[str, AsyncClient] = field(default_factory=dict)
    publishers: dict[str, Publishing] = field(default_factory=dict)
    watchers: dict[str, Watching] = field(default_factory=dict)
    background: dict[str, asyncio.Task[dict[str, Any]]] = field(default_factory=dict)

    async def do(self, op: str, given: dict[str, Any]) -> dict[str, Any]:
        """Do one operation and return its answer."""
        operations: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "describe": self.describe,
            "reset": self.reset,
            "connect": self.connect,
            "close": self.close,
            "call": self.call,
            "read": self.read,
            "exchange": self.exchange,
            "publisher.open": self.open_publisher,
            "publisher.submit": self.submit,
            "publisher.flush": self.flush,
            "publisher.close": self.close_publisher,
            "publisher.repeat": self.repeat,
            "watcher.open": self.open_watcher,
            "watcher.take": self.take,
            "watcher.count": self.count,
            "watcher.close": self.close_watcher,
            "build": self.build,
            "wait": self.wait,
            "cancel": self.cancel,
        }
        name = given.pop("as", "")
        if not name:
            return await operations[op](given)
        self.background[name] = asyncio.ensure_future(_answered(operations[op](given)))
        return {"ok": {}}

    async def describe(self, given: dict[str, Any]) -> dict[str, Any]:
        """Say what the client is and offers."""
        return {"language": "python", "version": version("schoolbell-server"), "offers": OFFERS}

    async def reset(self, given: dict[str, Any]) -> dict[str, Any]:
        """Close everything that the scenario left open."""
        for task in self.background.values():
            task.cancel()
        await asyncio.gather(*self.background.values(), return_exceptions=True)
        for publishing in self.publishers.values():
            await publishing.publisher.__aexit__(asyncio.CancelledError, None, None)
        for client in self.clients.values():
            await client.__aexit__(None, None, None)
        self.__init__()  # type: ignore[misc]
        return {}

    async def connect(self, given: dict[str, Any]) -> dict[str, Any]:
        """Open a client."""
        self.clients[given["client"]] = AsyncClient(_connection(given))
        return {}

    async def close(self, given: dict[str, Any]) -> dict[str, Any]:
        """Close a client."""
        await self.clients.pop(given["client"]).__aexit__(None, None, None)
        return {}

    async def call(self, given: dict[str, Any]) -> dict[str, Any]:
        """Make a unary call."""
        method, request_type = self._method(given)
        request = ParseDict(given["request"], request_type())
        return {"response": _json(await method(request, timeout=given.get("deadline")))}

    async def read(self, given: dict[str, Any]) -> dict[str, Any]:
        """Read some responses of a stream."""
        method, request_type = self._method(given)
        call = method(ParseDict(given["request"], request_type()), timeout=given.get("deadline"))
        responses: list[Any] = []
        async for response in call:
            responses.append(_json(response))
            if len(responses) == given["take"]:
                call.cancel()
                return {"responses": responses, "ended": False}
        return {"responses": responses, "ended": True}

    async def exchange(self, given: dict[str, Any]) -> dict[str, Any]:
        """Send requests and read all responses."""
        method, request_type = self._method(given)
        streams = _described(given).server_streaming

        async def requests() -> AsyncIterator[Message]:
            for request in given["requests"]:
                yield ParseDict(request, request_type())

        call = method(requests())
        if not streams:
            return {"responses": [_json(await call)]}
        return {"responses": [_json(response) async for response in call]}

    async def open_publisher(self, given: dict[str, Any]) -> dict[str, Any]:
        """Open a publisher."""
        publisher = self.clients[given["client"]].publisher(given["district_id"])
        self.publishers[given["publisher"]] = Publishing(await publisher.__aenter__())
        return {}

    async def submit(self, given: dict[str, Any]) -> dict[str, Any]:
        """Hand changes to a publisher."""
        publishing = self.publishers[given["publisher"]]
        for one in given["changes"]:
            change = ParseDict(one, Change())
            answer = await publishing.publisher.submit(change)
            publishing.submitted.append((change.key.change_id, answer))
        return {}

    async def flush(self, given: dict[str, Any]) -> dict[str, Any]:
        """Wait for the answers of what was submitted."""
        return await self.publishers[given["publisher"]].acks()

    async def repeat(self, given: dict[str, Any]) -> dict[str, Any]:
        """Publish many copies of a change."""
        change, accepted = ParseDict(given["change"], Change()), 0

        def copies() -> Iterator[Change]:
            for number in range(given["count"]):
                copy = Change()
                copy.CopyFrom(change)
                copy.key.change_id += f"-{number}"
                yield copy

        publisher = self.publishers[given["publisher"]].publisher
        async for _, ack in publisher.publish_all(copies()):
            accepted += ack.result == PUBLISH_RESULT_ACCEPTED
        return {"accepted": accepted}

    async def close_publisher(self, given: dict[str, Any]) -> dict[str, Any]:
        """Close a publisher; everything is answered then."""
        publishing = self.publishers.pop(given["publisher"])
        await publishing.publisher.__aexit__(None, None, None)
        return await publishing.acks()

    async def open_watcher(self, given: dict[str, Any]) -> dict[str, Any]:
        """Open a watcher."""
        request = ParseDict(given["request"], WatchStatusRequest())
        watcher = AsyncWatcher(self.clients[given["client"]], request)
        self.watchers[given["watcher"]] = Watching(watcher, aiter(watcher))
        return {}

    async def take(self, given: dict[str, Any]) -> dict[str, Any]:
        """Read on until enough came."""
        came: dict[str, Any] = {"states": [], "deliveries": [], "changes": []}
        watching = self.watchers[given["watcher"]]
        while any(len(came[what]) < count for what, count in given["count"].items()):
            update = await anext(watching.updates)
            came["resume_token"] = update.resume_token
            for what in ("states", "deliveries", "changes"):
                came[what] += [_json(one) for one in getattr(update, what)]
        return {**came, "lists": watching.watcher.lists}

    async def count(self, given: dict[str, Any]) -> dict[str, Any]:
        """Read on until enough came, and count it."""
        came = dict.fromkeys(given["count"], 0)
        watching = self.watchers[given["watcher"]]
        while any(came[what] < count for what, count in given["count"].items()):
            update = await anext(watching.updates)
            for what in came:
                came[what] += len(getattr(update, what))
        return came

    async def close_watcher(self, given: dict[str, Any]) -> dict[str, Any]:
        """Close a watcher."""
        updates: Any = self.watchers.pop(given["watcher"]).updates
        await updates.aclose()
        return {}

    async def build(self, given: dict[str, Any]) -> dict[str, Any]:
        """Build a change."""
        try:
            return {"change": build(given)}
        except ValueError as error:
            return _refused(error)

    async def wait(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return what a background operation answers."""
        return await self.background.pop(given["of"])

    async def cancel(self, given: dict[str, Any]) -> dict[str, Any]:
        """Cancel a background operation."""
        self.background[given["of"]].cancel()
        return {}

    def _method(self, given: dict[str, Any]) -> tuple[Any, type[Any]]:
        service, name = given["method"].split("/")
        stub = getattr(self.clients[given["client"]], _STUBS[service])
        return getattr(stub, name), message_factory.GetMessageClass(_described(given).input_type)


def _described(given: dict[str, Any]) -> MethodDescriptor:
    name = given["method"].replace("/", ".")
    return descriptor_pool.Default().FindMethodByName(f"schoolbell.v1.{name}")


def _connection(given: dict[str, Any]) -> Connection:
    fields: dict[str, Any] = {
        key: given[key] for key in ("target", "key", "plaintext", "deadline") if key in given
    }
    if "ca_file" in given:
        fields["ca"] = Path(given["ca_file"]).read_bytes()
    if "certificate_file" in given:
        files = (given["private_key_file"], given["certificate_file"])
        fields["client_certificate"] = tuple(Path(file).read_bytes() for file in files)
    environment = dict(given.get("environment", {}))
    if "key_file" in given:
        environment["SCHOOLBELL_KEY_FILE"] = given["key_file"]
    with _variables(environment):
        return Connection.from_environment(**fields)


@contextmanager
def _variables(environment: dict[str, str]) -> Iterator[None]:
    os.environ.update(environment)
    try:
        yield
    finally:
        for name in environment:
            del os.environ[name]


def _json(message: Message) -> dict[str, Any]:
    return dict(MessageToDict(message))


def _ack(change_id: str, ack: PublishAck) -> dict[str, Any]:
    refused = ack.result == PUBLISH_RESULT_REFUSED
    return {
        "change_id": change_id,
        "result": PublishResult.Name(ack.result).removeprefix("PUBLISH_RESULT_"),
        "reason": from_status(ack.error).reason if refused else "",
    }


def _error(error: SchoolbellError) -> dict[str, Any]:
    return {
        "code": error.code.name,
        "reason": error.reason,
        "message": str(error),
        "metadata": dict(error.metadata),
        "violations": [
            {"field": one.path, "description": one.text, "reason": one.reason}
            for one in error.fields
        ],
        "retry_delay": error.retry_after.total_seconds() if error.retry_after else None,
    }


def _refused(error: ValueError) -> dict[str, Any]:
    """Return the answer of what the client refuses before any call."""
    return {"error": {"code": "CLIENT", "reason": "", "message": str(error)}}


async def _answered(work: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """Return the answer of an operation: `ok`, `error` or `fault`."""
    try:
        answer = await work
    except SchoolbellError as error:
        return {"error": _error(error)}
    except (BadConnection, InvalidKeyError) as error:
        return _refused(error)
    except asyncio.CancelledError:
        return {"error": {"code": "CANCELLED", "reason": "", "message": "cancelled"}}
    except Exception:  # noqa: BLE001 - whatever went wrong is for the driver to show
        return {"fault": traceback.format_exc()}
    return answer if set(answer) & {"ok", "error", "fault"} else {"ok": answer}


async def main() -> None:
    """Answer requests until stdin ends."""
    runner = Runner()
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=_LONGEST_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        request = json.loads(line)
        number, op = request.pop("id"), request.pop("op")
        answer = await _answered(runner.do(op, request))
        print(json.dumps({"id": number, **answer}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
