"""What a fault does to one answer and to the connection that carries it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from h2.settings import SettingCodes


class LastStream(StrEnum):
    """Where a GOAWAY draws the line, seen from the request that set it off."""

    BELOW = "below"
    """That request and all later ones were not processed."""
    AT = "at"
    """That request is the last one processed."""
    ABOVE = "above"
    """Everything sent so far, and what is under way, is processed."""


class Closing(StrEnum):
    """How a connection ends."""

    NONE = ""
    CLEAN = "clean"
    """After the answer, with FIN."""
    ABORT = "abort"
    """With RST, before the answer."""
    IN_BODY = "in_body"
    """With RST, after half of the answer's body."""
    HALF_OPEN = "half_open"
    """Never: the connection stays, and nothing is read or written any more."""


class ApnsId(StrEnum):
    """How the answer names the notification."""

    ECHO = "echo"
    ABSENT = "absent"
    UPPER = "upper"


@dataclass(frozen=True, slots=True, kw_only=True)
class GoAway:
    """A GOAWAY frame."""

    last_stream: LastStream = LastStream.AT
    reason: str = ""
    """Sent as JSON debug data, unless empty."""
    error_code: int = 0
    close: bool = True
    """Close once everything that was promised an answer has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsStep:
    """A SETTINGS frame, sent some time after the request that set it off."""

    values: Mapping[str, int]
    """By the RFC's names, such as `MAX_CONCURRENT_STREAMS`."""
    after: float = 0.0
    """Seconds."""

    def __post_init__(self) -> None:
        check_settings(self.values)


def check_settings(values: Mapping[str, int]) -> None:
    """Raise ValueError for a setting HTTP/2 does not know."""
    unknown = sorted(values.keys() - SettingCodes.__members__.keys())
    if unknown:
        raise ValueError(f"HTTP/2 knows no setting {unknown[0]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A fault; its parts may be combined."""

    processed: bool = True
    """The phone gets the notification all the same: only the answer suffers."""
    status: int | None = None
    """Answer this instead; nothing is processed then."""
    reason: str = ""
    """With `status`: the provider's word, in the provider's own error shape."""
    timestamp: int | None = None
    """With `status` 410: milliseconds."""
    body: str | None = None
    """With `status`: this body instead of the provider's error shape."""
    content_type: str = "text/html"
    """Of `body`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers of the answer, such as `retry-after`."""
    delay: float = 0.0
    """Seconds before the answer leaves."""
    silent: bool = False
    """No answer at all."""
    reset: int | None = None
    """RST_STREAM with this error code instead of the answer."""
    reset_after_headers: bool = False
    goaway: GoAway | None = None
    close: Closing = Closing.NONE
    settings: tuple[SettingsStep, ...] = ()
    withhold_window: bool | None = None
    """Stop (or, False, resume) giving the client back its flow-control window."""
    body_frames: int = 1
    """DATA frames the body is cut into."""
    padding: int = 0
    """Bytes of padding on each DATA frame."""
    trailers: bool = False
    informational: bool = False
    """A 103 before the answer."""
    apns_id: ApnsId = ApnsId.ECHO

    @property
    def unprocessed(self) -> bool:
        """The notification goes nowhere."""
        below = self.goaway is not None and self.goaway.last_stream is LastStream.BELOW
        return below or self.status is not None or not self.processed
