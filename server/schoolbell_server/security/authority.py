"""The local certificate authority: TLS from the first start, with nothing to install.

The authority lives ten years, its server certificate ninety days; the latter is made anew a month
before it ends, and at once when its names change or a crash left a key without its certificate.
Clients trust `ca.pem`.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from schoolbell_server.security.secret_file import read_secret, write_secret

AUTHORITY_LIFE = dt.timedelta(days=3650)
CERTIFICATE_LIFE = dt.timedelta(days=90)
RENEW_BEFORE = dt.timedelta(days=30)
CLOCK_SKEW = dt.timedelta(hours=1)
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Issuer:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalAuthority:
    """An authority and the server certificate it signed, in one folder."""

    folder: Path
    names: tuple[str, ...] = ()
    """Host names and addresses beyond `LOCAL_NAMES`."""

    @property
    def ca_file(self) -> Path:
        """What clients trust."""
        return self.folder / "ca.pem"

    @property
    def certificate_file(self) -> Path:
        """The server's certificate."""
        return self.folder / "server.pem"

    @property
    def key_file(self) -> Path:
        """The server's private key."""
        return self.folder / "server.key"

    @property
    def _ca_key_file(self) -> Path:
        return self.folder / "ca.key"

    def ensure(self, now: dt.datetime) -> bool:
        """Make whatever is missing, near its end, or for other names; True if something was."""
        issuer = self._load_issuer(now)
        if issuer and self._is_current(issuer, now):
            return False
        issuer = issuer or self._make_issuer(now)
        self._make_certificate(issuer, now)
        return True

    def _load_issuer(self, now: dt.datetime) -> _Issuer | None:
        if not (self.ca_file.exists() and self._ca_key_file.exists()):
            return None
        certificate = x509.load_pem_x509_certificate(self.ca_file.read_bytes())
        key = serialization.load_pem_private_key(read_secret(self._ca_key_file), None)
        usable_until = certificate.not_valid_after_utc - CERTIFICATE_LIFE
        if not isinstance(key, ec.EllipticCurvePrivateKey) or now > usable_until:
            return None
        if key.public_key() != certificate.public_key():
            return None
        return _Issuer(certificate=certificate, key=key)

    def _is_current(self, issuer: _Issuer, now: dt.datetime) -> bool:
        if not (self.certificate_file.exists() and self.key_file.exists()):
            return False
        certificate = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        key = serialization.load_pem_private_key(read_secret(self.key_file), None)
        return (
            key.public_key() == certificate.public_key()
            and certificate.issuer == issuer.certificate.subject
            and list(names) == _alternative_names(self.names)
            and now < certificate.not_valid_after_utc - RENEW_BEFORE
        )

    def _make_issuer(self, now: dt.datetime) -> _Issuer:
        key = ec.generate_private_key(ec.SECP256R1())
        serial = x509.random_serial_number()
        name = _name(f"Schoolbell local authority {serial:x}"[:64])
        certificate = (
            _builder(name, name, key.public_key(), serial, now, AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        write_secret(self._ca_key_file, _pem(key))
        _write_public(self.ca_file, certificate)
        return _Issuer(certificate=certificate, key=key)

    def _make_certificate(self, issuer: _Issuer, now: dt.datetime) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject, serial = _name("schoolbell-server"), x509.random_serial_number()
        parent = issuer.certificate.subject
        issuer_key = issuer.key.public_key()
        certificate = (
            _builder(subject, parent, key.public_key(), serial, now, CERTIFICATE_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.SubjectAlternativeName(_alternative_names(self.names)), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
            )
            .sign(issuer.key, hashes.SHA256())
        )
        write_secret(self.key_file, _pem(key))
        _write_public(self.certificate_file, certificate)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    serial: int,
    now: dt.datetime,
    life: dt.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _alternative_names(names: Sequence[str]) -> list[x509.GeneralName]:
    return [_general_name(name) for name in dict.fromkeys((*LOCAL_NAMES, *names))]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write_public(path: Path, certificate: x509.Certificate) -> None:
    write_secret(path, certificate.public_bytes(serialization.Encoding.PEM))
    path.chmod(0o644)
