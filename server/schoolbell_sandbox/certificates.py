"""A throw-away certificate authority, and certificates: good ones and broken ones."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = dt.timedelta(days=825)


class CertificateFlaw(StrEnum):
    """What is wrong with a server certificate."""

    NONE = ""
    WRONG_NAME = "wrong_name"
    EXPIRED = "expired"
    UNKNOWN_CA = "unknown_ca"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificatePem:
    """A certificate and its private key, as PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """A certificate authority; it signs servers and clients."""

    def __init__(self, pem: CertificatePem) -> None:
        self._certificate = x509.load_pem_x509_certificate(pem.certificate)
        key = serialization.load_pem_private_key(pem.key, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the authority's key is not an elliptic-curve key")
        self._key = key
        self.pem = pem

    @classmethod
    def create(cls) -> Authority:
        """Make a new authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Schoolbell sandbox CA")])
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        now = dt.datetime.now(dt.UTC)
        builder = (
            _builder(name, name, key.public_key(), now - dt.timedelta(days=1), now + LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
        )
        return cls(_pem(builder.sign(key, hashes.SHA256()), key))

    def server(self, flaw: CertificateFlaw = CertificateFlaw.NONE) -> CertificatePem:
        """Sign a certificate for the loopback names, or a flawed one."""
        if flaw is CertificateFlaw.UNKNOWN_CA:
            return Authority.create().server()
        local: list[x509.GeneralName] = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            x509.IPAddress(ipaddress.ip_address("::1")),
        ]
        names = [x509.DNSName("wrong.example")] if flaw is CertificateFlaw.WRONG_NAME else local
        end = dt.datetime.now(dt.UTC) + LIFE
        if flaw is CertificateFlaw.EXPIRED:
            end = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Schoolbell sandbox")])
        extension = x509.SubjectAlternativeName(names)
        return self._sign(subject, end, ExtendedKeyUsageOID.SERVER_AUTH, extension)

    def client(self, topic: str) -> CertificatePem:
        """Sign a client certificate for an APNs topic."""
        subject = x509.Name([x509.NameAttribute(NameOID.USER_ID, topic)])
        end = dt.datetime.now(dt.UTC) + LIFE
        extension = x509.SubjectAlternativeName([x509.DNSName("provider.invalid")])
        return self._sign(subject, end, ExtendedKeyUsageOID.CLIENT_AUTH, extension)

    def named_client(self, common_name: str, life: dt.timedelta = LIFE) -> CertificatePem:
        """Sign a client certificate that names its owner; it may have expired before now."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        end = dt.datetime.now(dt.UTC) + life
        extension = x509.SubjectAlternativeName([x509.DNSName("client.invalid")])
        return self._sign(subject, end, ExtendedKeyUsageOID.CLIENT_AUTH, extension)

    def _sign(
        self,
        subject: x509.Name,
        end: dt.datetime,
        usage: x509.ObjectIdentifier,
        names: x509.SubjectAlternativeName,
    ) -> CertificatePem:
        key = ec.generate_private_key(ec.SECP256R1())
        start = min(dt.datetime.now(dt.UTC), end) - dt.timedelta(days=1)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            _builder(subject, self._certificate.subject, key.public_key(), start, end)
            .add_extension(names, critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(issuer, critical=False)
        )
        return _pem(builder.sign(self._key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    start: dt.datetime,
    end: dt.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _pem(certificate: x509.Certificate, key: PrivateKeyTypes) -> CertificatePem:
    return CertificatePem(
        certificate=certificate.public_bytes(serialization.Encoding.PEM), key=private_pem(key)
    )


def private_pem(key: PrivateKeyTypes) -> bytes:
    """Return a private key as PKCS 8 PEM, the form of Apple's `.p8` files and of Google's."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
