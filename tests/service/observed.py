"""A service as its operator sees it: by its log, its metrics and its status."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from schoolbell.v1 import status_pb2
from schoolbell_server.address import Address
from schoolbell_server.config import Config
from tests.service.following import PATIENCE
from tests.service.ports import free_port
from tests.service.scene import status_of
from tests.service.test_metrics import scrape
from tests.service.whole import Whole, whole

_PAUSE = 0.05  # seconds


@dataclass
class Observed:
    """A running service and what can be seen of it."""

    service: Whole
    port: int
    """Of its metrics."""
    log: pytest.LogCaptureFixture

    async def until(self, reached: Callable[[], Any]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(PATIENCE):
            while not reached():  # noqa: ASYNC110
                await asyncio.sleep(_PAUSE)

    async def until_logged(self, message: str, **fields: object) -> logging.LogRecord:
        """Wait until a record with these fields is in the log; return it."""
        await self.until(lambda: logged(self.log, message, **fields))
        return logged(self.log, message, **fields)[0]

    async def until_metric(
        self, name: str, reached: Callable[[float], bool], **labels: str
    ) -> None:
        """Wait until the sum of the samples that have these labels is as wanted."""
        wanted = frozenset(labels.items())
        async with asyncio.timeout(PATIENCE):
            while True:
                values = await scrape(self.port)
                if reached(sum(v for (n, of), v in values.items() if n == name and wanted <= of)):
                    return
                await asyncio.sleep(_PAUSE)

    async def until_state(
        self, reached: Callable[[status_pb2.ServiceState], bool]
    ) -> status_pb2.ServiceState:
        """Wait until the district's state is as wanted; return it."""
        async with asyncio.timeout(PATIENCE):
            while not reached(state := await status_of(self.service)):  # noqa: ASYNC110
                await asyncio.sleep(_PAUSE)
        return state

    async def until_warning(
        self, code: status_pb2.WarningCode.ValueType
    ) -> status_pb2.ServiceWarning:
        """Wait until the status has a warning; return it."""
        state = await self.until_state(lambda state: any(w.code == code for w in state.warnings))
        return next(one for one in state.warnings if one.code == code)


def logged(
    log: pytest.LogCaptureFixture, message: str, **fields: object
) -> list[logging.LogRecord]:
    """Return the records of a message that have these fields."""
    return [
        record
        for record in log.records
        if record.getMessage() == message
        and all(getattr(record, name, None) == value for name, value in fields.items())
    ]


@asynccontextmanager
async def observed(
    folder: Path,
    log: pytest.LogCaptureFixture,
    adapt: Callable[[Config], Config] = lambda config: config,
    **options: Any,
) -> AsyncIterator[Observed]:
    """Run a service whose metrics are served and whose log is kept."""
    log.set_level(logging.INFO)
    port = free_port()

    def measured(config: Config) -> Config:
        served = replace(config.server, metrics_listen=Address("127.0.0.1", port))
        return adapt(replace(config, server=served))

    async with whole(folder, adapt=measured, **options) as service:
        yield Observed(service, port, log)
