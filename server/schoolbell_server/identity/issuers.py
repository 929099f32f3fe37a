"""All issuers of a configuration: their keys, kept fresh beside the calls."""

from __future__ import annotations

import asyncio

from schoolbell_server.config import IdentityConfig
from schoolbell_server.identity.key_source import KeySource, Report
from schoolbell_server.identity.tokens import RightsStore, Tokens

INTERVAL = 10.0
"""Seconds between two looks at what may have changed."""


class Issuers:
    """The issuers that a server trusts, and the check of their tokens."""

    def __init__(self, identity: IdentityConfig, store: RightsStore, report: Report) -> None:
        """`report` is told what is wrong with the keys of an issuer, for as long as it lasts."""
        self._sources = {
            name: KeySource(issuer, report) for name, issuer in identity.issuers.items()
        }
        self.names_groups = any(one.group_claim for one in identity.issuers.values())
        """Whether any token can name the groups of its person."""
        self.tokens = Tokens(identity, self._sources, store) if self._sources else None

    async def look(self) -> None:
        """Look at every issuer's keys whose time has come."""
        await asyncio.gather(*(source.look() for source in self._sources.values()))

    async def close(self) -> None:
        """End what is under way."""
        for source in self._sources.values():
            await source.close()
