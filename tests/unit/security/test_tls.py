"""The local authority, and certificates that change under a running server: over real TLS."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from schoolbell_server.security.authority import CERTIFICATE_LIFE, RENEW_BEFORE, LocalAuthority
from schoolbell_server.security.tls import ServerTls, TlsBroken, TlsConfig
from tests.programs import PATIENCE

NOW = dt.datetime(2026, 9, 1, 8, tzinfo=dt.UTC)


def serial(path: Path) -> int:
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number


@asynccontextmanager
async def serving(tls: ServerTls) -> AsyncIterator[int]:
    server = grpc.aio.server()
    port = server.add_secure_port("127.0.0.1:0", tls.credentials())
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def served_serial(port: int, context: ssl.SSLContext) -> int:
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost"
    )
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(certificate).serial_number


def caller_certificate() -> tuple[bytes, bytes]:
    """Return a certificate that is its own authority, for a calling service, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sis")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return certificate.public_bytes(pem), key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


async def call(channel: grpc.aio.Channel) -> None:
    method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/x/Y")
    await method(b"", timeout=20)


def test_the_authority_is_made_once_with_secret_keys(tmp_path: Path) -> None:
    authority = LocalAuthority(folder=tmp_path, names=("bell.example.org", "10.0.0.7"))
    assert authority.ensure(NOW)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert not authority.ensure(NOW)
    assert before == {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == {"ca.pem": 0o644, "ca.key": 0o600, "server.pem": 0o644, "server.key": 0o600}


def test_the_certificate_is_renewed_before_its_end_by_the_same_authority(tmp_path: Path) -> None:
    authority = LocalAuthority(folder=tmp_path)
    authority.ensure(NOW)
    ca, certificate = serial(authority.ca_file), serial(authority.certificate_file)
    edge = NOW + CERTIFICATE_LIFE - RENEW_BEFORE
    assert not authority.ensure(edge - dt.timedelta(seconds=1))
    assert authority.ensure(edge)
    assert serial(authority.ca_file) == ca
    assert serial(authority.certificate_file) != certificate


def test_other_names_or_a_key_without_its_certificate_make_a_new_one(tmp_path: Path) -> None:
    LocalAuthority(folder=tmp_path).ensure(NOW)
    renamed = LocalAuthority(folder=tmp_path, names=("bell.example.org",))
    assert renamed.ensure(NOW)
    renamed.key_file.write_bytes((tmp_path / "ca.key").read_bytes())
    assert renamed.ensure(NOW)
    assert not renamed.ensure(NOW)


def test_an_old_authority_is_replaced(tmp_path: Path) -> None:
    authority = LocalAuthority(folder=tmp_path)
    authority.ensure(NOW)
    ca = serial(authority.ca_file)
    assert authority.ensure(NOW + dt.timedelta(days=3640))
    assert serial(authority.ca_file) != ca


async def test_a_renewed_certificate_is_served_without_a_restart(tmp_path: Path) -> None:
    tls = ServerTls(TlsConfig(), tmp_path)
    assert tls.authority is not None
    context = ssl.create_default_context(cafile=str(tls.authority.ca_file))
    async with serving(tls) as port:
        first = await served_serial(port, context)
        assert first == serial(tls.authority.certificate_file)
        assert not tls.refresh()
        tls.authority.certificate_file.unlink()
        assert tls.refresh()
        second = await served_serial(port, context)
        assert second == serial(tls.authority.certificate_file) != first


async def test_the_watcher_finds_a_new_certificate_by_itself(tmp_path: Path) -> None:
    tls = ServerTls(TlsConfig(), tmp_path)
    assert tls.authority is not None
    context = ssl.create_default_context(cafile=str(tls.authority.ca_file))
    async with serving(tls) as port:
        first = await served_serial(port, context)
        watcher = asyncio.create_task(tls.watch(dt.timedelta(milliseconds=10)))
        tls.authority.certificate_file.unlink()
        async with asyncio.timeout(20):
            while await served_serial(port, context) == first:
                pass
        watcher.cancel()


async def test_a_broken_certificate_leaves_the_old_one_in_use(tmp_path: Path) -> None:
    authority = LocalAuthority(folder=tmp_path / "own")
    authority.ensure(dt.datetime.now(dt.UTC))
    config = TlsConfig(certificate_file=authority.certificate_file, key_file=authority.key_file)
    tls = ServerTls(config, tmp_path)
    assert tls.authority is None
    assert not (tmp_path / "tls").exists()
    context = ssl.create_default_context(cafile=str(authority.ca_file))
    async with serving(tls) as port:
        first = await served_serial(port, context)
        authority.certificate_file.write_text("nonsense")
        with pytest.raises(TlsBroken, match="not PEM"):
            tls.refresh()
        assert await served_serial(port, context) == first


async def test_the_watcher_says_that_it_could_not_take_a_certificate(tmp_path: Path) -> None:
    authority = LocalAuthority(folder=tmp_path / "own")
    authority.ensure(dt.datetime.now(dt.UTC))
    config = TlsConfig(certificate_file=authority.certificate_file, key_file=authority.key_file)
    told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    tls = ServerTls(config, tmp_path, lambda setting, text: told.put_nowait((setting, text)))
    authority.certificate_file.write_text("nonsense")
    watching = asyncio.create_task(tls.watch(dt.timedelta(0)))
    async with asyncio.timeout(PATIENCE):
        setting, text = await told.get()
    watching.cancel()
    assert setting == "server.tls"
    assert text.endswith("The certificates in use stay in use.")


def test_a_certificate_with_another_key_does_not_start(tmp_path: Path) -> None:
    one, other = (LocalAuthority(folder=tmp_path / name) for name in ("a", "b"))
    one.ensure(NOW)
    other.ensure(NOW)
    config = TlsConfig(certificate_file=one.certificate_file, key_file=other.key_file)
    with pytest.raises(TlsBroken, match="not the certificate's"):
        ServerTls(config, tmp_path)


async def test_with_a_client_authority_a_caller_must_show_its_certificate(tmp_path: Path) -> None:
    certificate, key = caller_certificate()
    (tmp_path / "callers.pem").write_bytes(certificate)
    tls = ServerTls(TlsConfig(client_ca_file=tmp_path / "callers.pem"), tmp_path)
    assert tls.authority is not None
    roots = tls.authority.ca_file.read_bytes()
    known = grpc.ssl_channel_credentials(roots, key, certificate)
    async with serving(tls) as port:
        for credentials, code in (
            (known, grpc.StatusCode.UNIMPLEMENTED),
            (grpc.ssl_channel_credentials(roots), grpc.StatusCode.UNAVAILABLE),
        ):
            async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call(channel)
                assert caught.value.code() is code
