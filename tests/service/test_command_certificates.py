"""A certificate that is wrong in any way ends the command with what to correct."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from schoolbell.cli.main import main

CASES = {
    "another name": ("push.example", 0, "correct --target, or its certificate"),
    "expired": ("localhost", -60, "its operator has to renew it"),
}


def write(folder: Path, name: str, days: int) -> None:
    """Write a certificate of its own authority, whose time began some days ago or ahead."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = dt.datetime.now(dt.UTC) + dt.timedelta(days=days - 1)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, *plain))
    (folder / "ca.pem").write_bytes(made.public_bytes(pem))


@contextmanager
def listening(folder: Path) -> Iterator[int]:
    """Answer TLS handshakes with the certificate until the block ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    plain, _ = server.accept()
                except OSError:
                    return
                try:
                    context.wrap_socket(plain, server_side=True).close()
                except OSError:
                    plain.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize("case", CASES)
async def test_the_setting_to_correct_is_named(case: str, tmp_path: Path) -> None:
    name, days, hint = CASES[case]
    write(tmp_path, name, days)
    with listening(tmp_path) as port:
        environment = {
            "SCHOOLBELL_TARGET": f"localhost:{port}",
            "SCHOOLBELL_KEY": "sb_a_b",
            "SCHOOLBELL_CA_FILE": str(tmp_path / "ca.pem"),
            "SCHOOLBELL_PROFILES": str(tmp_path),
        }
        run = CliRunner(env=environment).invoke
        result = await asyncio.to_thread(run, main, ["server-info"])
    assert result.exit_code == 5
    (line,) = result.output.splitlines()
    assert "not trusted" in line
    assert line.endswith(hint)
