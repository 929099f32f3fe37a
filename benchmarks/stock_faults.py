"""The same faults for our senders and for stock aioapns and pyfcm; not part of the tests.

Run with `python -m benchmarks.stock_faults`. Each fault strikes a few pushes of a sandbox; a
sender passes if every push is answered within the time, none arrives twice, no good token is
called dead, and what the fault did not strike is accepted. The stock libraries run as they are:
only the address and the certificate's authority are ours.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.stock_senders import ACCEPTED, DEAD, ERROR, SENDERS, Send, Sender
from benchmarks.stock_trials import APNS, FCM, PATIENCE, Trial
from schoolbell_server.domain.kinds import Platform
from tests.faults.sending import Sending, sending

DEADLINE = 10.0


async def _attempt(sender: Sender, trial: Trial, platform: Platform) -> str:
    """Return what a sender did wrong, or `ok`."""
    deadline = trial.patience - PATIENCE + DEADLINE
    with tempfile.TemporaryDirectory() as folder:
        async with (
            sending(platform, Path(folder), deadline=deadline, **trial.settings) as it,
            sender.open(it) as send,
        ):
            if trial.warm:
                await asyncio.wait(send(it.pushes(1)), timeout=PATIENCE)
            prepared = trial.prepare(it)
            if prepared is not None:
                await prepared
            return await _judge(it, trial, send)


async def _judge(it: Sending, trial: Trial, send: Send) -> str:
    said: list[str] = []
    hanging = 0
    pushes = it.pushes(trial.pushes)
    while pushes and not hanging:
        tasks = send(pushes[: trial.at_once])
        pushes = pushes[trial.at_once :]
        if trial.impatient:
            await asyncio.wait(tasks[:1], timeout=0.5)
            tasks.pop(0).cancel()
        done, pending = await asyncio.wait(tasks, timeout=trial.patience)
        for task in pending:
            task.cancel()
        said += [task.result() if task.exception() is None else ERROR for task in done]
        hanging = len(pending)
    return _verdict(it, trial, said, hanging)


def _verdict(it: Sending, trial: Trial, said: Sequence[str], hanging: int) -> str:
    faults = []
    if hanging:
        faults.append(f"{hanging} hang")
    if said.count(ACCEPTED) < trial.accepted and not hanging:
        faults.append(f"{trial.accepted - said.count(ACCEPTED)} that nothing struck fail")
    if twice := it.box.ledger.totals().duplicates:
        faults.append(f"{twice} arrive again")
    if said.count(DEAD) and not trial.dead:
        faults.append(f"{said.count(DEAD)} good tokens are called dead")
    return ", ".join(faults) or "ok"


async def _table(platform: Platform, trials: Sequence[Trial]) -> None:
    senders = [sender for sender in SENDERS if sender.platform is platform]
    print(f"\n| {platform.name} | " + " | ".join(one.name for one in senders) + " |")
    print("| --- " * (len(senders) + 1) + "|")
    failed = dict.fromkeys((one.name for one in senders), 0)
    for trial in trials:
        found = []
        for sender in senders:
            found.append(await _attempt(sender, trial, platform))
            failed[sender.name] += found[-1] != "ok"
        print(f"| {trial.name} | " + " | ".join(found) + " |", flush=True)
    counts = " | ".join(f"{failed[one.name]} of {len(trials)}" for one in senders)
    print(f"| **failed** | {counts} |", flush=True)


def main() -> None:
    """Print both tables."""
    asyncio.run(_run())
    sys.stdout.flush()
    os._exit(0)  # threads of pyfcm's are blocked still


async def _run() -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    await _table(Platform.IOS, APNS)
    await _table(Platform.ANDROID, FCM)


if __name__ == "__main__":
    main()
