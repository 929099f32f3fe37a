"""API keys: what is made, what is stored, and what a wrong credential gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from schoolbell_server.security.api_key import (
    EVERY_DISTRICT,
    Role,
    new_api_key,
    secret_hash,
    split_credential,
)
from schoolbell_server.security.operator_key import OperatorKeyBroken, ensure_operator_key
from schoolbell_server.security.secret_file import SecretExposed


def test_a_credential_opens_its_own_key_only() -> None:
    (first, first_credential), (second, _) = (
        new_api_key(district_ids=["maple"], role=Role.MONITOR) for _ in range(2)
    )
    found = split_credential(first_credential)
    assert found is not None
    key_id, secret = found
    assert key_id == first.key_id != second.key_id
    assert first.matches(secret)
    assert not second.matches(secret)
    assert not first.matches(secret[:-1])


def test_the_secret_is_not_stored() -> None:
    key, credential = new_api_key(district_ids=["maple"], role=Role.MONITOR)
    secret = credential.split("_", 2)[2]
    assert len(secret) == 43
    assert secret not in repr(key)
    assert key.secret_hash == secret_hash(secret)


@pytest.mark.parametrize("text", ["", "sb", "sb_", "sb__", "sb_a_", "sb__a", "xx_a_b", "Bearer"])
def test_what_is_no_credential_is_seen(text: str) -> None:
    assert split_credential(text) is None


def test_a_secret_may_hold_underscores_and_strange_characters() -> None:
    assert split_credential("sb_id_a_b") == ("id", "a_b")
    key, _ = new_api_key(district_ids=["maple"], role=Role.MONITOR)
    assert not key.matches("\udcff")


def test_districts_and_sources_are_limits() -> None:
    one, _ = new_api_key(district_ids=["maple"], role=Role.PUBLISHER, sources=frozenset({"sis"}))
    every, _ = new_api_key(district_ids=[EVERY_DISTRICT], role=Role.PUBLISHER)
    assert one.covers("maple") and not one.covers("oak") and not one.covers(EVERY_DISTRICT)
    assert every.covers("oak") and every.covers(EVERY_DISTRICT)
    assert one.allows_source("sis") and not one.allows_source("lunch")
    assert every.allows_source("lunch")


def test_the_operators_key_is_made_once_and_only_the_owner_reads_it(tmp_path: Path) -> None:
    key, path = ensure_operator_key(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert (key.role, key.district_ids) == (Role.OPERATOR, frozenset({EVERY_DISTRICT}))
    found = split_credential(path.read_text().strip())
    assert found is not None and found[0] == key.key_id and key.matches(found[1])
    assert ensure_operator_key(tmp_path) == (key, path)


def test_a_damaged_or_exposed_operator_key_stops_the_start(tmp_path: Path) -> None:
    _, path = ensure_operator_key(tmp_path)
    path.chmod(0o644)
    with pytest.raises(SecretExposed, match="chmod 600"):
        ensure_operator_key(tmp_path)
    path.chmod(0o600)
    path.write_text("nonsense")
    with pytest.raises(OperatorKeyBroken, match=r"operator\.key"):
        ensure_operator_key(tmp_path)
