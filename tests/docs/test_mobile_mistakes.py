"""What the guide for mobile backends says of mistakes is what the service answers."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from schoolbell import AsyncClient
from schoolbell.errors import SchoolbellError
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2
from schoolbell.v1 import device_service_pb2 as devices
from schoolbell.v1 import subscription_service_pb2 as subscriptions
from schoolbell.v1.subscription_pb2 import Subscription
from tests.docs.pages import first_cells, read, section
from tests.service.scene import MOTHER, STUDENT, phone, populate
from tests.service.whole import DISTRICT, whole

TOLD = first_cells(section(read("docs/guide-mobile-backend.md"), "## When it does not work"))
WHO: dict[str, Any] = {"district_id": DISTRICT, "user_id": MOTHER}


async def test_every_mistake_is_answered_as_the_page_says(tmp_path: Path) -> None:
    said = []
    async with whole(tmp_path) as service:
        await populate(service)
        async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
            for mistake in mistakes(backend):
                with pytest.raises(SchoolbellError) as refused:
                    await mistake
                said.append(re.sub(r"^[A-Z_ ]+: ", "", str(refused.value)))
    assert said == TOLD


def mistakes(backend: AsyncClient) -> list[Awaitable[Any]]:
    """Return the calls of the page's rows, in its order."""
    bundle, login, text, firebase, system = (phone(MOTHER) for _ in range(5))
    bundle.device.app_id = "org.example.parent"
    login.user_id = "susan@example.org"
    text.address.apns.device_token = "<abcdef01 23456789>"
    firebase.address.fcm.registration_token = "x" * 150
    system.device.os_version = "iOS 17.5"
    update = subscriptions.UpdateSubscriptionsRequest
    parent: dict[str, Any] = {**WHO, "app_type": common_pb2.APP_TYPE_PARENT}
    half = Subscription(student_id=STUDENT, kind=common_pb2.KIND_GRADE)
    foreign = Subscription(student_id="s9", kind=common_pb2.KIND_GRADE, enabled=True)
    return [
        *(backend.devices.RegisterDevice(one) for one in (bundle, login, text, firebase, system)),
        backend.subscriptions.UpdateSubscriptions(update(**parent, subscriptions=[half])),
        backend.subscriptions.UpdateSubscriptions(update(**parent, subscriptions=[foreign])),
        backend.devices.GetNotification(
            devices.GetNotificationRequest(
                **WHO, delivery_id="00000000-0000-4000-8000-000000000000"
            )
        ),
    ]
