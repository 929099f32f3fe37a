"""Keys and rights as tests make and end them, in one district or another."""

from __future__ import annotations

from typing import Any

from schoolbell import AsyncClient
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import district_service_pb2
from tests.service.whole import DISTRICT, KINDS, TOPICS, Whole

READ, WRITE = access.RIGHT_READ, access.RIGHT_WRITE
SETTINGS, ACCESS = access.TOOL_PUSH_NOTIFICATIONS, access.TOOL_ACCESS
USER, GROUP = access.GRANTEE_TYPE_USER, access.GRANTEE_TYPE_GROUP


async def add_district(service: Whole, district_id: str) -> None:
    """Create another district; no key is for it but the operator's."""
    async with service.client() as operator:
        await operator.districts.CreateDistrict(
            district_service_pb2.CreateDistrictRequest(
                district_id=district_id,
                district=district_service_pb2.District(
                    display_name=district_id,
                    time_zone="UTC",
                    licensed_kinds=KINDS,
                    app_ids=list(TOPICS),
                ),
            )
        )


async def create(
    client: AsyncClient, district_id: str = DISTRICT, request_id: str = "", **fields: Any
) -> access.CreateApiKeyResponse:
    """Create a key, a monitor's unless another role is named."""
    values: dict[str, Any] = {"display_name": "a key", "role": access.ROLE_MONITOR}
    return await client.access.CreateApiKey(
        access.CreateApiKeyRequest(
            district_id=district_id,
            api_key=access.ApiKey(**(values | fields)),
            request_id=request_id,
        )
    )


async def administrator(service: Whole, user_id: str, *rights: access.ToolRight) -> str:
    """Make an administrator with these rights, and return the secret of the key."""
    async with service.client() as operator:
        if rights:
            await grant(operator, *rights)
        made = await create(operator, role=access.ROLE_ADMINISTRATOR, user_id=user_id)
    return made.secret


async def end(client: AsyncClient, key_id: str, district_id: str = DISTRICT) -> access.ApiKey:
    """Revoke a key."""
    answer = await client.access.RevokeApiKey(
        access.RevokeApiKeyRequest(district_id=district_id, api_key_id=key_id)
    )
    return answer.api_key


async def keys(
    client: AsyncClient, district_id: str = DISTRICT, *, ended: bool = False, **fields: Any
) -> list[access.ApiKey]:
    """Return the keys of a district."""
    answer = await client.access.ListApiKeys(
        access.ListApiKeysRequest(district_id=district_id, include_ended=ended, **fields)
    )
    return list(answer.api_keys)


async def entries(
    client: AsyncClient, district_id: str = DISTRICT, **filtered: Any
) -> list[access.AuditEntry]:
    """Return the newest entries of a district's audit log."""
    answer = await client.access.ListAuditEntries(
        access.ListAuditEntriesRequest(
            district_id=district_id, filter=access.AuditFilter(**filtered), page_size=1000
        )
    )
    return list(answer.audit_entries)


def right(grantee_id: str, tool: Any, granted: Any, kind: Any = USER) -> access.ToolRight:
    """Return a right of a person, or of a group."""
    return access.ToolRight(grantee_type=kind, grantee_id=grantee_id, tool=tool, right=granted)


async def grant(
    client: AsyncClient, *rights: access.ToolRight, district_id: str = DISTRICT
) -> list[access.ToolRight]:
    """Grant rights, and return what the grantees have then."""
    request = access.GrantRightsRequest(district_id=district_id, rights=rights)
    return list((await client.access.GrantRights(request)).rights)


async def revoke(
    client: AsyncClient, *rights: access.ToolRight, district_id: str = DISTRICT
) -> list[access.ToolRight]:
    """Revoke rights, and return what the grantees have then."""
    request = access.RevokeRightsRequest(district_id=district_id, rights=rights)
    return list((await client.access.RevokeRights(request)).rights)
