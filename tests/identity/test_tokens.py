"""Tokens that are good, and everything that a forged, stale or foreign one tries."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from schoolbell_server.config import Algorithm, IdentityConfig, IssuerConfig
from schoolbell_server.domain.principal import Principal, PrincipalType
from schoolbell_server.identity.key_source import KeySource
from schoolbell_server.identity.refusals import Cause, TokenRefused
from schoolbell_server.identity.tokens import LONGEST, Tokens
from schoolbell_server.security.api_key import Right, Role, Tool
from tests.identity.provider import (
    AUDIENCE,
    DISTRICT,
    ISSUER,
    Provider,
    SigningKey,
    issuer,
    sign,
    sign_with_secret,
    unsigned,
)

ALL = tuple(Algorithm(name) for name in ("RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"))
NOW = time.time()
GOOD = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": int(NOW), "exp": int(NOW) + 600}


class Rights:
    """Rights that are asked for by a holder, and how often they were."""

    asked = 0

    async def rights(
        self, district_ids: frozenset[str], user_id: str, groups: tuple[str, ...]
    ) -> Mapping[str, Mapping[int, int]]:
        self.asked += 1
        assert (district_ids, user_id, groups) == (frozenset({DISTRICT}), "ada", ("office",))
        return {DISTRICT: {Tool.ACCESS: Right.READ}}


class Server:
    """What a server knows of tokens; its time moves only when told."""

    def __init__(self, folder: Path, **fields: Any) -> None:
        self.path = folder / "keys.json"
        self.provider = Provider(clock=lambda: NOW)
        self.time = NOW
        self.rights = Rights()
        self.publish()
        self.issuer: IssuerConfig = issuer(jwks_file=self.path, **fields)
        self.tokens = Tokens(
            IdentityConfig(issuers={"maple": self.issuer}),
            {"maple": KeySource(self.issuer, lambda *_: None)},
            self.rights,
            lambda: self.time,
        )

    def publish(self) -> None:
        """Put the provider's present keys in the place of those before."""
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(self.provider.jwks)
        fresh.rename(self.path)

    async def refuses(self, token: str) -> Cause | None:
        """Return why a token is refused; None if it is good."""
        try:
            await self.tokens.check(token)
        except TokenRefused as error:
            return error.cause
        return None

    async def finds(self, **claims: Any) -> Cause | None:
        """Return why a genuine token with these claims is refused; None if it is good."""
        return await self.refuses(self.provider.token(**claims))


@pytest.mark.parametrize("algorithm", ALL)
async def test_a_good_token_of_each_algorithm_is_taken(algorithm: str, tmp_path: Path) -> None:
    server = Server(tmp_path, algorithms=ALL, group_claim="groups")
    server.provider.keys = [SigningKey.make("k9", algorithm)]
    server.publish()
    token = await server.tokens.check(server.provider.token(groups=["office"]))
    grant = await server.tokens.grant(token)
    assert grant.principal == Principal(PrincipalType.TOKEN, "ada", "ada")
    assert (grant.role, grant.district_ids) == (Role.ADMINISTRATOR, frozenset({DISTRICT}))
    assert grant.rights == {DISTRICT: {Tool.ACCESS: Right.READ}}
    assert re.fullmatch("token/maple/[0-9a-f]{16}", grant.key_id)


async def test_a_token_that_was_good_costs_no_second_signature_and_never_outlives_its_key(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path)
    text = server.provider.token()
    first = await server.tokens.check(text)
    assert await server.tokens.check(text) is first
    server.provider.keys = [SigningKey.make("k2")]
    server.publish()
    assert await server.finds() is None  # which makes it read the file again
    assert await server.refuses(text) is Cause.KEY_UNKNOWN
    with pytest.raises(TokenRefused):
        await server.tokens.grant_again(first)


async def test_whose_key_it_is_decides_and_not_what_the_token_says(tmp_path: Path) -> None:
    server = Server(tmp_path)
    ours, theirs = server.provider.keys[0], SigningKey.make("k1")
    pem = ours.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for algorithm in ("HS256", "RS256"):
        header = {"alg": algorithm, "typ": "JWT", "kid": "k1"}
        for secret in (pem, json.dumps(ours.jwk).encode(), b""):
            found = await server.refuses(sign_with_secret(secret, GOOD, header))
            assert found is (Cause.ALGORITHM if algorithm == "HS256" else Cause.SIGNATURE)
    for name in ("none", "None", "NONE", "", "HS512", "RS512", "rs256"):
        assert await server.refuses(unsigned(GOOD, name)) is Cause.ALGORITHM
    assert await server.refuses(unsigned(GOOD, "RS256")) is Cause.SIGNATURE
    offered: tuple[dict[str, Any], ...] = (
        {"jwk": theirs.jwk},
        {"jku": "https://localhost:1/jwks.json"},
        {"x5u": "https://localhost:1/chain.pem"},
        {"x5c": ["AAAA"]},
    )
    for header in offered:
        assert await server.refuses(sign(theirs, GOOD, {"kid": "k1", **header})) is Cause.SIGNATURE
        assert await server.refuses(sign(ours, GOOD, {"kid": "k1", **header})) is None
    assert await server.refuses(sign(ours, GOOD, {"kid": "k2"})) is Cause.KEY_UNKNOWN
    assert await server.refuses(sign(ours, GOOD, {})) is None  # there is but one key
    server.provider.keys.append(SigningKey.make("k1"))
    server.publish()
    await server.finds(headers={"kid": "makes it read the file again"})
    assert await server.refuses(sign(ours, GOOD, {"kid": "k1"})) is Cause.KEY_AMBIGUOUS


async def test_a_changed_token_is_forged(tmp_path: Path) -> None:
    server = Server(tmp_path)
    text = server.provider.token()
    head, body, signature = text.split(".")
    other = server.provider.token(sub="eve").split(".")[1]
    for forged in (
        f"{head}.{other}.{signature}",
        f"{head}.{body}.{signature[:-8]}",
        f"{head}.{body}.{'A' * len(signature)}",
        f"{head}.{body}.",
    ):
        assert await server.refuses(forged) is Cause.SIGNATURE


@pytest.mark.parametrize(
    "text",
    [
        "..",
        "a.b.c",
        "e30.e30.e30",
        "\ud800.\ud800.",
        "é.é.é",
        f"{'A' * LONGEST}.e30.",
        "W10.W10.",
        "bnVsbA.bnVsbA.",
    ],
)
async def test_what_is_no_token_is_refused(text: str, tmp_path: Path) -> None:
    assert await Server(tmp_path).refuses(text) in (Cause.FORM, Cause.ISSUER)


async def test_odd_headers_and_bodies_are_refused(tmp_path: Path) -> None:
    server = Server(tmp_path)
    key = server.provider.keys[0]
    odd = json.dumps({**GOOD, "deep": json.loads("[" * 200 + "]" * 200)}).encode()
    for payload in (b"[]", b"null", b"\xff", b"{", b"[" * 300 + b"]" * 300, odd + b" " * 70_000):
        assert await server.refuses(sign(key, payload, {"kid": "k1"})) is Cause.FORM
    for header in (
        {"kid": "k1", "crit": ["exp"]},
        {"kid": "k1", "b64": False},
        {"kid": 7},
        {"kid": ["k1"]},
        {"kid": None},
    ):
        assert await server.refuses(sign(key, GOOD, header)) is Cause.FORM
    for typ in ("logout+jwt", "dpop+jwt"):
        assert await server.refuses(sign(key, GOOD, {"kid": "k1", "typ": typ})) is Cause.TYPE
    for typ in ("at+jwt", "application/AT+JWT", "JWT"):
        assert await server.refuses(sign(key, GOOD, {"kid": "k1", "typ": typ})) is None


@pytest.mark.parametrize(
    ("claims", "cause"),
    [
        ({"iss": "https://login.maple.example"}, Cause.ISSUER),
        ({"iss": [ISSUER]}, Cause.ISSUER),
        ({"aud": "other"}, Cause.AUDIENCE),
        ({"aud": []}, Cause.AUDIENCE),
        ({"aud": [AUDIENCE, 7]}, Cause.AUDIENCE),
        ({"aud": {AUDIENCE: 1}}, Cause.AUDIENCE),
        ({"aud": ["other", AUDIENCE]}, None),
        ({"exp": int(NOW) - 31}, Cause.EXPIRED),
        ({"exp": int(NOW) - 29}, None),
        ({"exp": -1}, Cause.EXPIRED),
        ({"exp": -1e300}, Cause.EXPIRED),
        ({"exp": 0}, Cause.EXPIRED),
        ({"exp": int(NOW) + 2 * 86_400}, Cause.LIFE),
        ({"exp": 1e300}, Cause.LIFE),
        ({"exp": 10**400}, Cause.CLAIM),
        ({"exp": float("inf")}, Cause.CLAIM),
        ({"exp": float("nan")}, Cause.CLAIM),
        ({"exp": str(int(NOW) + 600)}, Cause.CLAIM),
        ({"exp": True}, Cause.CLAIM),
        ({"exp": None}, Cause.CLAIM),
        ({"nbf": int(NOW) + 40}, Cause.NOT_YET_VALID),
        ({"nbf": int(NOW) + 20}, None),
        ({"nbf": "soon"}, Cause.CLAIM),
        ({"iat": int(NOW) + 40}, Cause.NOT_YET_VALID),
        ({"iat": []}, Cause.CLAIM),
        ({"sub": ""}, Cause.CLAIM),
        ({"sub": 7}, Cause.CLAIM),
        ({"sub": "a" * 129}, Cause.CLAIM),
        ({"sub": "a\nb"}, Cause.CLAIM),
        ({"sub": " ada"}, Cause.CLAIM),
        ({"sub": "\ud800"}, Cause.CLAIM),
    ],
)
async def test_claims_are_checked_to_the_second_and_the_type(
    claims: dict[str, Any], cause: Cause | None, tmp_path: Path
) -> None:
    assert await Server(tmp_path).finds(**{**GOOD, **claims}) is cause


@pytest.mark.parametrize(
    ("claim", "cause"),
    [
        ("exp", Cause.CLAIM),
        ("aud", Cause.AUDIENCE),
        ("iss", Cause.ISSUER),
        ("sub", Cause.CLAIM),
        ("iat", None),
    ],
)
async def test_a_claim_that_is_needed_must_be_there(
    claim: str, cause: Cause | None, tmp_path: Path
) -> None:
    assert await Server(tmp_path).finds(without=(claim,)) is cause


async def test_a_token_ends_and_its_memory_with_it(tmp_path: Path) -> None:
    server = Server(tmp_path)
    text = server.provider.token(exp=int(NOW) + 60)
    token = await server.tokens.check(text)
    server.time += 89
    assert await server.refuses(text) is None
    server.time += 2
    for _ in range(2):
        assert await server.refuses(text) is Cause.EXPIRED
    with pytest.raises(TokenRefused):
        await server.tokens.grant_again(token)


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ([DISTRICT, "oak-county"], {DISTRICT}),
        (DISTRICT, {DISTRICT}),
        (["oak-county"], Cause.DISTRICT),
        ([], Cause.DISTRICT),
        (["-"], Cause.DISTRICT),
        ([DISTRICT, 7], Cause.CLAIM),
        (7, Cause.CLAIM),
        ({DISTRICT: 1}, Cause.CLAIM),
        (["Maple County"], Cause.CLAIM),
        ([DISTRICT] * 101, Cause.CLAIM),
        (None, Cause.CLAIM),
    ],
)
async def test_an_issuer_speaks_for_its_own_districts_alone(
    named: object, found: object, tmp_path: Path
) -> None:
    server = Server(tmp_path, district_claim="https://maple.example/districts")
    claims: dict[str, Any] = {"https://maple.example/districts": named}
    text = server.provider.token(**claims)
    if isinstance(found, Cause):
        assert await server.refuses(text) is found
    else:
        assert (await server.tokens.check(text)).claims.district_ids == found


async def test_every_district_is_for_who_may_and_for_no_administrator(tmp_path: Path) -> None:
    roles = (Role.OPERATOR, Role.ADMINISTRATOR)
    fields = {"roles": roles, "role_claim": "role", "district_claim": "districts"}
    server = Server(tmp_path, districts=("-",), **fields)
    operator = await server.tokens.check(server.provider.token(role="operator", districts="-"))
    assert operator.claims.district_ids == {"-"}
    assert await server.finds(role="administrator", districts="-") is Cause.DISTRICT
    assert await server.finds(role="administrator", districts="oak-county") is None


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("monitor", Role.MONITOR),
        (["teacher", "monitor", "administrator"], Role.ADMINISTRATOR),
        (["operator"], Cause.ROLE),
        ("Monitor", Cause.ROLE),
        ([], Cause.ROLE),
        ([4], Cause.CLAIM),
        (4, Cause.CLAIM),
        (None, Cause.CLAIM),
    ],
)
async def test_an_issuer_gives_its_own_roles_alone(
    named: object, found: object, tmp_path: Path
) -> None:
    roles = (Role.ADMINISTRATOR, Role.MONITOR)
    server = Server(tmp_path, roles=roles, role_claim="realm_access.roles")
    text = server.provider.token(realm_access={"roles": named})
    if isinstance(found, Cause):
        assert await server.refuses(text) is found
    else:
        assert (await server.tokens.check(text)).claims.role is found


@pytest.mark.parametrize(
    ("named", "found"),
    [
        (["office", "clerks", "office"], ("clerks", "office")),
        ("office", ("office",)),
        ([], ()),
        (["office", 7], Cause.CLAIM),
        (7, Cause.CLAIM),
        (None, Cause.CLAIM),
        ([""], Cause.CLAIM),
        (["a" * 129], Cause.CLAIM),
        ([f"g{number}" for number in range(201)], Cause.CLAIM),
    ],
)
async def test_groups_are_read_or_the_token_is_refused(
    named: object, found: object, tmp_path: Path
) -> None:
    server = Server(tmp_path, group_claim="groups")
    text = server.provider.token(groups=named)
    if isinstance(found, Cause):
        assert await server.refuses(text) is found
    else:
        assert (await server.tokens.check(text)).claims.groups == found
    assert await server.finds() is None


async def test_the_person_is_who_the_claim_says_and_a_program_is_none(tmp_path: Path) -> None:
    server = Server(tmp_path, user_claim="staff.id")
    token = await server.tokens.check(server.provider.token(sub="x-77", staff={"id": "ada"}))
    assert (token.claims.subject, token.claims.user_id) == ("x-77", "ada")
    for staff in ({"id": 7}, {"id": ""}, {}, "ada", None):
        assert await server.finds(staff=staff) is Cause.CLAIM
    program = Server(tmp_path, roles=(Role.PUBLISHER,))
    token = await program.tokens.check(program.provider.token(sub="sis"))
    grant = await program.tokens.grant(token)
    assert grant.principal == Principal(PrincipalType.TOKEN, "sis", "")
    assert program.rights.asked == 0


async def test_nothing_of_a_refused_token_reaches_the_rights(tmp_path: Path) -> None:
    server = Server(tmp_path)
    for claims in ({"aud": "other"}, {"exp": 1}, {"iss": "other"}):
        assert await server.finds(**claims)
    assert server.rights.asked == 0
