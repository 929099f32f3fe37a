"""The collapse key of a delivery: a duplicate, or a newer value, replaces it on the screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.collapse import collapse_key
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.security.sealer import Sealer
from schoolbell_storage.tables import district


class CollapseKeys:
    """Keeps the districts' opened secrets; a district's secret never changes."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._secrets: dict[str, bytes] = {}

    async def secrets(
        self, connection: AsyncConnection, district_ids: Iterable[str]
    ) -> Mapping[str, bytes]:
        """Return the secrets of these districts."""
        for district_id in district_ids:
            if district_id not in self._secrets:
                wanted = select(district.c.collapse_secret)
                found = await connection.execute(
                    wanted.where(district.c.district_id == district_id)
                )
                self._secrets[district_id] = self._sealer.unseal(
                    found.scalar_one(), district_id.encode()
                )
        return self._secrets

    def of(self, secret: bytes, row: Delivery) -> str:
        """Return the collapse key of a delivery's fact."""
        return collapse_key(secret, row.fact_key)
