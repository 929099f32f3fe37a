"""A password file that cannot be used is trouble of the link, and nothing of it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from schoolbell_server.config.broker import BrokerConfig
from schoolbell_server.gateways.common.trouble import BrokerTrouble
from schoolbell_server.link.broker import connect


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"pass\xe4word-of-some-district", "the password file is not UTF-8 text"),
        (b"x" * (2**20 + 1), "is larger than"),
        (None, "does not exist"),
    ],
)
async def test_why_a_password_file_is_not_used_quotes_nothing_of_it(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    config = BrokerConfig(
        url="amqp://district.maple@localhost:1", password_file=file, plaintext=True
    )
    with pytest.raises(BrokerTrouble) as refused:
        await connect(config)
    assert reason in refused.value.reason
    assert "0xe4" not in refused.value.reason
