"""Changes that are told, and the question what became of them."""

from __future__ import annotations

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import delivery_pb2
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.change_service_pb2 import ExplainChangeRequest, ExplainChangeResponse
from tests.service.following import following
from tests.service.scene import SOURCE, publish
from tests.service.whole import DISTRICT, Whole


async def explain(service: Whole, request: ExplainChangeRequest) -> ExplainChangeResponse:
    """Ask as an administrator who may."""
    request.district_id = DISTRICT
    async with service.client(access.ROLE_ADMINISTRATOR) as administrator:
        return await administrator.changes.ExplainChange(request)


def about(change_id: str, **narrowed: str) -> ExplainChangeRequest:
    """Return the question about an accepted change."""
    request = ExplainChangeRequest(**narrowed)  # type: ignore[arg-type]
    request.change_key.source, request.change_key.change_id = SOURCE, change_id
    return request


async def told(service: Whole, *changes: Change, deliveries: int) -> None:
    """Publish changes and wait until so many deliveries have been accepted by a provider."""
    async with following(service) as followed:
        await publish(service, *changes)
        await followed.until_states(*[delivery_pb2.DELIVERY_STATE_ACCEPTED] * deliveries)
