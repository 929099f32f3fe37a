"""The demonstration talks to its own server or says why it has none, and dials no stranger."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from schoolbell_server.demo import stage as staging
from schoolbell_server.demo.stage import ProcessEnded, stage, start_process


async def test_where_a_stranger_has_the_usual_port_another_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]
        monkeypatch.setattr(staging, "_PORT", taken)
        async with stage(tmp_path, replay=False) as on:
            assert on.port not in (0, taken)
            with socket.create_connection(("127.0.0.1", on.port)):
                pass


async def test_a_server_that_ended_is_told_at_once_with_its_last_words(tmp_path: Path) -> None:
    config = tmp_path / "bad.toml"
    config.write_text("[server]\nlisten = 'nowhere'")
    async with AsyncExitStack() as stack:
        server = await start_process(stack, ["serve", "--config", str(config)], tmp_path / "log")
        with pytest.raises(ProcessEnded, match=r"server\.listen"):
            await server.until(server.listening)
