"""The Python client with tokens: where they come from, and what becomes of one that ends."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from schoolbell import (
    AsyncClient,
    BadConnection,
    Client,
    Connection,
    InvalidKeyError,
    TokenFile,
)
from schoolbell.cli.main import main
from schoolbell.errors import Unauthenticated
from schoolbell.v1.access_service_pb2 import GetCallerRequest
from schoolbell.v1.status_service_pb2 import WatchStatusRequest
from schoolbell_server.security.api_key import Role
from tests.service.test_tokens import signed
from tests.service.whole import DISTRICT


def put(path: Path, token: str) -> None:
    """Replace what a file holds, as a program that renews tokens does."""
    fresh = path.with_suffix(".new")
    fresh.write_text(f"{token}\n")
    fresh.rename(path)


class Renewed:
    """A source whose first token is near its end, and whose second is not."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.given = 0

    def __call__(self) -> str:
        self.given += 1
        return self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]


async def test_a_watcher_goes_on_with_the_next_token(tmp_path: Path) -> None:
    async with signed(tmp_path, roles=(Role.MONITOR,)) as at:
        source = Renewed(at.provider.token(exp=int(time.time()) - 27), at.provider.token())
        connection = replace(at.service.connection(), key="", token_source=source)
        async with AsyncClient(connection) as client:
            watching = client.watch(WatchStatusRequest(district_id=DISTRICT))
            enabled = False
            while source.given < 2:  # each change is seen, by the first stream or by the second
                await at.service.configure(enabled=enabled)
                await anext(watching)
                enabled = not enabled
            await at.service.configure(enabled=enabled)
            await anext(watching)


async def test_a_source_may_be_late_with_the_next_token(tmp_path: Path) -> None:
    async with signed(tmp_path, roles=(Role.MONITOR,)) as at:
        expired = at.provider.token(exp=int(time.time()) - 60)
        source = Renewed(*[expired] * 6, at.provider.token())
        connection = replace(at.service.connection(), key="", token_source=source)
        async with AsyncClient(connection) as client:
            await anext(client.watch(WatchStatusRequest(district_id=DISTRICT)))
    assert source.given == 7


async def test_a_source_of_expired_tokens_alone_ends_the_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schoolbell.breaks._EXPIRED_FOR", 0.0)
    async with signed(tmp_path, roles=(Role.MONITOR,)) as at:
        source = Renewed(at.provider.token(exp=int(time.time()) - 60))
        connection = replace(at.service.connection(), key="", token_source=source)
        async with AsyncClient(connection) as client:
            watching = client.watch(WatchStatusRequest(district_id=DISTRICT))
            with pytest.raises(Unauthenticated) as refused:
                await anext(watching)
        assert refused.value.reason == "KEY_EXPIRED"
        assert source.given == 2


async def test_a_token_file_is_read_again_when_it_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    async with signed(tmp_path, roles=(Role.MONITOR,)) as at:
        put(path, at.provider.token())
        for name in ("SCHOOLBELL_KEY", "SCHOOLBELL_KEY_FILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("SCHOOLBELL_TOKEN_FILE", str(path))
        given = at.service.connection()
        connection = Connection.from_environment(target=given.target, ca=given.ca)

        def subjects() -> list[str]:
            with Client(connection) as client:
                first = client.access.GetCaller(GetCallerRequest())
                put(path, at.provider.token(sub="bob"))
                return [
                    first.principal.id,
                    client.access.GetCaller(GetCallerRequest()).principal.id,
                ]

        assert await asyncio.to_thread(subjects) == ["ada", "bob"]


async def test_the_command_shows_the_token_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    async with signed(tmp_path, roles=(Role.MONITOR,)) as at:
        environment = {
            "SCHOOLBELL_TARGET": at.service.connection().target,
            "SCHOOLBELL_CA_FILE": str(at.service.config.server.data_dir / "tls" / "ca.pem"),
            "SCHOOLBELL_TOKEN_FILE": str(path),
            "SCHOOLBELL_KEY": None,
            "SCHOOLBELL_KEY_FILE": None,
            "SCHOOLBELL_PROFILES": str(tmp_path / "profiles"),
            "SCHOOLBELL_DISTRICT": DISTRICT,
        }

        async def command(*arguments: str, typed: str = "") -> Result:
            runner = CliRunner(env=environment)
            return await asyncio.to_thread(runner.invoke, main, list(arguments), input=typed)

        put(path, at.provider.token())
        shown = await command("whoami")
        assert (shown.exit_code, "ada" in shown.output) == (0, True), shown.output
        put(path, at.provider.token(exp=int(time.time()) - 60))
        ended = await command("whoami")
        assert (ended.exit_code, "KEY_EXPIRED" in ended.output) == (3, True), ended.output
        put(path, "two words")
        for arguments in (["whoami"], ["changes", "publish", "-"]):
            bad = await command(*arguments)
            assert (bad.exit_code, f"{path} holds no token" in bad.output) == (3, True), bad.output
        login = await command("login", typed=at.service.connection().key)
        assert login.exit_code == 0, login.output


@pytest.mark.parametrize("content", [b"", b"two words", b"\xff\xfe", b"a\nb", b"a" * 70_000])
def test_a_file_without_a_token_is_refused_before_any_call(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(InvalidKeyError):
        Connection(token_source=TokenFile(path)).metadata()
    with pytest.raises(InvalidKeyError):
        Connection(token_source=TokenFile(tmp_path / "missing")).metadata()


def test_a_connection_has_one_way_to_say_who_it_is() -> None:
    with pytest.raises(BadConnection):
        Connection(key="sb_a_b", token_source=lambda: "a.b.c")
    with pytest.raises(InvalidKeyError):
        Connection(token_source=lambda: "a\nb").metadata()
