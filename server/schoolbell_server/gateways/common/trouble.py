"""What is wrong with a link, sorted from outcomes and the transport's words."""

from __future__ import annotations

from enum import IntEnum, unique

from schoolbell_server.domain.kinds import Outcome


@unique
class LinkTrouble(IntEnum):
    """What is wrong with a link; numbers are the contract's."""

    NAME_RESOLUTION = 1
    REFUSED = 2
    TLS = 3
    CREDENTIALS = 4
    THROTTLED = 5
    FLOW_CONTROLLED = 6
    TIMEOUT = 7
    CONNECTION_LOST = 8
    PROVIDER_ERROR = 9


class BrokerTrouble(Exception):
    """Why there is no connection to the broker; `reason` is for people and names no secret."""

    def __init__(self, trouble: LinkTrouble, reason: str) -> None:
        super().__init__(reason)
        self.trouble = trouble
        self.reason = reason


_BY_OUTCOME = {
    Outcome.CREDENTIAL_BAD: LinkTrouble.CREDENTIALS,
    Outcome.THROTTLED_DEVICE: LinkTrouble.THROTTLED,
    Outcome.THROTTLED_PROJECT: LinkTrouble.THROTTLED,
    Outcome.PROVIDER_DOWN: LinkTrouble.PROVIDER_ERROR,
}
# In this order: a failed handshake may name the refusal of a certificate.
_BY_WORDS = (
    (LinkTrouble.TLS, ("certificate", "tls", "ssl", "handshake")),
    (LinkTrouble.NAME_RESOLUTION, ("dns", "lookup", "resolve", "name or service", "getaddrinfo")),
    (LinkTrouble.REFUSED, ("proxy", "refused", "unreachable", "no route", "not permitted")),
    (LinkTrouble.TIMEOUT, ("timed out", "timeout", "no answer in time", "no time left")),
)


def trouble_of(outcome: Outcome, reason: str) -> LinkTrouble:
    """Return what an attempt or a probe that failed says of its link.

    A transport has no codes for its faults, only English words; what none of them fits is a
    connection that was lost.
    """
    if outcome in _BY_OUTCOME:
        return _BY_OUTCOME[outcome]
    words = reason.lower()
    for trouble, parts in _BY_WORDS:
        if any(part in words for part in parts):
            return trouble
    return LinkTrouble.CONNECTION_LOST
