"""What is wrong with a connection to the broker."""

from __future__ import annotations

from schoolbell_server.gateways.common.trouble import LinkTrouble


class BrokerTrouble(Exception):
    """Why there is no connection; `reason` is for people and names no secret."""

    def __init__(self, trouble: LinkTrouble, reason: str) -> None:
        super().__init__(reason)
        self.trouble = trouble
        self.reason = reason
