"""The sandbox on disk and as a command: the same keys and ports after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner
from pyreqwest.client import SyncClientBuilder

from schoolbell_sandbox.command import read_faults, sandbox_command
from schoolbell_sandbox.effect import Closing
from schoolbell_sandbox.server import Sandbox, SandboxSettings
from tests.service.sandbox.wire import (
    ALERT,
    TOKEN,
    Wire,
    apns_headers,
    client_context,
    push,
    sandbox,
    to_apns,
)


async def test_a_restart_keeps_keys_and_ports(tmp_path: Path) -> None:
    settings = SandboxSettings(directory=tmp_path)
    async with Sandbox(settings) as first:
        facts, account = first.facts, first.service_account
        context = client_context(first)
    async with Sandbox(settings) as second, Wire(second.apns_port, context) as wire:
        assert (second.facts, second.service_account) == (facts, account)
        await wire.until(lambda: bool(wire.settings))
    assert json.loads((tmp_path / "sandbox.json").read_text()) == facts
    assert json.loads((tmp_path / "service-account.json").read_text()) == account


async def test_credentials_are_written_where_asked_and_secrets_stay_secret(tmp_path: Path) -> None:
    async with sandbox() as box:
        box.write_credentials(tmp_path / "keys")
        assert (tmp_path / "keys" / "ca.pem").read_bytes() == box.ca_pem
        for name in ("apns.p8", "service-account.json", "ca-key.pem"):
            assert stat.S_IMODE((tmp_path / "keys" / name).stat().st_mode) == 0o600


async def test_a_port_that_is_taken_leaves_nothing_listening() -> None:
    async with sandbox() as box:
        taken = SandboxSettings(credentials=box.credentials, control_port=box.control_port)
        failing = Sandbox(taken)
        with pytest.raises(OSError, match="address already in use"):
            async with failing:
                pass
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", failing.apns_port), timeout=5)


def test_the_command_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text('[[faults]]\nendpoint = "apns"\nfirst = 2\n[faults.effect]\nstatus = 503\n')
    program = "from schoolbell_sandbox.command import sandbox_command as c; c()"
    keys = tmp_path / "keys"
    options = ["--dir", str(keys), "--phones", "--faults", str(faults)]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *options], stdout=subprocess.PIPE, text=True
    )
    with process, contextlib.ExitStack() as stack:
        stack.callback(process.kill)  # a failing test must not wait for it
        assert process.stdout is not None
        seen = ""
        for line in process.stdout:
            seen += line
            if line.startswith("fcm_project_id"):
                break
        facts = json.loads((keys / "sandbox.json").read_text())
        assert f"apns_port = {facts['apns_port']}" in seen
        assert push_twice(keys, facts) == [200, 503]
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "New grade" in rest and "iPhone …abab" in rest
    assert "1 accepted, 0 of them duplicates." in rest


def push_twice(keys: Path, facts: dict[str, str]) -> list[int]:
    """Push from outside, with nothing but what lies in the directory."""
    claims = {"iss": facts["apns_team_id"], "iat": int(time.time())}
    key = (keys / "apns.p8").read_text()
    token = jwt.encode(claims, key, "ES256", headers={"kid": facts["apns_key_id"]})
    headers = apns_headers(authorization=f"bearer {token}", apns_id=None)
    url = f"https://localhost:{facts['apns_port']}/3/device/{TOKEN}"
    builder = SyncClientBuilder().http2_prior_knowledge()
    with builder.add_root_certificate_pem((keys / "ca.pem").read_bytes()).build() as client:
        requests = [client.post(url).headers(headers).body_bytes(ALERT) for _ in range(2)]
        return [request.build().send().status for request in requests]


def test_a_faults_file_may_hold_everything(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(
        """
        [[faults]]
        topic = "org.example"
        probability = 0.5
        times = 3
        [faults.effect]
        close = "abort"
        delay = 2
        goaway = { last_stream = "below", reason = "Shutdown" }
        headers = { retry-after = "7" }
        settings = [{ values = { MAX_CONCURRENT_STREAMS = 0 }, after = 1.5 }]
        """
    )
    (fault,) = read_faults(file)
    assert (fault.topic, fault.probability, fault.times) == ("org.example", 0.5, 3)
    assert fault.effect.close is Closing.ABORT
    assert fault.effect.goaway is not None and fault.effect.goaway.reason == "Shutdown"
    assert fault.effect.settings[0].values == {"MAX_CONCURRENT_STREAMS": 0}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"[[faults]]\nodd = 1", "faults: unknown field 'odd'"),
        (b"[[faults", "Expected"),
        (b"[[fault]]\n", "unknown field 'fault'"),
        (b"faults = 3", "faults: 3 has the wrong type"),
        (b'[[faults]]\nendpoint = "apns"', "faults.effect: is required"),
        (b"\xff", "utf-8"),
    ],
)
def test_a_wrong_faults_file_is_explained(tmp_path: Path, text: bytes, words: str) -> None:
    file = tmp_path / "faults.toml"
    file.write_bytes(text)
    result = CliRunner().invoke(sandbox_command, ["--faults", str(file)])
    assert result.exit_code == 2
    assert words in result.output


async def test_the_command_says_in_a_line_why_it_cannot_start(tmp_path: Path) -> None:
    (tmp_path / "sandbox.json").write_text("{")
    async with sandbox() as box:
        for options, words in (
            (["--apns-port", str(box.apns_port)], "address already in use"),
            (["--dir", str(tmp_path)], "empty it"),
            (["--fcm-port", "70000"], "65535"),
        ):
            program = "from schoolbell_sandbox.command import sandbox_command as c; c()"
            command = [sys.executable, "-c", program, *options]
            ended = await asyncio.to_thread(
                subprocess.run, command, capture_output=True, text=True, timeout=60
            )
            assert ended.returncode in (1, 2)
            assert words in ended.stderr.splitlines()[-1]


async def test_many_pushes_on_one_connection_leave_nothing_behind() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        for _ in range(300):
            assert (await push(wire)).status == 200
        assert box.ledger.totals().accepted == 300
        assert len(box.apns_listener.connections) == 1
    assert not box.apns_listener.connections
