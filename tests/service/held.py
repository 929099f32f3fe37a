"""How long grades wait and live: a hold of an hour keeps every grade from leaving."""

from __future__ import annotations

from typing import Any

from google.protobuf.duration_pb2 import Duration

from schoolbell.v1 import common_pb2, settings_service_pb2
from tests.service.whole import Whole


async def grade_settings(service: Whole, **fields: Any) -> None:
    """Save what the district wants of grades."""
    kind = settings_service_pb2.KindSettings(kind=common_pb2.KIND_GRADE, **fields)
    await service.configure(kind_settings=[kind])


async def hold_grades(service: Whole) -> None:
    """Let grades wait for an hour."""
    await grade_settings(service, hold=Duration(seconds=3600))
