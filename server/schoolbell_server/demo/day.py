"""Play the day: publish its changes, watch the deliveries, wait until everything has an outcome."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.live import Live

from schoolbell import AsyncClient, feed
from schoolbell.cli.watch import Board
from schoolbell.v1 import (
    access_service_pb2,
    change_service_pb2,
    status_service_pb2,
)
from schoolbell.v1.change_pb2 import Change
from schoolbell_server.demo.settled import settled
from schoolbell_server.demo.stage import DISTRICT, Stage


async def play(on: Stage, changes: Path, console: Console) -> Counter[str]:
    """Publish a feed while the status streams to the console; return the answers by result."""
    board = Board()
    async with AsyncClient(on.connection(access_service_pb2.ROLE_MONITOR)) as monitor:
        request = status_service_pb2.WatchStatusRequest(district_id=DISTRICT)
        with Live(
            board.table(), console=console, refresh_per_second=8, transient=not console.is_terminal
        ) as live:
            watching = asyncio.create_task(_watch(monitor, request, board, live))
            try:
                results = await publish(on, changes)
                await settled(monitor)
            finally:
                watching.cancel()
    return results


async def publish(on: Stage, changes: Path) -> Counter[str]:
    """Publish a feed and count the answers by their result."""

    def good() -> Iterator[Change]:
        for line in feed.read(changes, "sis"):
            if isinstance(line, feed.BadLine):
                results["BAD LINE"] += 1
            else:
                yield line.change

    results: Counter[str] = Counter()
    connection = on.connection(access_service_pb2.ROLE_PUBLISHER)
    async with AsyncClient(connection) as client, client.publisher(DISTRICT) as publisher:
        async for _, ack in publisher.publish_all(good()):
            name = change_service_pb2.PublishResult.Name(ack.result)
            results[name.removeprefix("PUBLISH_RESULT_")] += 1
    return results


async def _watch(
    client: AsyncClient, request: status_service_pb2.WatchStatusRequest, board: Board, live: Live
) -> None:
    async for response in client.watch(request):
        board.take(response)
        live.update(board.table())
