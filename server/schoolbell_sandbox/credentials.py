"""The keys a provider would hand out, ready to use, and their place on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from schoolbell_sandbox.certificates import Authority, CertificatePem, private_pem

PROJECT_ID = "schoolbell-sandbox"
PROJECT_NUMBER = "100000000001"
CLIENT_EMAIL = f"sender@{PROJECT_ID}.iam.gserviceaccount.com"


class BrokenCredentials(Exception):
    """A directory holds what no sandbox wrote, or half of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxCredentials:
    """What a sender needs to be let in, and what the sandbox needs to let it in."""

    authority: Authority
    apns_p8: str
    """PEM."""
    apns_key_id: str = "SANDBOXKEY"
    apns_team_id: str = "SANDBOXTEA"
    fcm_key: str
    """The service account's private key, PEM."""
    fcm_project_id: str = PROJECT_ID
    fcm_project_number: str = PROJECT_NUMBER
    fcm_client_email: str = CLIENT_EMAIL

    @classmethod
    def create(cls) -> SandboxCredentials:
        """Make new ones."""
        apns = ec.generate_private_key(ec.SECP256R1())
        fcm = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return cls(
            authority=Authority.create(),
            apns_p8=private_pem(apns).decode(),
            fcm_key=private_pem(fcm).decode(),
        )

    @property
    def apns_public_key(self) -> ec.EllipticCurvePublicKey:
        """The key that verifies provider tokens."""
        key = serialization.load_pem_private_key(self.apns_p8.encode(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the APNs key is not an elliptic-curve key")
        return key.public_key()

    @property
    def fcm_public_key(self) -> rsa.RSAPublicKey:
        """The key that verifies the service account's assertions."""
        return _rsa_public_key(self.fcm_key)

    def service_account(self, token_uri: str) -> dict[str, str]:
        """Return the service-account file Google would hand out."""
        return {
            "type": "service_account",
            "project_id": self.fcm_project_id,
            "private_key_id": "sandbox",
            "private_key": self.fcm_key,
            "client_email": self.fcm_client_email,
            "client_id": self.fcm_project_number,
            "token_uri": token_uri,
        }


@lru_cache(maxsize=8)  # the check of an RSA key takes longer than all else that a start does
def _rsa_public_key(private_pem: str) -> rsa.RSAPublicKey:
    key = serialization.load_pem_private_key(private_pem.encode(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("the service account's key is not an RSA key")
    return key.public_key()


def save(directory: Path, credentials: SandboxCredentials, facts: dict[str, Any]) -> None:
    """Write `ca.pem`, `apns.p8`, `service-account.json`, `sandbox.json` and the authority's key."""
    directory.mkdir(parents=True, exist_ok=True)
    authority = credentials.authority.pem
    account = credentials.service_account(facts["token_uri"])
    (directory / "ca.pem").write_bytes(authority.certificate)
    _write_secret(directory / "ca-key.pem", authority.key.decode())
    _write_secret(directory / "apns.p8", credentials.apns_p8)
    _write_secret(directory / "service-account.json", json.dumps(account, indent=2) + "\n")
    (directory / "sandbox.json").write_text(json.dumps(facts, indent=2) + "\n")


def load(directory: Path) -> tuple[SandboxCredentials, dict[str, Any]] | None:
    """Read what `save` wrote, or nothing if the directory holds none; BrokenCredentials if bad."""
    try:
        facts: dict[str, Any] = json.loads((directory / "sandbox.json").read_text())
        account = json.loads((directory / "service-account.json").read_text())
        return _credentials(directory, facts, account), facts
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        problem = f"{directory}: {error!r}; empty it, and all is made anew"
        raise BrokenCredentials(problem) from error


def _credentials(
    directory: Path, facts: dict[str, Any], account: dict[str, str]
) -> SandboxCredentials:
    certificate = (directory / "ca.pem").read_bytes()
    key = (directory / "ca-key.pem").read_bytes()
    return SandboxCredentials(
        authority=Authority(CertificatePem(certificate=certificate, key=key)),
        apns_p8=(directory / "apns.p8").read_text(),
        apns_key_id=facts["apns_key_id"],
        apns_team_id=facts["apns_team_id"],
        fcm_key=account["private_key"],
        fcm_project_id=account["project_id"],
        fcm_project_number=account["client_id"],
        fcm_client_email=account["client_email"],
    )


def _write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600, exist_ok=True)
    path.write_text(text)
