"""Ids of deliveries: UUIDs in the order of time."""

from __future__ import annotations

import time
import uuid

from schoolbell_server.acceptance.transaction import new_delivery_id


def test_delivery_ids_are_uuids_of_version_7() -> None:
    names = {new_delivery_id() for _ in range(1000)}
    assert len(names) == 1000
    for name in names:
        parsed = uuid.UUID(name)
        assert (parsed.version, parsed.variant, str(parsed)) == (7, uuid.RFC_4122, name)


def test_delivery_ids_begin_with_the_time() -> None:
    before = time.time_ns() // 1_000_000
    milliseconds = uuid.UUID(new_delivery_id()).int >> 80
    assert before <= milliseconds <= time.time_ns() // 1_000_000
