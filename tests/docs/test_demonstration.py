"""What `make run` prints while it serves can be pasted into another terminal, and works."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

from rich.console import Console

from schoolbell import AsyncClient, oneroster
from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server.demo import report
from schoolbell_server.demo.browser import Browsable
from schoolbell_server.demo.district import phones_of
from schoolbell_server.demo.serving import count_shown, hints, show_pushes
from schoolbell_server.demo.settled import settled
from schoolbell_server.security.key_files import KEYS
from tests.docs.pages import Block
from tests.docs.played import activated, played, try_block
from tests.programs import PATIENCE


class Shown(io.StringIO):
    """A terminal that says when something is on it."""

    def __init__(self) -> None:
        super().__init__()
        self.news = asyncio.Event()

    def write(self, text: str) -> int:
        self.news.set()
        return super().write(text)

    async def until(self, words: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while words not in self.getvalue():
                self.news.clear()
                await self.news.wait()


async def test_what_it_says_to_try_works(tmp_path: Path) -> None:
    async with played(tmp_path) as stage:
        async with AsyncClient(stage.connection(access.ROLE_MONITOR)) as monitor:
            await settled(monitor)
        for name in KEYS:
            assert stage.key_file(name).stat().st_mode & 0o777 == 0o600
        roster = oneroster.read(stage.folder / "sample" / "oneroster", None)
        phones = phones_of(sorted(user.user_id for user in roster.users))
        terminal = Shown()
        console = Console(file=terminal)
        told = await report.show_phones(stage, phones, console)
        untold = await report.show_nobody(stage, phones, console)
        assert untold is not None
        browsable = Browsable(tmp_path / "console.toml", stage.key_file("administrator"))
        said = await hints(stage, browsable, untold=untold, told=told)
        shown = await count_shown(stage)
        known = [phone for phone in phones if phone.user_id != told[1]]
        tried = [line for line in said.splitlines() if line.startswith("  ")]
        assert "schoolbell-console link" in tried.pop(), "tried with the console"
        assert "activate" in tried.pop(0), "the environment of the test"
        showing = asyncio.create_task(show_pushes(stage, known, shown, console))
        try:
            printed = await try_block(Block("sh", "\n".join(tried)), tmp_path, activated())
            assert "Service Status" in printed
            assert f"{untold.user_id} " in printed
            assert "Not told." in printed
            assert "accepted 1" in printed
            await terminal.until(f"The phone of {told[0]} shows: ")
            await terminal.until(f"The phone of {told[1]} shows: ")
        finally:
            showing.cancel()
        assert "lunch account: The balance is $4.25." in terminal.getvalue()
