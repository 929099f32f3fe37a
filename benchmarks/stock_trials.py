"""The faults that our senders and the stock libraries are put to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from schoolbell_sandbox.apns_settings import ApnsSettings
from schoolbell_sandbox.certificates import CertificateFlaw
from schoolbell_sandbox.effect import (
    ApnsId,
    Closing,
    Effect,
    GoAway,
    LastStream,
    SettingsStep,
)
from schoolbell_sandbox.listener import PortMode
from tests.faults.sending import Sending

PATIENCE = 15.0  # seconds; our own deadline is 5 s shorter
_HTML = "<html>Not here</html>"
Prepare = Callable[[Sending], Awaitable[None] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A fault, and what a sender must make of it."""

    name: str
    prepare: Prepare
    pushes: int = 60
    accepted: int = 0
    """So many at least: what the fault does not strike."""
    dead: bool = False
    """The tokens are dead indeed."""
    warm: bool = True
    patience: float = PATIENCE
    at_once: int = 1000
    settings: dict[str, Any] = field(default_factory=dict)
    """Of the sandbox."""
    impatient: bool = False
    """One caller gives up after half a second."""


def _effect(effect: Effect, **conditions: Any) -> Prepare:
    return lambda it: it.suffer(effect, **conditions)


def _certificate(it: Sending) -> None:
    it.listener.use_certificate(CertificateFlaw.WRONG_NAME)


def _mode(mode: PortMode) -> Prepare:
    async def prepare(it: Sending) -> None:
        await it.listener.set_mode(mode)
        it.listener.cut()

    return prepare


_FLAP = tuple(
    SettingsStep(values={"MAX_CONCURRENT_STREAMS": limit}, after=0.05 * number)
    for number, limit in enumerate([1, 1000, 1, 1000])
)
APNS = [
    Trial(name="a burst on a cold connection", prepare=lambda _: None, accepted=60, warm=False),
    Trial(
        name="3,000 rejections on one connection",
        prepare=_effect(Effect(status=400, reason="BadDeviceToken")),
        pushes=3000,
        at_once=20,
        settings={"apns": ApnsSettings(bad_token_limit=None)},
        dead=True,
    ),
    Trial(
        name="stream limits that flap under load",
        prepare=_effect(Effect(settings=_FLAP, delay=0.02), every=100),
        pushes=400,
        accepted=400,
    ),
    Trial(
        name="RST_STREAM, refused",
        prepare=_effect(Effect(reset=7, processed=False), every=3),
        accepted=40,
    ),
    Trial(name="RST_STREAM, other", prepare=_effect(Effect(reset=2), every=3), accepted=40),
    Trial(
        name="GOAWAY amid a burst",
        prepare=_effect(Effect(goaway=GoAway(last_stream=LastStream.AT)), first=30, times=1),
    ),
    Trial(name="an error without a body", prepare=_effect(Effect(status=503, body=""))),
    Trial(name="an error page in HTML", prepare=_effect(Effect(status=410, body=_HTML))),
    Trial(
        name="an error body in two frames",
        prepare=_effect(Effect(status=413, reason="PayloadTooLarge", body_frames=2)),
    ),
    Trial(
        name="an answer without apns-id",
        prepare=_effect(Effect(apns_id=ApnsId.ABSENT)),
        accepted=60,
    ),
    Trial(
        name="an answer after 11 s",
        prepare=_effect(Effect(delay=11.0)),
        pushes=2,
        accepted=2,
        patience=25.0,
    ),
    Trial(name="no answer", prepare=_effect(Effect(silent=True), every=3), accepted=40),
    Trial(
        name="a caller that gives up, and a late answer",
        prepare=_effect(Effect(delay=1.5)),
        accepted=59,
        impatient=True,
    ),
    Trial(name="a window that is not given back", prepare=_effect(Effect(withhold_window=True))),
    Trial(name="a peer gone without a word", prepare=_effect(Effect(close=Closing.HALF_OPEN))),
    Trial(
        name="a connection cut after half an answer",
        prepare=_effect(Effect(status=503, body=_HTML, close=Closing.IN_BODY), first=30, times=1),
    ),
    Trial(name="silence after TLS", prepare=_mode(PortMode.SILENT_TLS), warm=False),
    Trial(name="silence instead of TLS", prepare=_mode(PortMode.SILENT), warm=False),
    Trial(name="a refused port", prepare=_mode(PortMode.REFUSING), warm=False),
    Trial(name="a certificate of another name", prepare=_certificate, warm=False),
]
FCM = [
    Trial(
        name="503 that persists",
        prepare=_effect(Effect(status=503, reason="UNAVAILABLE")),
        pushes=10,
    ),
    Trial(name="503 once", prepare=_effect(Effect(status=503, body=_HTML), times=1), pushes=10),
    Trial(
        name="429 with Retry-After: 60",
        prepare=_effect(Effect(status=429, reason="QUOTA_EXCEEDED", headers={"retry-after": "60"})),
        pushes=10,
    ),
    Trial(
        name="429 with a date",
        prepare=_effect(
            Effect(
                status=429,
                reason="QUOTA_EXCEEDED",
                headers={"retry-after": "Wed, 01 Jan 2031 00:00:00 GMT"},
            )
        ),
        pushes=10,
    ),
    Trial(
        name="401 that persists",
        prepare=_effect(Effect(status=401, reason="ACCESS_TOKEN_EXPIRED")),
        pushes=10,
    ),
    Trial(name="404 in HTML", prepare=_effect(Effect(status=404, body=_HTML)), pushes=10),
    Trial(
        name="403, the API is switched off",
        prepare=_effect(Effect(status=403, reason="SERVICE_DISABLED")),
        pushes=10,
    ),
    Trial(name="no answer", prepare=_effect(Effect(silent=True), every=3), pushes=12, accepted=8),
    Trial(
        name="one error page in a batch",
        prepare=_effect(Effect(status=500, body=_HTML), first=5, times=1),
        pushes=20,
        accepted=19,
    ),
    Trial(
        name="a connection cut before an answer",
        prepare=_effect(Effect(close=Closing.ABORT), first=5, times=1),
        pushes=10,
    ),
    Trial(name="silence after TLS", prepare=_mode(PortMode.SILENT_TLS), pushes=10),
    Trial(name="a refused port", prepare=_mode(PortMode.REFUSING), pushes=10),
    Trial(name="a certificate of another name", prepare=_certificate, pushes=10, warm=False),
]
