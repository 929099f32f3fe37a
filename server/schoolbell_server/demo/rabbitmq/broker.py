"""A RabbitMQ that runs as processes of its own, on private ports with a private data folder."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from schoolbell_sandbox.certificates import Authority
from schoolbell_server.config.topology import MAX_MESSAGE_BYTES
from schoolbell_server.demo.ports import free_ports
from schoolbell_server.demo.rabbitmq.program import Program, find_program

ADMINISTRATOR = "administrator"
_START_TIMEOUT = 120.0  # seconds; a start takes some 6 s where a processor is free
_STOP_TIMEOUT = 60.0  # seconds
_LOOK_AGAIN = 1.0  # seconds between two looks at whether a starting process lives
_LAST_WORDS = 2000  # characters of a log
_READY = b"READY=1"
_MECHANISMS = ("PLAIN", "EXTERNAL")
_BOUNDS = (f"max_message_size = {MAX_MESSAGE_BYTES}", "channel_max = 64", "heartbeat = 30")
_PLUGINS = "[rabbitmq_management,rabbitmq_auth_mechanism_ssl]."


class BrokerEnded(Exception):
    """RabbitMQ ended, or hung, before it was ready; the text is what it said last."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of a broker, which stay the same over all its starts."""

    amqps: int
    amqp: int
    """AMQP without TLS; on the loopback interface only."""
    management: int
    """The management API, over HTTPS."""
    distribution: int
    epmd: int


class Broker:
    """A RabbitMQ in a folder; it may be killed and started again on the same data."""

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Prepare a broker that listens for AMQPS on an address of this machine, and on any port.

        Its certificate is for `localhost` and the loopback addresses.
        """
        self.folder = folder
        self.host = host
        amqps, *others = free_ports(5)
        self.ports = Ports(port or amqps, *others)
        self.administrator = ADMINISTRATOR
        self.password = secrets.token_urlsafe(24)
        """Of the administrator."""
        self.authority = Authority.create()
        """Signs the broker's certificate, and clients'."""
        self._program: Program | None = None
        self._processes: list[subprocess.Popen[bytes]] = []
        self._guardian: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return the process of RabbitMQ's present life."""
        return self._processes[-1].pid

    @property
    def ca_file(self) -> Path:
        """Return the certificate of the authority that signed the broker's."""
        return self.folder / "ca.pem"

    @property
    def management_url(self) -> str:
        """Return the address of the management API, which the authority's certificate verifies."""
        return f"https://localhost:{self.ports.management}"

    @property
    def log(self) -> Path:
        """Return the file that RabbitMQ logs to."""
        return self.folder / "log" / "rabbit.log"

    def start(self) -> None:
        """Start RabbitMQ, the first time or again; return once it takes connections.

        Raises RabbitMQMissing where there is none, BrokerEnded where it does not start.
        """
        if self._program is None:
            self._program = find_program()
            self._write()
        with tempfile.TemporaryDirectory(prefix="schoolbell-") as short, _Readiness(short) as ready:
            environment = self._environment(self._program, ready.path)
            epmd = [str(self._program.epmd), "-address", "127.0.0.1", "-port", str(self.ports.epmd)]
            self._begin(epmd, environment, "epmd.out")
            server = self._begin([str(self._program.server)], environment, "server.out")
            self._guard()
            if not ready.wait(server, _START_TIMEOUT):
                self.kill()
                raise BrokerEnded(self._last_words())

    def control(self, *arguments: str) -> None:
        """Run a command of RabbitMQ's `rabbitmqctl` on it; CalledProcessError where it fails."""
        if self._program is None:
            raise BrokerEnded("it was never started")
        environment = self._environment(self._program, "")
        command = [str(self._program.server.with_name("rabbitmqctl")), *arguments]
        subprocess.run(
            command, env=environment, capture_output=True, timeout=_START_TIMEOUT, check=True
        )

    def kill(self) -> None:
        """Kill all its processes with SIGKILL, at once."""
        self._dismiss()
        self._signal(signal.SIGKILL)
        for process in self._processes:
            process.wait(_STOP_TIMEOUT)
        self._processes.clear()

    def stop(self) -> None:
        """Let RabbitMQ shut down in order, as a restart of its machine would; then end the rest."""
        *_, server = self._processes
        server.terminate()
        try:
            server.wait(_STOP_TIMEOUT)
        finally:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes:
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                continue

    def _guard(self) -> None:
        """Let a process wait for the end of this one, however it ends, and then kill the rest."""
        groups = " ".join(f"-{process.pid}" for process in self._processes)
        self._guardian = subprocess.Popen(
            ["/bin/sh", "-c", f"read ended; kill -KILL {groups}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _dismiss(self) -> None:
        """End the guardian, before the numbers that it knows may be another's."""
        if (guardian := self._guardian) is not None:
            guardian.kill()
            guardian.wait(_STOP_TIMEOUT)
            if guardian.stdin is not None:
                guardian.stdin.close()
            self._guardian = None

    def _begin(
        self, command: list[str], environment: dict[str, str], output: str
    ) -> subprocess.Popen[bytes]:
        """Start a process in a group of its own, so that nothing of it outlives a kill."""
        with (self.folder / output).open("ab") as said:
            process = subprocess.Popen(
                command,
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def _write(self) -> None:
        """Write certificates and configuration."""
        self.folder.mkdir(parents=True, exist_ok=True)
        pem = self.authority.server()
        self.ca_file.write_bytes(self.authority.pem.certificate)
        (self.folder / "certificate.pem").write_bytes(pem.certificate)
        (self.folder / "key.pem").write_bytes(pem.key)
        (self.folder / "key.pem").chmod(0o600)
        (self.folder / "plugins").write_text(_PLUGINS, encoding="ascii")
        (self.folder / "rabbitmq.conf").write_text(self._configuration(), encoding="utf-8")

    def _configuration(self) -> str:
        files = [
            f"cacertfile = {self.ca_file}",
            f"certfile = {self.folder / 'certificate.pem'}",
            f"keyfile = {self.folder / 'key.pem'}",
        ]
        return "\n".join(
            [
                f"listeners.tcp.1 = 127.0.0.1:{self.ports.amqp}",
                f"listeners.ssl.1 = {self.host}:{self.ports.amqps}",
                *(f"ssl_options.{file}" for file in files),
                "ssl_options.verify = verify_peer",
                "ssl_options.fail_if_no_peer_cert = false",
                "ssl_cert_login_from = common_name",
                *(f"auth_mechanisms.{n} = {name}" for n, name in enumerate(_MECHANISMS, 1)),
                "management.ssl.ip = 127.0.0.1",
                f"management.ssl.port = {self.ports.management}",
                *(f"management.ssl.{file}" for file in files),
                f"default_user = {self.administrator}",
                f"default_pass = {self.password}",
                "disk_free_limit.absolute = 50MB",
                f"log.file = {self.log}",
                *_BOUNDS,
                "",
            ]
        )

    def _environment(self, program: Program, readiness: str) -> dict[str, str]:
        return {
            **os.environ,
            **program.environment,
            "HOME": str(self.folder),  # Erlang keeps its cookie there
            "NOTIFY_SOCKET": readiness,  # also keeps the script from staying as a parent
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.ports.epmd),
            "RABBITMQ_NODENAME": "schoolbell@localhost",
            "RABBITMQ_DIST_PORT": str(self.ports.distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(self.folder / "feature_flags"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.folder / "generated"),
        }

    def _last_words(self) -> str:
        said = [
            path.read_text(encoding="utf-8", errors="replace").strip()[-_LAST_WORDS:]
            for path in (self.folder / "server.out", self.log)
            if path.exists()
        ]
        return "RabbitMQ did not start:\n" + "\n".join(said)


@dataclass
class _Readiness:
    """The socket on which a program says that it is ready, as to systemd."""

    folder: str
    """Short: the path of a socket has 108 bytes."""
    _socket: socket.socket = field(
        default_factory=lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    )

    @property
    def path(self) -> str:
        return f"{self.folder}/ready"

    def __enter__(self) -> _Readiness:
        self._socket.bind(self.path)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def wait(self, process: subprocess.Popen[bytes], timeout: float) -> bool:
        """Return whether the process said so, within seconds and while it lived."""
        self._socket.settimeout(_LOOK_AGAIN)
        until = time.monotonic() + timeout
        while process.poll() is None and time.monotonic() < until:
            try:
                if _READY in self._socket.recv(4096):
                    return True
            except TimeoutError:
                continue
        return False


@contextmanager
def running_broker(folder: Path, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[Broker]:
    """Run a broker while the block runs."""
    broker = Broker(folder, host=host, port=port)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()
