"""The record of a decision: one compact blob a change, with every gate, reason and value.

Layout: a version byte, then zlib over compact JSON. Refusals that repeat are written once and
referred to by number.
"""

from __future__ import annotations

import datetime as dt
import json
import zlib
from dataclasses import dataclass
from typing import Any

from schoolbell_server.domain.decision import (
    Decision,
    DeviceDecision,
    RecipientDecision,
    Refusal,
)
from schoolbell_server.domain.fact_state import Told, decode_told, encode_told
from schoolbell_server.domain.kinds import App, Gate, RefusalReason

_VERSION = 1
_LEVEL = 1  # the blobs are short: speed counts more than the last bytes
_NOBODY = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """A decision as it was made, with the version of the facts that it saw."""

    decision: Decision
    facts_version: int
    decide_time: dt.datetime


def encode_record(record: DecisionRecord) -> bytes:
    """Return the record as a blob."""
    table = _Table()
    decision = record.decision
    document = [
        record.facts_version,
        record.decide_time.astimezone(dt.UTC).isoformat(),
        table.number(decision.refusal),
        [[app, table.number(refusal)] for app, refusal in decision.app_refusals],
        [
            [
                one.user_id,
                one.app,
                table.number(one.refusal),
                [_device(device, table) for device in one.devices],
            ]
            for one in decision.recipients
        ],
        table.rows,
    ]
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return bytes([_VERSION]) + zlib.compress(text.encode(), _LEVEL)


def decode_record(blob: bytes) -> DecisionRecord:
    """Return the record that `encode_record` wrote; ValueError if it is of another version."""
    if blob[:1] != bytes([_VERSION]):
        raise ValueError("a decision record of an unknown version")
    version, decided, refusal, apps, recipients, rows = json.loads(zlib.decompress(blob[1:]))
    refusals = [Refusal(Gate(gate), RefusalReason(why), value) for gate, why, value in rows]

    def at(number: int) -> Refusal | None:
        return None if number == _NOBODY else refusals[number]

    return DecisionRecord(
        facts_version=version,
        decide_time=dt.datetime.fromisoformat(decided),
        decision=Decision(
            refusal=at(refusal),
            app_refusals=tuple((App(app), refusals[number]) for app, number in apps),
            recipients=tuple(
                RecipientDecision(
                    user_id=user_id,
                    app=App(app),
                    refusal=at(number),
                    devices=tuple(
                        DeviceDecision(
                            device_id=device_id,
                            refusal=at(cause),
                            previous=decode_told(previous).previous,
                            correction=bool(correction),
                        )
                        for device_id, cause, previous, correction in devices
                    ),
                )
                for user_id, app, number, devices in recipients
            ),
        ),
    )


class _Table:
    """Numbers the refusals of a record."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []
        self._numbers: dict[Refusal, int] = {}

    def number(self, refusal: Refusal | None) -> int:
        if refusal is None:
            return _NOBODY
        if refusal not in self._numbers:
            self._numbers[refusal] = len(self.rows)
            self.rows.append([refusal.gate, refusal.reason, refusal.value])
        return self._numbers[refusal]


def _device(device: DeviceDecision, table: _Table) -> list[Any]:
    return [
        device.device_id,
        table.number(device.refusal),
        encode_told(Told(device.previous, None)),
        int(device.correction),
    ]
