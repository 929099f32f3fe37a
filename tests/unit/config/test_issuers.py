"""Issuers of tokens in the configuration: what may be said of them, and what refuses to start."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from schoolbell_server.config import ConfigError, load_config
from schoolbell_server.security.api_key import Role
from tests.identity.provider import Provider

GOOD = {
    "issuer": '"https://login.example/"',
    "audience": '"schoolbell"',
    "districts": '["maple-county"]',
    "roles": '["administrator"]',
    "jwks_url": '"https://login.example/keys"',
}


def problems(folder: Path, name: str = "staff", **changed: str) -> list[str]:
    """Return what is wrong with an issuer of which something was changed; '' leaves it out."""
    lines = [f"{key} = {value}" for key, value in {**GOOD, **changed}.items() if value]
    path = folder / "schoolbell.toml"
    path.write_text("\n".join([f"[identity.issuers.{name}]", *lines]))
    try:
        load_config(path, {}, check_files=True)
    except ConfigError as error:
        return list(error.problems)
    return []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("algorithms", '["none"]'),
        ("algorithms", '["RS256", "HS256"]'),
        ("algorithms", '["hs512"]'),
        ("algorithms", "[]"),
        ("issuer", '""'),
        ("issuer", ""),
        ("audience", '""'),
        ("audience", ""),
        ("districts", "[]"),
        ("districts", ""),
        ("districts", '["-", "maple-county"]'),
        ("districts", '["Maple County"]'),
        ("roles", "[]"),
        ("roles", ""),
        ("roles", '["root"]'),
        ("jwks_url", '"http://login.example/keys"'),
        ("jwks_url", '"https://"'),
        ("jwks_url", '"https://user:secret@login.example/keys"'),
        ("jwks_url", '"file:///keys.json"'),
        ("jwks_url", ""),
        ("jwks_interval", '"1s"'),
        ("jwks_pause", '"11m"'),
        ("clock_skew", '"6m"'),
        ("longest_life", '"31d"'),
        ("user_claim", '""'),
        ("ca_file", '"missing.pem"'),
        ("jwks_file", '"missing.json"'),
    ],
)
def test_what_leaves_a_door_open_does_not_start(key: str, value: str, tmp_path: Path) -> None:
    found = problems(tmp_path, **{key: value})
    assert found
    assert all(problem.startswith("identity.issuers.staff.") for problem in found)


def test_a_whole_issuer_starts(tmp_path: Path) -> None:
    assert not problems(tmp_path)
    assert not problems(tmp_path, districts='["-"]', district_claim='"districts"')
    assert not problems(tmp_path, roles='["monitor", "operator"]', role_claim='"roles"')
    (tmp_path / "keys.json").write_bytes(Provider().jwks)
    assert not problems(tmp_path, jwks_url="", jwks_file='"keys.json"')


def test_rules_that_join_settings(tmp_path: Path) -> None:
    (text,) = problems(tmp_path, districts='["-"]')
    assert text.startswith("identity.issuers.staff.district_claim: ")
    (text,) = problems(tmp_path, roles='["monitor", "operator"]')
    assert text.startswith("identity.issuers.staff.role_claim: ")
    (text,) = problems(tmp_path, name="Staff")
    assert text.startswith("identity.issuers.Staff: ")
    (tmp_path / "keys.json").write_bytes(Provider().jwks)
    (text,) = problems(tmp_path, jwks_file='"keys.json"')
    assert text.startswith("identity.issuers.staff.jwks_url: ")
    (tmp_path / "keys.json").write_bytes(b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}')
    (text,) = problems(tmp_path, jwks_url="", jwks_file='"keys.json"')
    assert "holds no public key" in text


def test_an_issuer_is_one_table_and_may_be_of_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "schoolbell.toml"
    table = "\n".join(f"{key} = {value}" for key, value in GOOD.items())
    path.write_text(f"[identity.issuers.a]\n{table}\n[identity.issuers.b]\n{table}\n")
    with pytest.raises(ConfigError) as refused:
        load_config(path, {})
    assert refused.value.problems == (
        "identity.issuers.b.issuer: is that of identity.issuers.a too",
    )
    environ = {
        "SCHOOLBELL_IDENTITY_ISSUERS_B_ISSUER": "https://other.example/",
        "SCHOOLBELL_IDENTITY_ISSUERS_B_ROLES": "monitor",
        "SCHOOLBELL_IDENTITY_ISSUERS_B_ALGORITHMS": "ES256,EdDSA",
        "SCHOOLBELL_IDENTITY_ISSUERS_B_CLOCK_SKEW": "5s",
        "SCHOOLBELL_TOKEN_FILE": "the client's",
    }
    issuers = load_config(path, environ).identity.issuers
    assert issuers["a"].roles == (Role.ADMINISTRATOR,)
    assert (issuers["b"].issuer, issuers["b"].roles) == ("https://other.example/", (Role.MONITOR,))
    assert issuers["b"].algorithms == ("ES256", "EdDSA")
    assert issuers["b"].clock_skew == timedelta(seconds=5)
    with pytest.raises(ConfigError) as refused:
        load_config(path, {**environ, "SCHOOLBELL_IDENTITY_ISSUERS_B_NAME": "c"})
    assert "unknown setting" in refused.value.problems[0]
