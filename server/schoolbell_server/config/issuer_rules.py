"""What an issuer of tokens must say, and may not; what is left open is refused at start."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from schoolbell_server.config.identity import IdentityConfig, IssuerConfig
from schoolbell_server.domain.district_id import DISTRICT_ID
from schoolbell_server.security.api_key import EVERY_DISTRICT, Role

_NAME = re.compile(r"[a-z0-9-]{1,32}", re.ASCII)


def issuer_problems(identity: IdentityConfig) -> Iterator[str]:
    """Yield what keeps issuers from being believed."""
    seen: dict[str, str] = {}
    for name, issuer in identity.issuers.items():
        for key, problem in (*_names(issuer), *_keys(issuer), *_allowed(issuer)):
            yield f"identity.issuers.{name}{key and f'.{key}'}: {problem}"
        if issuer.issuer in seen:
            other = seen[issuer.issuer]
            yield f"identity.issuers.{name}.issuer: is that of identity.issuers.{other} too"
        seen[issuer.issuer] = name


def _names(issuer: IssuerConfig) -> Iterator[tuple[str, str]]:
    if not _NAME.fullmatch(issuer.name):
        yield "", "the name must be 1 to 32 of a-z, 0-9 and hyphen"
    for key in ("issuer", "audience"):
        if not getattr(issuer, key):
            yield key, "must not be empty"


def _keys(issuer: IssuerConfig) -> Iterator[tuple[str, str]]:
    if not issuer.algorithms:
        yield "algorithms", "must not be empty"
    if (issuer.jwks_file is None) == (not issuer.jwks_url):
        yield "jwks_url", "must be set, or jwks_file, and not both"
    if issuer.jwks_url and not _is_https(issuer.jwks_url):
        yield "jwks_url", f"must be https://host…, not {issuer.jwks_url!r}"
    if issuer.ca_file is not None and not issuer.jwks_url:
        yield "ca_file", "is for jwks_url, which is not set"
    if issuer.jwks_pause > issuer.jwks_interval:
        yield "jwks_pause", "must be at most jwks_interval"


def _allowed(issuer: IssuerConfig) -> Iterator[tuple[str, str]]:
    if not issuer.districts:
        yield "districts", "must not be empty"
    for district_id in issuer.districts:
        if district_id != EVERY_DISTRICT and not DISTRICT_ID.fullmatch(district_id):
            yield "districts", f"{district_id!r} is no district id"
    every = EVERY_DISTRICT in issuer.districts
    if every and len(issuer.districts) > 1:
        yield "districts", "must name `-` alone, or districts"
    if not issuer.roles or len(set(issuer.roles)) < len(issuer.roles):
        yield "roles", "must name a role, and each once"
    if len(issuer.roles) > 1 and not issuer.role_claim:
        yield "role_claim", "is required where there is more than one role"
    if Role.ADMINISTRATOR not in issuer.roles:
        return
    if not issuer.user_claim:
        yield "user_claim", "must not be empty: an administrator is a person"
    if every and not issuer.district_claim:
        yield "district_claim", "is required: an administrator's districts must be named"


def _is_https(text: str) -> bool:
    try:
        url = urlsplit(text)
        good = url.scheme == "https" and bool(url.hostname) and url.port != 0
    except ValueError:
        return False
    return good and "@" not in url.netloc and text.isascii() and text.isprintable()
