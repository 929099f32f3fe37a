"""What is looked through for a person, page by page; nothing waits for a look."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.engine import Storage
from schoolbell_storage.persons import Page, Place

Item = TypeVar("Item")


class Fetch(Protocol[Item]):
    """Reads the page behind a place."""

    async def __call__(self, connection: AsyncConnection, /, *, after: Place | None) -> Page[Item]:
        """Return the page."""


async def pages(storage: Storage, fetch: Fetch[Item]) -> AsyncIterator[list[Item]]:
    """Yield what is found on each page on which something is."""
    after: Place | None = None
    while True:
        async with storage.read() as connection:
            page = await fetch(connection, after=after)
        if page.found:
            yield page.found
        after = page.after
        if after is None:
            return
