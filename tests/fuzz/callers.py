"""Who calls: every role, administrators with single rights, and keys of another district.

The keys must outlive the run. `is_spared` tells which requests would end one of them, or the
district itself: those are not sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from schoolbell import AsyncClient
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import district_service_pb2
from schoolbell_server.security.api_key import split_credential
from tests.fuzz.pool import FOREIGN
from tests.service.scene import SOURCE
from tests.service.whole import DISTRICT, TOPICS, Whole

NOBODY, FORGER = "nobody", "forger"
_OWN = "caller-"
_PERSONS = (_OWN, "principal")
"""How the ids of the persons behind the keys begin."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A credential and what it is called in the report."""

    name: str
    key: str
    role: int = 0
    """Its number; 0 for who has none."""
    district_id: str = ""
    """The only district that it may name; empty is any."""

    @property
    def key_id(self) -> str:
        """Return the id of its key, if it has one."""
        parts = split_credential(self.key)
        return parts[0] if parts else ""

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the headers of its calls."""
        return (("authorization", f"Bearer {self.key}"),) if self.key else ()


async def make_callers(service: Whole) -> list[Caller]:
    """Return all callers; the district is there, the other one is made."""
    operator = service.key(access.ROLE_OPERATOR)
    found = [
        Caller("operator", operator, access.ROLE_OPERATOR),
        Caller(NOBODY, ""),
        Caller(FORGER, operator[:-3] + "xyz"),
        *(
            Caller(f"scene:{access.Role.Name(role)[5:].lower()}", service.key(role), role, DISTRICT)
            for role in access.Role.values()[1:5]
        ),
    ]
    async with service.client() as client:
        await client.districts.CreateDistrict(
            district_service_pb2.CreateDistrictRequest(
                district_id=FOREIGN,
                district=district_service_pb2.District(
                    display_name="Oak County", time_zone="UTC", app_ids=list(TOPICS)
                ),
            )
        )
        for district_id in (DISTRICT, FOREIGN):
            found += [await _key(client, district_id, role) for role in access.Role.values()[1:4]]
            found += await _administrators(client, district_id)
        found.append(await _key(client, DISTRICT, access.ROLE_PUBLISHER, sources=[SOURCE]))
    return found


async def _administrators(client: AsyncClient, district_id: str) -> list[Caller]:
    """Return an administrator with all rights, and one for each single right."""
    tools = access.Tool.values()[1:]
    grants = {"all": [(tool, access.RIGHT_WRITE) for tool in tools]}
    if district_id == DISTRICT:
        for tool in tools:
            for right in access.Right.values()[1:]:
                name = f"{access.Tool.Name(tool)[5:]}-{access.Right.Name(right)[6:]}".lower()
                grants[name] = [(tool, right)]
    found = []
    for name, rights in grants.items():
        user_id = f"{_OWN}{name}"
        await client.access.GrantRights(
            access.GrantRightsRequest(
                district_id=district_id,
                rights=[
                    access.ToolRight(
                        grantee_type=access.GRANTEE_TYPE_USER,
                        grantee_id=user_id,
                        tool=tool,
                        right=right,
                    )
                    for tool, right in rights
                ],
            )
        )
        found.append(await _key(client, district_id, access.ROLE_ADMINISTRATOR, user_id=user_id))
    return found


async def _key(
    client: AsyncClient, district_id: str, role: access.Role.ValueType, **fields: Any
) -> Caller:
    words = [access.Role.Name(role)[5:].lower(), fields.get("user_id", "").removeprefix(_OWN)]
    words += [*fields.get("sources", ()), "" if district_id == DISTRICT else district_id]
    name = ":".join(word for word in words if word)
    answer = await client.access.CreateApiKey(
        access.CreateApiKeyRequest(
            district_id=district_id,
            api_key=access.ApiKey(display_name=f"{_OWN}{name}", role=role, **fields),
        )
    )
    return Caller(name, answer.secret, role, district_id)


def is_spared(message: Message, callers: Sequence[Caller]) -> bool:
    """Tell whether a request would end a caller's key or right, or a district."""
    match message:
        case access.RevokeApiKeyRequest():
            return message.api_key_id in {caller.key_id for caller in callers}
        case access.RevokeRightsRequest():
            return any(right.grantee_id.startswith(_PERSONS) for right in message.rights)
        case access.ErasePersonDataRequest():
            return message.user_id.startswith(_PERSONS)
        case district_service_pb2.DeleteDistrictRequest():
            return message.district_id in (DISTRICT, FOREIGN)
    return False
