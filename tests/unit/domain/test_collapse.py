"""The collapse key: the same for one fact, and silent about which."""

from __future__ import annotations

import base64
import hashlib
import hmac
import string

from hypothesis import given
from hypothesis import strategies as st

from schoolbell_server.domain.collapse import collapse_key

keys = st.text(st.characters(codec="utf-8"), max_size=20)
secrets = st.binary(min_size=1, max_size=40)


def test_is_the_start_of_an_hmac_sha256() -> None:
    digest = hmac.new(b"secret", "fåct".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(collapse_key(b"secret", "fåct") + "==") == digest[:16]


@given(secrets, keys)
def test_fits_where_it_is_used(secret: bytes, key: str) -> None:
    made = collapse_key(secret, key)
    assert len(made) == 22
    assert set(made) <= set(string.ascii_letters + string.digits + "-_")


@given(keys, keys)
def test_tells_facts_apart(one: str, other: str) -> None:
    assert (collapse_key(b"s", one) == collapse_key(b"s", other)) == (one == other)


def test_another_district_has_another_key() -> None:
    assert collapse_key(b"maple", "fact") != collapse_key(b"oak", "fact")
