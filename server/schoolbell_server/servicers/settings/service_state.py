"""Where a servicer learns the state of the service."""

from __future__ import annotations

from typing import Protocol

from schoolbell.v1 import status_pb2


class ServiceStateSource(Protocol):
    """Knows how a district is served now."""

    async def state(self, district_id: str) -> status_pb2.ServiceState:
        """Return the state of an existing district."""
