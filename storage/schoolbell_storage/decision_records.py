"""The record of a decision: one compact blob a change, with every gate, reason and value.

Layout: a version byte, then compact JSON, of version 1 under zlib: what is short is hardly
smaller packed, and takes as long to pack as to decide. Refusals and baselines, which repeat from
device to device, are written once and referred to by number.
"""

from __future__ import annotations

import datetime as dt
import json
import zlib
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from schoolbell_server.domain import compact
from schoolbell_server.domain.decision import (
    Decision,
    DecisionRecord,
    DeviceDecision,
    RecipientDecision,
    Refusal,
)
from schoolbell_server.domain.fact import Previous, Told
from schoolbell_server.domain.kinds import AppType, Gate, RefusalReason
from schoolbell_storage.fact_documents import decode_told, encode_told

_PACKED, _PLAIN = b"\x01", b"\x02"
_NONE = -1

_LONG = 1024
"""Bytes from which a record is packed."""

Item = TypeVar("Item", bound=Hashable)


def encode_record(record: DecisionRecord) -> bytes:
    """Return the record as a blob."""
    refusals = _Table(_refusal)
    baselines = _Table(_baseline)
    decision = record.decision
    document = [
        record.facts_version,
        record.decide_time.astimezone(dt.UTC).isoformat(),
        refusals.number(decision.refusal),
        [[app, refusals.number(refusal)] for app, refusal in decision.app_refusals],
        [
            [
                one.user_id,
                one.app,
                refusals.number(one.refusal),
                [
                    [
                        device.device_id,
                        refusals.number(device.refusal),
                        baselines.number(device.previous),
                        int(device.correction),
                    ]
                    for device in one.devices
                ],
            ]
            for one in decision.recipients
        ],
        refusals.rows,
        baselines.rows,
    ]
    text = compact.encode(document).encode()
    return _PLAIN + text if len(text) < _LONG else _PACKED + zlib.compress(text, 1)


def decode_record(blob: bytes) -> DecisionRecord:
    """Return the record that `encode_record` wrote; ValueError if it is of another version."""
    if blob[:1] not in (_PACKED, _PLAIN):
        raise ValueError("a decision record of an unknown version")
    text = zlib.decompress(blob[1:]) if blob[:1] == _PACKED else blob[1:]
    version, decided, refusal, apps, recipients, *tables = json.loads(text)
    refusals = [Refusal(Gate(gate), RefusalReason(why), value) for gate, why, value in tables[0]]
    baselines = [decode_told(text).previous for text in tables[1]]

    def at(number: int) -> Refusal | None:
        return None if number == _NONE else refusals[number]

    return DecisionRecord(
        facts_version=version,
        decide_time=dt.datetime.fromisoformat(decided),
        decision=Decision(
            refusal=at(refusal),
            app_refusals=tuple((AppType(app), refusals[number]) for app, number in apps),
            recipients=tuple(
                RecipientDecision(
                    user_id=user_id,
                    app=AppType(app),
                    refusal=at(number),
                    devices=tuple(
                        DeviceDecision(
                            device_id=device_id,
                            refusal=at(cause),
                            previous=baselines[previous],
                            correction=bool(correction),
                        )
                        for device_id, cause, previous, correction in devices
                    ),
                )
                for user_id, app, number, devices in recipients
            ),
        ),
    )


class _Table(Generic[Item]):
    """Numbers what repeats in a record."""

    def __init__(self, write: Callable[[Item], Any]) -> None:
        self.rows: list[Any] = []
        self._write = write
        self._numbers: dict[Item, int] = {}

    def number(self, item: Item | None) -> int:
        """Return the item's number, the same for equal ones; nothing has one of its own."""
        if item is None:
            return _NONE
        if item not in self._numbers:
            self._numbers[item] = len(self.rows)
            self.rows.append(self._write(item))
        return self._numbers[item]


def _refusal(refusal: Refusal) -> list[Any]:
    return [refusal.gate, refusal.reason, refusal.value]


def _baseline(previous: Previous) -> str:
    return encode_told(Told(previous, None))
