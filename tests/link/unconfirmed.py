"""A broker that takes what a district publishes, and does not confirm it in time."""

from __future__ import annotations

import pytest

from schoolbell_server.config.topology import WITHDRAWALS_KEY
from schoolbell_server.link.district_link import DistrictLink


def let_no_publish_be_confirmed(patched: pytest.MonkeyPatch) -> None:
    """Let every publish but those of withdrawals arrive, and end without a confirmation."""
    publish_whole = DistrictLink.publish

    async def unconfirmed(self: DistrictLink, routing_key: str, body: bytes) -> None:
        await publish_whole(self, routing_key, body)
        if routing_key != WITHDRAWALS_KEY:
            self._refused("no confirmation in time", doubtful=True)

    patched.setattr(DistrictLink, "publish", unconfirmed)
