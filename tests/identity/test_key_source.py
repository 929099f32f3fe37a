"""Keys of issuers: from a file or over https, rotated, and from providers that misbehave."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schoolbell_server.config.key_set import Missing, VerifyingKey
from schoolbell_server.identity import fetch
from schoolbell_server.identity.key_source import MOST_WAITING, KeySource
from tests.identity.provider import Provider, SigningKey, issuer, provider


class Clock:
    """A time that moves only when told."""

    time = 1000.0

    def __call__(self) -> float:
        return self.time


class Source:
    """A source of keys with its reports and its time."""

    def __init__(self, **fields: Any) -> None:
        self.clock = Clock()
        self.problem = ""
        self.keys = KeySource(issuer(**fields), self._report, clock=self.clock)

    def _report(self, setting: str, problem: str) -> None:
        self.setting, self.problem = setting, problem

    async def knows(self, kid: str, algorithm: str = "RS256") -> bool:
        """Tell whether there is a key of a name."""
        return isinstance(await self.keys.find(kid, algorithm), VerifyingKey)


def of_url(given: Provider, folder: Path) -> Source:
    return Source(jwks_url=given.url, ca_file=folder / "provider-ca.pem")


async def test_an_unknown_key_is_looked_for_once_a_pause(tmp_path: Path) -> None:
    async with provider(tmp_path) as given:
        source = of_url(given, tmp_path)
        assert await source.knows("k1")
        for number in range(20):
            assert not await source.knows(f"made-up-{number}")
        assert given.asked == 1
        source.clock.time += 30
        given.keys.append(SigningKey.make("k2", "ES256"))
        assert await source.knows("k2", "ES256")
        assert await source.knows("k1")
        assert given.asked == 2
        given.keys.pop(0)
        source.clock.time += 600
        await source.keys.look()
        assert not await source.knows("k1")
        assert given.asked == 3


async def test_one_look_serves_all_who_wait_and_no_more_wait_than_may(tmp_path: Path) -> None:
    async with provider(tmp_path) as given:
        source = of_url(given, tmp_path)
        given.silent = asyncio.Event()
        waiting = [asyncio.create_task(source.knows("k1")) for _ in range(MOST_WAITING)]
        await given.arrived.wait()
        assert not await source.knows("k1")
        given.silent.set()
        assert all(await asyncio.gather(*waiting))
        assert given.asked == 1


async def test_keys_are_used_on_for_the_grace_while_the_url_is_away(tmp_path: Path) -> None:
    async with provider(tmp_path) as given:
        source = of_url(given, tmp_path)
        await source.keys.look()
        given.status = 503
        source.clock.time += 600
        await source.keys.look()
        assert "HTTP 503" in source.problem and source.setting == "identity.issuers.maple.jwks_url"
        assert await source.knows("k1")
        source.clock.time += 86_400 - 1
        assert await source.knows("k1")
        source.clock.time += 2
        assert not await source.knows("k1")
        given.status = 200
        source.clock.time += 30
        assert await source.knows("k1")
        assert not source.problem


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"status": 302, "headers": {"location": "/jwks.json"}}, "HTTP 302"),
        ({"status": 404}, "HTTP 404"),
        ({"body": b'{"keys": [' + b" " * 70_000 + b"]}"}, "larger than"),
        ({"body": b"<html>"}, "not JSON"),
        ({"body": b"[" * 300}, "arrays"),
        ({"body": b'{"keys": []}'}, "no public key"),
        ({"body": b'{"keys": "k1"}'}, "no public key"),
        ({"body": json.dumps({"keys": [{}] * 101}).encode()}, "more than 100 keys"),
    ],
)
async def test_what_is_no_key_set_changes_nothing(
    fault: dict[str, Any], told: str, tmp_path: Path
) -> None:
    async with provider(tmp_path) as given:
        source = of_url(given, tmp_path)
        await source.keys.look()
        for name, value in fault.items():
            setattr(given, name, value)
        source.clock.time += 600
        await source.keys.look()
        assert told in source.problem
        assert given.asked == 2
        assert await source.knows("k1")


async def test_a_provider_that_says_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with provider(tmp_path) as given:
        given.silent = asyncio.Event()
        source = of_url(given, tmp_path)
        with monkeypatch.context() as patched:
            patched.setattr(fetch, "DEADLINE", timedelta(milliseconds=500))
            assert not await source.knows("k1")
        assert "no answer in time" in source.problem


async def test_a_provider_of_another_authority_or_none_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with provider(tmp_path) as given, provider(tmp_path / "other"):
        source = of_url(given, tmp_path / "other")
        assert not await source.knows("k1")
        assert "no keys of the issuer" in source.problem and "localhost" not in source.problem
    gone = Source(jwks_url=given.url, ca_file=tmp_path / "provider-ca.pem")
    assert not await gone.knows("k1")
    assert "refused" in gone.problem.lower()


async def test_a_file_is_read_again_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    path, given = tmp_path / "keys.json", Provider()
    path.write_bytes(given.jwks)
    source = Source(jwks_file=path)
    assert await source.knows("k1")
    given.keys = [SigningKey.make("k2")]
    (tmp_path / "new").write_bytes(given.jwks)
    (tmp_path / "new").rename(path)
    assert await source.knows("k2")
    assert not await source.knows("k1")
    (tmp_path / "new").write_bytes(b"{}")
    (tmp_path / "new").rename(path)
    await source.keys.look()
    assert "jwks_file: the file holds no public key" in source.problem
    assert await source.knows("k2")


def _without(jwk: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in jwk.items() if name not in names}


async def test_only_keys_that_can_check_signatures_are_taken(tmp_path: Path) -> None:
    good, weak = SigningKey.make("good"), SigningKey.make("weak", bits=1024)
    private = json.loads(
        json.dumps({**good.jwk, "kid": "private", "d": "AQAB", "p": "AQAB", "q": "AQAB"})
    )
    members: list[Any] = [
        good.jwk,
        weak.jwk,
        private,
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
        {**good.jwk, "kid": "encrypts", "use": "enc"},
        {**good.jwk, "kid": "signs", "key_ops": ["sign"]},
        {**good.jwk, "kid": "of-another", "alg": "RS512"},
        {**good.jwk, "kid": "huge", "n": "_" * 30_000},
        {**good.jwk, "kid": "zero", "n": "AA", "e": "AA"},
        {**good.jwk, "kid": 7},
        _without({**good.jwk, "kid": "half"}, "e"),
        {"kty": "EC", "kid": "off-the-curve", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
        {"kty": "EC", "kid": "k1-curve", "crv": "secp256k1", "x": "AAAA", "y": "AAAA"},
        "a text",
    ]
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": members}))
    source = Source(jwks_file=path)
    assert await source.knows("good")
    assert await source.knows("private")  # its public half alone
    for kid in (
        "weak",
        "secret",
        "encrypts",
        "signs",
        "of-another",
        "huge",
        "zero",
        "half",
        "off-the-curve",
        "k1-curve",
    ):
        for algorithm in ("RS256", "ES256"):
            assert not await source.knows(kid, algorithm), kid
    assert await source.knows("of-another", "RS512")
    assert not await source.knows("good", "ES256")


async def test_a_name_that_several_keys_have_is_nobodys(tmp_path: Path) -> None:
    one, other, elliptic = (SigningKey.make("k", kind) for kind in ("RS256", "RS256", "ES256"))
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [one.jwk, other.jwk, elliptic.jwk]}))
    source = Source(jwks_file=path)
    assert await source.keys.find("k", "RS256") is Missing.AMBIGUOUS
    assert await source.keys.find("", "RS256") is Missing.AMBIGUOUS
    assert await source.knows("k", "ES256")
    assert await source.knows("", "ES256")
    same = tmp_path / "same.json"
    same.write_text(json.dumps({"keys": [one.jwk, one.jwk]}))
    assert await Source(jwks_file=same).knows("k")
