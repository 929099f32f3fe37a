"""What the tests of the link share: one RabbitMQ a test process, and districts of one's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from schoolbell_server.demo.rabbitmq.broker import Broker, BrokerEnded
from schoolbell_server.demo.rabbitmq.program import RabbitMQMissing


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Run RabbitMQ for all tests of this process; without it none of them can say anything."""
    running = Broker(tmp_path_factory.mktemp("rabbitmq"))
    try:
        running.start()
    except (RabbitMQMissing, BrokerEnded) as error:
        pytest.exit(str(error), returncode=1)
    try:
        yield running
    finally:
        running.kill()
