"""RabbitMQ's program: the machine's own, else Debian's packages unpacked into a private folder."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(sys.prefix) / "rabbitmq"
"""In the virtual environment, so that no checkout holds it and `make clean` keeps it."""
_PACKAGES = (
    "erlang-asn1",
    "erlang-base",
    "erlang-crypto",
    "erlang-eldap",
    "erlang-inets",
    "erlang-mnesia",
    "erlang-os-mon",
    "erlang-parsetools",
    "erlang-public-key",
    "erlang-runtime-tools",
    "erlang-snmp",
    "erlang-ssl",
    "erlang-syntax-tools",
    "erlang-tools",
    "erlang-xmerl",
    "rabbitmq-server",
)
"""What the packages of the distribution need beside these is about logs, mail and other plugins."""
_FETCH_TIMEOUT = 300.0  # seconds
_LAST_WORDS = 1000  # characters
_WRAPPER = "rabbitmq-script-wrapper"
"""Debian's command on the path changes to a user of its own; the true program does not."""
_ERL = """\
#!/bin/sh
# Debian's own names the folder that its packages are installed into.
ROOTDIR='{root}'
BINDIR='{root}/{runtime}/bin'
EMU=beam
PROGNAME=erl
export ROOTDIR BINDIR EMU PROGNAME
exec "$BINDIR/erlexec" "$@"
"""


class RabbitMQMissing(Exception):
    """There is no RabbitMQ, and none could be fetched; the text says what was tried."""


@dataclass(frozen=True, slots=True)
class Program:
    """The commands that start RabbitMQ."""

    server: Path
    """The script `rabbitmq-server`."""
    epmd: Path
    """Erlang's port mapper daemon."""
    environment: Mapping[str, str]
    """What the scripts need beside what everything has."""


def find_program() -> Program:
    """Return the machine's own RabbitMQ, else the fetched one; RabbitMQMissing if there is neither.

    The first call on a machine without one fetches 35 MB; later ones find them in `CACHE`.
    """
    try:
        return _installed() or _fetched()
    except OSError as error:
        raise RabbitMQMissing(_unfetched(str(error))) from None


def _installed() -> Program | None:
    server, epmd = shutil.which("rabbitmq-server"), shutil.which("epmd")
    if not server or not epmd:
        return None
    path = Path(server).resolve()
    if path.name == _WRAPPER:
        path = (path.parent / "rabbitmq-server").resolve()
    return Program(path, Path(epmd), {}) if path.exists() else None


def _fetched() -> Program:
    CACHE.mkdir(parents=True, exist_ok=True)
    with _alone():
        if not (CACHE / "root").exists():
            _fetch()
    root = (CACHE / "root").resolve()
    erlang = root / "usr" / "lib" / "erlang"
    path = f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return Program(
        server=_only(root, "usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"),
        epmd=_only(erlang, "erts-*/bin/epmd"),
        environment={"PATH": path},
    )


@contextmanager
def _alone() -> Iterator[None]:
    """Let one process at a time look at the cache and fill it."""
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch() -> None:
    for tool in ("apt-get", "dpkg"):
        if not shutil.which(tool):
            raise RabbitMQMissing(
                "rabbitmq-server is not on the path, and without apt-get and dpkg it cannot be"
                " fetched: install RabbitMQ 3.10 or newer"
            )
    with tempfile.TemporaryDirectory(dir=CACHE) as made:
        folder = Path(made)
        _download(folder)
        for package in sorted(folder.glob("*.deb")):
            _run(["dpkg", "-x", str(package), str(folder / "root")], folder)
        _write_erl(folder / "root", CACHE / "root")
        (folder / "root").rename(CACHE / "root")


def _download(folder: Path) -> None:
    """Fetch the packages, at need after lists of one's own: a fresh machine has none."""
    try:
        _run(["apt-get", "-q", "download", *_PACKAGES], folder)
    except RabbitMQMissing:
        (folder / "lists" / "partial").mkdir(parents=True)
        options = [f"-oDir::State::Lists={folder / 'lists'}", f"-oDir::Cache={folder}"]
        _run(["apt-get", "-q", *options, "update"], folder)
        _run(["apt-get", "-q", *options, "download", *_PACKAGES], folder)


def _run(command: list[str], folder: Path) -> None:
    """Run a command in a folder; RabbitMQMissing with its last words if it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_FETCH_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RabbitMQMissing(_unfetched(f"{command[0]} took too long")) from None
    if done.returncode:
        said = done.stdout.decode(errors="replace").strip()[-_LAST_WORDS:]
        raise RabbitMQMissing(_unfetched(f"{command[0]} failed:\n{said}"))


def _unfetched(why: str) -> str:
    return (
        f"rabbitmq-server is not on the path, and its Debian packages could not be fetched: {why}"
    )


def _write_erl(root: Path, installed: Path) -> None:
    """Write the `erl` that runs from where the packages will be."""
    erlang = root / "usr" / "lib" / "erlang"
    runtime = _only(erlang, "erts-*").name
    erl = root / "bin" / "erl"
    erl.parent.mkdir()
    final = installed / "usr" / "lib" / "erlang"
    erl.write_text(_ERL.format(root=final, runtime=runtime), encoding="utf-8")
    erl.chmod(erl.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def _only(folder: Path, pattern: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise RabbitMQMissing(f"{folder}: {len(found)} files match {pattern}, not one")
    return found[0]
