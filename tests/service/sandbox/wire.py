"""An HTTP/2 client that shows every frame it gets, and ready-made pushes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Self
from urllib.parse import urlencode

import jwt
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    InformationalResponseReceived,
    PingAckReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from hyperframe.frame import Frame, GoAwayFrame

from schoolbell_sandbox.credentials import SandboxCredentials
from schoolbell_sandbox.oauth import AUDIENCE, GRANT_TYPE
from schoolbell_sandbox.server import Sandbox, SandboxSettings

PATIENCE = 20.0
TOPIC = "org.schoolbell.parent"
TOKEN = "ab" * 32
FCM_TOKEN = "device-" + "x" * 40
ALERT = b'{"aps":{"alert":{"title":"New grade","body":"Open the app."}}}'


@cache
def credentials() -> SandboxCredentials:
    """Return credentials that all tests share, because RSA keys take long to make."""
    return SandboxCredentials.create()


def sandbox(**settings: Any) -> Sandbox:
    """Return a sandbox with the shared credentials."""
    return Sandbox(SandboxSettings(credentials=credentials(), **settings))


@dataclass
class Stream:
    """What came back for one request."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    data_frames: list[int] = field(default_factory=list)
    trailers: dict[str, str] = field(default_factory=dict)
    informational: int = 0
    reset: int | None = None
    ended: bool = False

    @property
    def status(self) -> int:
        return int(self.headers[":status"])

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        return str(self.json["reason"])


class Wire:
    """One connection; `await` a condition on what it has received."""

    def __init__(self, port: int, context: ssl.SSLContext, *, acknowledge: bool = True) -> None:
        self._port = port
        self._context = context
        self._acknowledge = acknowledge
        config = H2Configuration(header_encoding="utf-8", validate_outbound_headers=False)
        self.h2 = H2Connection(config)
        # h2 hears nothing after a GOAWAY, but answers that were promised do come after it.
        self.h2._frame_dispatch_table[GoAwayFrame] = self._on_goaway
        self.streams: dict[int, Stream] = {}
        self.goaways: list[GoAwayFrame] = []
        self.settings: list[dict[int, int]] = []
        self.finished: list[int] = []
        self.pings: list[bytes] = []
        self.closed = False
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._context, server_hostname="localhost"
        )
        self.h2.initiate_connection()
        self._flush()
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        # A peer that plays dead would let a clean end of TLS wait.
        self._writer.transport.abort()

    def send(
        self, path: str, headers: Mapping[str, str], body: bytes = b"", *, method: str = "POST"
    ) -> int:
        """Send a request and return its stream."""
        return self.send_fields(path, list(headers.items()), body, method=method)

    def send_fields(
        self, path: str, fields: list[tuple[str, str]], body: bytes = b"", *, method: str = "POST"
    ) -> int:
        """Send a request with header fields that may repeat."""
        stream_id = self.h2.get_next_available_stream_id()
        self.streams[stream_id] = Stream()
        pseudo = [(":method", method), (":path", path), (":scheme", "https")]
        head = [*pseudo, (":authority", "localhost"), *fields]
        self.h2.send_headers(stream_id, head, end_stream=not body)
        if body:
            self.h2.send_data(stream_id, body, end_stream=True)
        self._flush()
        return stream_id

    def ping(self) -> None:
        """Send a PING, and whatever else is ready."""
        self.h2.ping(b"schoolbl")
        self._flush()

    def write(self, data: bytes) -> None:
        """Write bytes as they are, in one piece."""
        self._writer.write(data)

    async def answer(self, stream_id: int) -> Stream:
        """Wait for the end of a stream."""
        stream = self.streams[stream_id]
        await self.until(lambda: stream.ended or stream.reset is not None)
        return stream

    async def until(self, condition: Any) -> None:
        """Wait until something holds of what was received."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: condition() or self.closed)
        assert condition(), "the connection ended first"

    async def until_closed(self) -> None:
        """Wait for the server to close."""
        await self.until(lambda: self.closed)

    async def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := await self._reader.read(65_536):
                for event in self.h2.receive_data(data):
                    self._on(event)
                self._flush()
                async with self._news:
                    self._news.notify_all()
        self.closed = True
        async with self._news:
            self._news.notify_all()

    def _on(self, event: Event) -> None:
        match event:
            case ResponseReceived():
                self.streams[event.stream_id].headers = texts(event.headers)
            case InformationalResponseReceived():
                self.streams[event.stream_id].informational += 1
            case TrailersReceived():
                self.streams[event.stream_id].trailers = texts(event.headers)
            case DataReceived():
                stream = self.streams[event.stream_id]
                stream.body += event.data
                stream.data_frames.append(event.flow_controlled_length)
                if self._acknowledge:
                    size = event.flow_controlled_length
                    self.h2.acknowledge_received_data(size, event.stream_id)
            case StreamEnded():
                self.streams[event.stream_id].ended = True
                self.finished.append(event.stream_id)
            case StreamReset():
                self.streams[event.stream_id].reset = int(event.error_code)
            case PingAckReceived():
                self.pings.append(event.ping_data)
            case RemoteSettingsChanged():
                changed = event.changed_settings
                self.settings.append({int(k): v.new_value for k, v in changed.items()})
            case _:
                pass

    def _on_goaway(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        self.goaways.append(frame)
        return [], []

    def _flush(self) -> None:
        if not self._writer.is_closing():
            self._writer.write(self.h2.data_to_send())


def texts(fields: Iterable[tuple[str | bytes, str | bytes]]) -> dict[str, str]:
    """Return header fields, which h2 was told to decode."""
    return {str(name): str(value) for name, value in fields}


def client_context(box: Sandbox, *, alpn: str | None = "h2") -> ssl.SSLContext:
    """Return a context that trusts the sandbox."""
    context = ssl.create_default_context(cadata=box.ca_pem.decode())
    if alpn:
        context.set_alpn_protocols([alpn])
    return context


def to_apns(box: Sandbox, **options: Any) -> Wire:
    """Return a connection to APNs."""
    return Wire(box.apns_port, client_context(box), **options)


def to_fcm(box: Sandbox, **options: Any) -> Wire:
    """Return a connection to FCM."""
    return Wire(box.fcm_port, client_context(box), **options)


def provider_token(*, issue_time: float | None = None, **changes: Any) -> str:
    """Sign a provider token with the shared key."""
    own = credentials()
    claims = {"iss": own.apns_team_id, "iat": int(issue_time or time.time())} | changes
    return jwt.encode(claims, own.apns_p8, "ES256", headers={"kid": own.apns_key_id})


@cache
def usual_provider_token() -> str:
    """Return one token for everybody: APNs refuses a second one soon after the first."""
    return provider_token()


def apns_headers(**changes: str | None) -> dict[str, str]:
    """Return good headers; underscores of the names become hyphens, None removes one."""
    headers: dict[str, str | None] = {
        "authorization": "bearer " + usual_provider_token(),
        "apns-topic": TOPIC,
        "apns-push-type": "alert",
        "apns-id": str(uuid.uuid4()),
    }
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in headers.items() if value is not None}


async def push(wire: Wire, *, token: str = TOKEN, body: bytes = ALERT, **changes: Any) -> Stream:
    """Send one push to APNs and wait for the answer."""
    return await wire.answer(wire.send(f"/3/device/{token}", apns_headers(**changes), body))


def assertion(account: Mapping[str, str], **changes: Any) -> str:
    """Sign an assertion for the token endpoint."""
    now = int(time.time())
    claims = {
        "iss": account["client_email"],
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 3600,
    }
    return jwt.encode(claims | changes, account["private_key"], "RS256")


async def ask_token(wire: Wire, signed: str, grant_type: str = GRANT_TYPE) -> Stream:
    """Ask the token endpoint."""
    form = urlencode({"grant_type": grant_type, "assertion": signed}).encode()
    kind = {"content-type": "application/x-www-form-urlencoded"}
    return await wire.answer(wire.send("/token", kind, form))


async def access_token(wire: Wire, box: Sandbox, **changes: Any) -> str:
    """Return a fresh access token."""
    answer = await ask_token(wire, assertion(box.service_account, **changes))
    return str(answer.json["access_token"])


async def send(
    wire: Wire, token: str, message: Any, *, dry: bool = False, project: str = ""
) -> Stream:
    """Send one message to FCM and wait for the answer."""
    content = {"message": message} | ({"validate_only": True} if dry else {})
    path = f"/v1/projects/{project or credentials().fcm_project_id}/messages:send"
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    return await wire.answer(wire.send(path, headers, json.dumps(content).encode()))


def detail(answer: Stream, kind: str) -> dict[str, Any] | None:
    """Return the error detail of a type, such as `FcmError`."""
    details = answer.json["error"].get("details", [])
    return next((d for d in details if d["@type"].endswith("." + kind)), None)
