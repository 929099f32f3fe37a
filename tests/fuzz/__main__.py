"""Fuzz all RPCs on both databases: `make fuzz`.

SEED= repeats a run as far as the answers are the same; LONG=1 sends 100,000 requests a database,
REQUESTS= any other number, DATABASE= picks one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.fuzz.run import Findings, fuzz
from tests.storage.engines import POSTGRESQL, SQLITE

_REQUESTS, _LONG = 25_000, 100_000


def main() -> int:
    """Run; return the exit code of the program."""
    logging.basicConfig(level=logging.ERROR)
    # gRPC's client leaves tasks of the streams that are cut here.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    seed = int(os.environ.get("SEED") or secrets.randbelow(10**9))
    usual = _LONG if os.environ.get("LONG") else _REQUESTS
    requests = int(os.environ.get("REQUESTS") or usual)
    chosen = os.environ.get("DATABASE")
    faults = 0
    for database in [chosen] if chosen else [SQLITE, POSTGRESQL]:
        print(f"== {database}: {requests} requests, SEED={seed}", flush=True)
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="schoolbell-fuzz-") as folder:
            findings = asyncio.run(fuzz(database, Path(folder), requests=requests, seed=seed))
        _report(findings, time.monotonic() - start)
        faults += len(findings.faults)
    return 1 if faults else 0


def _report(findings: Findings, seconds: float) -> None:
    by_method: dict[str, list[str]] = defaultdict(list)
    for (method, code), count in sorted(findings.counts.items()):
        by_method[method].append(f"{code} {count}")
    for method, codes in by_method.items():
        print(f"{method.removeprefix('/schoolbell.v1.'):45} {', '.join(codes)}")
    print("answered OK:", ", ".join(f"{name} {n}" for name, n in sorted(findings.reached.items())))
    print(f"{sum(findings.counts.values())} calls in {seconds:.0f} s")
    for fault in findings.faults:
        print(f"FAULT {fault}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
