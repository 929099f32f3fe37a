"""The RabbitMQ that tests and the demonstration run: killed, started again, and missed clearly."""

from __future__ import annotations

import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from schoolbell_server.demo.rabbitmq import program
from schoolbell_server.demo.rabbitmq.broker import Broker, running_broker
from schoolbell_server.demo.rabbitmq.program import RabbitMQMissing, find_program

_STARTER = """
import pathlib, sys
from schoolbell_server.demo.rabbitmq.broker import Broker
Broker(pathlib.Path(sys.argv[1])).start()
print("started", flush=True)
sys.stdin.read()
"""


def _call(broker: Broker, method: str, path: str) -> bytes:
    """Call the management API as the administrator, over verified TLS."""
    passwords = urllib.request.HTTPPasswordMgrWithPriorAuth()
    passwords.add_password(
        None, broker.management_url, broker.administrator, broker.password, is_authenticated=True
    )
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(broker.ca_file))),
        urllib.request.HTTPBasicAuthHandler(passwords),
    )
    request = urllib.request.Request(f"{broker.management_url}/api/{path}", method=method)
    with opener.open(request, timeout=30) as answer:
        content: bytes = answer.read()
        return content


def test_a_killed_broker_starts_again_on_its_data_and_leaves_no_process(tmp_path: Path) -> None:
    me = psutil.Process()
    before = set(me.children(recursive=True))
    with running_broker(tmp_path / "broker") as broker:
        _call(broker, "PUT", "vhosts/kept")
        started = set(me.children(recursive=True)) - before
        broker.kill()
        with pytest.raises(urllib.error.URLError):
            _call(broker, "GET", "vhosts/kept")
        broker.start()
        assert b'"kept"' in _call(broker, "GET", "vhosts/kept")
        started |= set(me.children(recursive=True)) - before
    assert len(started) >= 4, "two lives, each of RabbitMQ and of epmd"
    _, alive = psutil.wait_procs(started, timeout=60)
    assert all(process.status() == psutil.STATUS_ZOMBIE for process in alive), alive


def test_a_broker_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", _STARTER, str(tmp_path / "broker")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"started\n"
        started = psutil.Process(starter.pid).children(recursive=True)
        starter.kill()
    assert len(started) >= 3, "RabbitMQ, epmd and who guards them"
    _, alive = psutil.wait_procs(started, timeout=60)
    assert all(process.status() == psutil.STATUS_ZOMBIE for process in alive), alive


def test_a_machine_without_rabbitmq_and_apt_is_told_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(program, "CACHE", tmp_path / "cache")
    with pytest.raises(RabbitMQMissing, match=r"rabbitmq-server is not on the path.*install"):
        find_program()


def test_what_apt_says_stands_in_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tool in ("apt-get", "dpkg"):
        command = tmp_path / tool
        command.write_text("#!/bin/sh\necho 'E: no network here'\nexit 100\n", encoding="ascii")
        command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(program, "CACHE", tmp_path / "cache")
    with pytest.raises(RabbitMQMissing, match="no network here"):
        find_program()
