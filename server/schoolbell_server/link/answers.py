"""Write what a hub answers as the outcomes of attempts, each once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from schoolbell_server.background.periodic import until_stored
from schoolbell_server.dispatch.finished import Finished
from schoolbell_server.dispatch.outcomes import Outcomes
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.kinds import Platform
from schoolbell_server.link.echo import Echo
from schoolbell_server.link.gateway import LinkGateway
from schoolbell_server.link.wire import Answer
from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.metrics import Metrics
from schoolbell_storage.deliveries import fetch_deliveries
from schoolbell_storage.engine import Storage

_logger = get_logger(__name__)


class AnswerWriter:
    """Hands answers to those who write outcomes, with the deliveries that they are about."""

    def __init__(
        self,
        storage: Storage,
        outcomes: Outcomes,
        gateways: Mapping[tuple[str, Platform], LinkGateway],
        metrics: Metrics,
        *,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._storage = storage
        self._outcomes = outcomes
        self._gateways = gateways
        self._metrics = metrics
        self._clock = clock

    async def write(self, answers: Sequence[Answer]) -> None:
        """Return once the outcomes are stored; what has one already keeps it."""
        names = [answer.result.delivery_id for answer in answers]
        rows = await until_stored(
            lambda: self._read(names), "answers of a hub not written", count=len(names)
        )
        finished = [
            end
            for answer in answers
            if (row := rows.get(answer.result.delivery_id)) is not None
            and (end := self._finished(row, answer)) is not None
        ]
        await self._outcomes.write(finished)

    async def _read(self, names: Sequence[str]) -> Mapping[str, Delivery]:
        async with self._storage.read() as connection:
            return await fetch_deliveries(connection, names)

    def _finished(self, row: Delivery, answer: Answer) -> Finished | None:
        """Return the end of an attempt; None where it has ended before."""
        try:
            echo = Echo.unpack(answer.echo)
        except ValueError:
            self._metrics.link_outcomes.labels("MALFORMED").inc()
            _logger.error(
                "outcome of a hub without its echo", extra={"delivery_id": row.delivery_id}
            )
            return None
        if row.attempt_count + 1 != answer.attempt:
            self._metrics.link_outcomes.labels("REPEATED").inc()
            return None
        self._metrics.link_outcomes.labels("WITHDRAWN" if answer.withdrawn else "WRITTEN").inc()
        gateway = self._gateways.get((row.app_id, row.platform))
        tried = answer.start_time is not None
        if gateway is not None and (tried or (answer.result.held and not answer.withdrawn)):
            gateway.heard(echo, answer.result)
        return Finished(
            row=row,
            result=answer.result,
            address_hash=echo.address_hash,
            answered=answer.attempt,
            # By our own clock: a token that was registered after it does not die of the answer.
            start_time=echo.publish_time,
            end_time=max(echo.publish_time, answer.end_time or self._clock()),
        )
