"""Provider tokens: shared, renewed in time, never too often, and replaced with their key."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from schoolbell_server.gateways.apns.provider_token import ProviderToken, ProviderTokens
from schoolbell_server.security.credential_files import CredentialUnusable
from tests.unit.gateways.clock import Time
from tests.unit.gateways.keys import write_key

MINUTE = 60.0


def write_key_at(path: Path, time: float) -> ec.EllipticCurvePublicKey:
    """Write a key as if at a time: by that a replaced file is known."""
    public = write_key(path)
    os.utime(path, (time, time))
    return public


def claims(header: str, public: ec.EllipticCurvePublicKey) -> dict[str, object]:
    kind, _, token = header.partition(" ")
    assert kind == "bearer"
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": "KEY1234567", "typ": "JWT"}
    options = {"verify_iat": False}
    return jwt.decode(token, public, algorithms=["ES256"], options=options)  # type: ignore[arg-type]


def token_of(path: Path, clock: Time) -> ProviderToken:
    return ProviderToken(path, "KEY1234567", "TEAM123456", clock)


def test_the_token_says_who_signed_it_and_when(tmp_path: Path) -> None:
    public, clock = write_key_at(tmp_path / "key.p8", 1), Time()
    header = token_of(tmp_path / "key.p8", clock).get_header()
    assert claims(header, public) == {"iss": "TEAM123456", "iat": int(clock.now)}


def test_in_a_day_no_token_is_used_too_long_or_renewed_too_soon(tmp_path: Path) -> None:
    public, clock = write_key_at(tmp_path / "key.p8", 1), Time()
    token = token_of(tmp_path / "key.p8", clock)
    issued: list[float] = []
    for _ in range(24 * 60):
        iat = claims(token.get_header(), public)["iat"]
        assert isinstance(iat, int)
        assert clock.now - iat < 50 * MINUTE
        if not issued or issued[-1] != iat:
            issued.append(iat)
        clock.now += MINUTE
    gaps = [later - sooner for sooner, later in itertools.pairwise(issued)]
    assert gaps and all(30 * MINUTE <= gap <= 50 * MINUTE for gap in gaps)


def test_an_expired_token_is_renewed_once_for_everybody(tmp_path: Path) -> None:
    write_key_at(tmp_path / "key.p8", 1)
    clock = Time()
    token = token_of(tmp_path / "key.p8", clock)
    refused = token.get_header()
    clock.now += 25 * MINUTE
    assert all(token.renew(refused) for _ in range(100))
    fresh = token.get_header()
    assert fresh != refused
    assert token.renew(refused)
    assert token.get_header() == fresh


def test_a_young_token_is_not_renewed_however_often_it_is_refused(tmp_path: Path) -> None:
    write_key_at(tmp_path / "key.p8", 1)
    clock = Time()
    token = token_of(tmp_path / "key.p8", clock)
    refused = token.get_header()
    clock.now += 19 * MINUTE
    assert not any(token.renew(refused) for _ in range(100))
    assert token.get_header() == refused


def test_a_replaced_key_signs_at_once_and_wants_new_connections(tmp_path: Path) -> None:
    write_key_at(tmp_path / "key.p8", 1)
    clock = Time()
    token = token_of(tmp_path / "key.p8", clock)
    assert token.rotations == 0
    public = write_key_at(tmp_path / "key.p8", 2)
    token.look()
    assert claims(token.get_header(), public)["iss"] == "TEAM123456"
    assert token.rotations == 1


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN half of a key", b"\xff\xfe"])
def test_a_key_that_cannot_be_used_leaves_the_old_one(
    tmp_path: Path, content: bytes | None
) -> None:
    path, clock = tmp_path / "key.p8", Time()
    public = write_key_at(path, 1)
    token = token_of(path, clock)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
        os.utime(path, (2, 2))
    for _ in range(3):
        clock.now += 45 * MINUTE
        token.look()
        assert claims(token.get_header(), public)["iat"] == int(clock.now)
    assert token.rotations == 0
    public = write_key_at(path, 3)
    token.look()
    assert claims(token.get_header(), public)
    assert token.rotations == 1


def test_a_link_to_apples_own_file_name_needs_no_key_id(tmp_path: Path) -> None:
    clock, link = Time(), tmp_path / "current.p8"
    write_key_at(tmp_path / "AuthKey_OLDKEY1234.p8", 1)
    write_key_at(tmp_path / "AuthKey_NEWKEY1234.p8", 1)
    link.symlink_to("AuthKey_OLDKEY1234.p8")
    token = ProviderToken(link, "", "TEAM123456", clock)
    assert jwt.get_unverified_header(token.get_header()[7:])["kid"] == "OLDKEY1234"
    (tmp_path / "next").symlink_to("AuthKey_NEWKEY1234.p8")
    os.replace(tmp_path / "next", link)
    token.look()
    assert jwt.get_unverified_header(token.get_header()[7:])["kid"] == "NEWKEY1234"
    assert token.rotations == 1


def test_without_an_id_and_without_apples_name_there_is_no_token(tmp_path: Path) -> None:
    write_key_at(tmp_path / "key.p8", 1)
    with pytest.raises(ValueError, match="key_id"):
        ProviderToken(tmp_path / "key.p8", "", "TEAM123456")


def test_a_touched_file_with_the_same_key_changes_nothing(tmp_path: Path) -> None:
    write_key_at(tmp_path / "key.p8", 1)
    token = token_of(tmp_path / "key.p8", Time())
    before = token.get_header()
    os.utime(tmp_path / "key.p8", (2, 2))
    token.look()
    assert token.get_header() == before
    assert token.rotations == 0


def test_apps_of_one_key_share_one_token(tmp_path: Path) -> None:
    for name in ("a.p8", "b.p8"):
        write_key_at(tmp_path / name, 1)
    tokens = ProviderTokens()
    first = tokens.of(tmp_path / "a.p8", "K", "T")
    assert tokens.of(tmp_path / "a.p8", "K", "T") is first
    assert tokens.of(tmp_path / "b.p8", "K", "T") is not first


def test_without_a_key_there_is_no_token(tmp_path: Path) -> None:
    with pytest.raises(CredentialUnusable, match="does not exist"):
        token_of(tmp_path / "key.p8", Time())
