"""Nobody locks the door behind the last one who could open it.

An operator can help an administrator, so an administrator's last ACCESS is kept from administrators
alone; the last operator's key is kept from everybody.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.identity.token import TokenGrant
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.security.api_key import EVERY_DISTRICT, Right, Role, Tool
from schoolbell_storage.keys import has_key
from schoolbell_storage.rights import holders, rights_of
from schoolbell_storage.turns import take_turns


async def change_in_turn(connection: AsyncConnection, district_ids: Iterable[str]) -> None:
    """Come before or after every other transaction that may take access away, not beside it."""
    for district_id in sorted(district_ids):
        await take_turns(connection, f"access/{district_id}")


async def keep_access(
    connection: AsyncConnection, district_ids: Iterable[str], now: dt.datetime, without: str = ""
) -> None:
    """Check that somebody can still hand out access, as the transaction leaves it.

    `without` is a person who is on the way out. SchoolbellError (LAST_ACCESS) if nobody is left.
    """
    for district_id in sorted(district_ids):
        if district_id == EVERY_DISTRICT:
            if not await has_key(connection, district_id, Role.OPERATOR, now):
                raise _last(
                    district_id,
                    "this is the last key of an operator for every district: create another first",
                )
        elif current_caller().role is not Role.OPERATOR:
            able = await holders(connection, district_id, Tool.ACCESS, Right.WRITE)
            able -= {without}
            if await _is_able_by_token(connection, district_id, without):
                continue
            if not await has_key(connection, district_id, Role.ADMINISTRATOR, now, able):
                raise _last(
                    district_id,
                    "nobody in the district could hand out access any more: give another person "
                    "the right ACCESS and a key first, or ask the operator",
                )


async def _is_able_by_token(connection: AsyncConnection, district_id: str, without: str) -> bool:
    """Return whether the caller, who needs no key, can still hand out access."""
    grant = current_caller().key
    if not isinstance(grant, TokenGrant) or grant.user_id == without:
        return False
    groups = grant.token.claims.groups
    rights = await rights_of(connection, [district_id], grant.user_id, groups)
    return rights.get(district_id, {}).get(Tool.ACCESS, 0) >= Right.WRITE


def _last(district_id: str, message: str) -> SchoolbellError:
    return SchoolbellError(
        ErrorReason.ERROR_REASON_LAST_ACCESS, message, metadata={"district_id": district_id}
    )
