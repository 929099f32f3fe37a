"""A connection takes keys as files hold them, and no proxy to this machine."""

from __future__ import annotations

import codecs
import datetime as dt
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner

from schoolbell import BadConnection, Client, Connection, InvalidKeyError, read_key
from schoolbell.cli.main import main
from schoolbell.connection import read_authority
from schoolbell.errors import SchoolbellError
from schoolbell.targets import is_loopback
from schoolbell.v1.status_service_pb2 import GetStatusRequest
from schoolbell_server.security.authority import LocalAuthority

KEY = "sb_0123456789abcdef_" + "A" * 43


@pytest.mark.parametrize(
    "raw",
    [
        KEY.encode(),
        f"{KEY}\n".encode(),
        f" {KEY}\r\n\r\n".encode(),
        codecs.BOM_UTF8 + KEY.encode(),
        f"{KEY}\r\n".encode("utf-16"),
        codecs.BOM_UTF16_BE + f"{KEY}\r\n".encode("utf-16-be"),
        f"{KEY}\r\n".encode("utf-16-le"),
        f"{KEY}\r\n".encode("utf-16-be"),
        f"{KEY}\n".encode("utf-32"),
    ],
)
def test_a_key_file_is_read_in_any_encoding(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "publisher.key"
    path.write_bytes(raw)
    assert read_key(path) == KEY
    assert Connection(key=read_key(path)).key == KEY


BAD_FILES = {
    "empty": (b"", "it is empty"),
    "only a mark": (codecs.BOM_UTF16_LE, "it is empty"),
    "spaces": (b" \r\n", "it is empty"),
    "two lines": (f"{KEY}\n{KEY}\n".encode(), "it has 2 lines"),
    "a space": (f"{KEY} {KEY}".encode(), "it has spaces"),
    "Latin-1": (f"{KEY}\xe9".encode("latin-1"), "it is no text"),
    "an accent": (f"{KEY}é".encode(), "not printable ASCII"),
    "a carriage return inside": (f"{KEY}\rx".encode(), "it has 2 lines"),
    "a certificate": (b"-----BEGIN CERTIFICATE-----\n", "one begins with sb_"),
    "half of UTF-16": (f"{KEY}".encode("utf-16") + b"x", "it is no text"),
    "huge": (b"sb_" + b"x" * 70_000, "longer than 65536 bytes"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_without_a_key_is_named_as_such(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, fault = BAD_FILES[case]
    path = tmp_path / "publisher.key"
    path.write_bytes(raw)
    with pytest.raises(InvalidKeyError) as caught:
        read_key(path)
    assert str(caught.value).startswith(f"the key file {path} holds no API key: ")
    assert fault in str(caught.value)
    assert KEY not in str(caught.value)
    monkeypatch.setenv("SCHOOLBELL_KEY_FILE", str(path))
    for options in (["--key-file", str(path)], []):
        ended = CliRunner().invoke(main, [*options, "status"])
        assert ended.exit_code == 3
        assert ended.output == f"Error: {caught.value}\n"


def test_a_key_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidKeyError, match=r"no\.key cannot be read: No such file"):
        read_key(tmp_path / "no.key")


@pytest.mark.parametrize("extra", ["\r", "\n", "\r\n", " ", f"\n{KEY}", "é", "\ufeff", "\x00"])
def test_a_key_that_no_call_can_carry_is_refused_when_the_connection_is_made(
    extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidKeyError, match="the connection's key holds no API key"):
        Connection(key=KEY + extra)
    if "\x00" in extra:
        return
    monkeypatch.setenv("SCHOOLBELL_KEY", KEY + extra)
    with pytest.raises(InvalidKeyError, match="SCHOOLBELL_KEY holds no API key"):
        Connection.from_environment()
    assert Connection.from_environment(key=KEY).key == KEY
    ended = CliRunner().invoke(main, ["status"])
    assert ended.output.startswith("Error: SCHOOLBELL_KEY holds no API key")


@pytest.mark.parametrize(
    "target",
    [
        "localhost",
        "localhost:7443",
        "LOCALHOST.:7443",
        "api.localhost:1",
        "127.0.0.1:7443",
        "127.9.9.9",
        "[::1]:7443",
        "::1",
        "[::ffff:127.0.0.1]:7443",
        "dns:localhost:7443",
        "dns:///localhost:7443",
        "dns://8.8.8.8/127.0.0.1:1",
        "ipv4:127.0.0.1:1,127.0.0.2:2",
        "ipv6:[::1]:1",
        "ipv6:%5B::1%5D:1",
        "unix:/run/schoolbell.sock",
    ],
)
def test_a_loopback_target_is_known(target: str) -> None:
    assert is_loopback(target)


@pytest.mark.parametrize(
    "target",
    [
        "schoolbell.example:443",
        "localhost.example:443",
        "notlocalhost",
        "10.0.0.1:7443",
        "[2001:db8::1]:7443",
        "dns:///schoolbell.example:443",
        "ipv4:127.0.0.1:1,10.0.0.1:2",
        "",
    ],
)
def test_any_other_target_is_not(target: str) -> None:
    assert not is_loopback(target)


@pytest.mark.parametrize("name", ["http_proxy", "https_proxy", "grpc_proxy"])
def test_no_proxy_stands_before_a_loopback_target(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed, ThreadPoolExecutor(1) as pool:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed.getsockname()[1]}")
        server = grpc.server(pool)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            connection = Connection(target=f"127.0.0.1:{port}", plaintext=True)
            with Client(connection) as client, pytest.raises(SchoolbellError) as caught:
                client.status.GetStatus(GetStatusRequest())
            assert caught.value.code == grpc.StatusCode.UNIMPLEMENTED, "the server was reached"
        finally:
            server.stop(None).wait()


def test_an_authority_without_end_is_read_no_further_than_any() -> None:
    with pytest.raises(BadConnection, match="holds no certificate"):
        read_authority(Path("/dev/zero"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    made = LocalAuthority(folder=tmp_path_factory.mktemp("tls"))
    made.ensure(dt.datetime.now(dt.UTC))
    return made.ca_file.read_bytes()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda pem: pem[:200],
    "without an end": lambda pem: pem.replace(b"END", b"FIN"),
    "empty": lambda pem: b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    "something else inside": lambda pem: pem.replace(pem[40:80], b"A" * 40),
    "a damaged one before": lambda pem: pem[:200] + b"\n-----END CERTIFICATE-----\n" + pem,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_authority_is_refused_and_not_tried_for_ever(
    tmp_path: Path, authority: bytes, damage: str
) -> None:
    spoiled = DAMAGES[damage](authority)
    file = tmp_path / "ca.pem"
    file.write_bytes(spoiled)
    for attempt in (lambda: read_authority(file), lambda: Connection(ca=spoiled)):
        with pytest.raises(BadConnection, match="a certificate that is damaged"):
            attempt()
    with pytest.raises(BadConnection, match="the client's certificate"):
        Connection(client_certificate=(b"-----BEGIN PRIVATE KEY-----", spoiled))


@pytest.mark.parametrize(
    "write",
    [
        lambda pem: codecs.BOM_UTF8 + pem,
        lambda pem: pem.replace(b"\n", b"\r\n"),
        lambda pem: "# Behörde\n".encode() + pem,
        lambda pem: pem + pem,
        lambda pem: pem.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"),
    ],
)
def test_a_sound_authority_is_taken_however_it_is_written(
    tmp_path: Path, authority: bytes, write: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(write(authority))
    assert not read_authority(file).startswith(codecs.BOM_UTF8)
    assert Connection(ca=read_authority(file)).ca


@pytest.mark.parametrize(
    "key", [b"", b"key", b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED"]
)
def test_a_private_key_that_cannot_be_used_is_refused(authority: bytes, key: bytes) -> None:
    with pytest.raises(BadConnection, match="private key"):
        Connection(client_certificate=(key, authority))
