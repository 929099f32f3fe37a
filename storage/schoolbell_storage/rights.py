"""Tool rights: what a person or a group may do with a tool."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, delete, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.mapping import Mapper
from schoolbell_storage.rows import among, insert_into
from schoolbell_storage.tables import tool_right

USER, GROUP = 1, 2
"""The grantee types of one person and of a group; numbers are the contract's."""


@dataclass(frozen=True, slots=True, order=True)
class RightRow:
    """The most that a grantee may do with a tool."""

    grantee_type: int
    grantee_id: str
    tool: int
    granted: int


async def rights_of(
    connection: AsyncConnection,
    district_ids: Collection[str],
    user_id: str,
    group_ids: Collection[str] = (),
) -> dict[str, dict[int, int]]:
    """Return the most that a person, or a group, may do by tool, in each of these districts."""
    kind, grantee = tool_right.c.grantee_type, tool_right.c.grantee_id
    holder = and_(kind == USER, grantee == user_id)
    if group_ids:
        holder = or_(holder, and_(kind == GROUP, among(grantee, group_ids)))
    found = await connection.execute(
        select(tool_right.c.district_id, tool_right.c.tool, tool_right.c.granted).where(
            among(tool_right.c.district_id, district_ids), holder
        )
    )
    rights: dict[str, dict[int, int]] = {}
    for row in found:
        here = rights.setdefault(row.district_id, {})
        here[row.tool] = max(row.granted, here.get(row.tool, 0))
    return rights


async def holders(
    connection: AsyncConnection, district_id: str, tool: int, granted: int
) -> set[str]:
    """Return the persons who may do at least so much with a tool."""
    found = await connection.execute(
        select(tool_right.c.grantee_id).where(
            tool_right.c.district_id == district_id,
            tool_right.c.grantee_type == USER,
            tool_right.c.tool == tool,
            tool_right.c.granted >= granted,
        )
    )
    return set(found.scalars())


async def grant(
    connection: AsyncConnection, district_id: str, rights: Collection[RightRow]
) -> None:
    """Grant rights; one that is there and goes further stays."""
    adding = insert_into(connection.dialect.name, tool_right)
    statement = adding.on_conflict_do_update(
        index_elements=["district_id", "grantee_type", "grantee_id", "tool"],
        set_={"granted": adding.excluded.granted},
        where=tool_right.c.granted < adding.excluded.granted,
    )
    await connection.execute(
        statement,
        [
            {
                "district_id": district_id,
                "grantee_type": right.grantee_type,
                "grantee_id": right.grantee_id,
                "tool": right.tool,
                "granted": right.granted,
            }
            for right in sorted(rights)
        ],
    )


async def revoke(
    connection: AsyncConnection, district_id: str, rights: Collection[RightRow]
) -> None:
    """Take rights away: revoking READ takes WRITE along, revoking WRITE leaves READ."""
    for right in sorted(rights):
        same = and_(
            tool_right.c.district_id == district_id,
            tool_right.c.grantee_type == right.grantee_type,
            tool_right.c.grantee_id == right.grantee_id,
            tool_right.c.tool == right.tool,
        )
        if right.granted == 1:
            await connection.execute(delete(tool_right).where(same))
        else:
            await connection.execute(
                tool_right.update()
                .where(same, tool_right.c.granted >= right.granted)
                .values(granted=right.granted - 1)
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RightQuery:
    """Which rights of a district to list, by grantee and tool; empty is all."""

    district_id: str
    grantee_ids: Collection[str] = ()
    tool: int = 0
    after: tuple[int, str, int] | None = None
    """The (grantee type, grantee, tool) of the last right of the page before."""
    limit: int = 1000


async def list_rights(connection: AsyncConnection, query: RightQuery) -> Sequence[RightRow]:
    """Return a page of rights."""
    place = (tool_right.c.grantee_type, tool_right.c.grantee_id, tool_right.c.tool)
    wanted = select(tool_right).where(tool_right.c.district_id == query.district_id)
    if query.grantee_ids:
        wanted = wanted.where(tool_right.c.grantee_id.in_(list(query.grantee_ids)))
    if query.tool:
        wanted = wanted.where(tool_right.c.tool == query.tool)
    if query.after is not None:
        wanted = wanted.where(tuple_(*place) > query.after)
    found = await connection.execute(wanted.order_by(*place).limit(query.limit))
    return [_MAPPER.decode(row) for row in found]


_MAPPER = Mapper(RightRow)
