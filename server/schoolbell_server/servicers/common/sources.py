"""Which sources a caller may speak for, and whose records it sees and writes.

A key that is limited to sources sees what came from one of them, and writes only that and what is
new: a record under another source, and a relationship of a student under another source, are not
its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_storage.roster_origins import foreign_records
from schoolbell_storage.roster_records import Origin, Record, RecordName

_MOST_NAMED = 5
"""How many of a key's sources a refusal names."""


def check_source(source: str) -> None:
    """Check that the caller's key is for a source; else PERMISSION_DENIED."""
    if not is_own(source):
        raise not_own(source)


def not_own(source: str) -> SchoolbellError:
    """Return the refusal of a source that the caller's key is not for; it names those it is for."""
    sources = sorted(current_caller().key.sources)
    more = f" and {len(sources) - _MOST_NAMED} more" if len(sources) > _MOST_NAMED else ""
    return SchoolbellError(
        ErrorReason.ERROR_REASON_SOURCE_NOT_ALLOWED,
        f"the API key is for the source {', '.join(sources[:_MOST_NAMED])}{more}, not {source}",
        metadata={"source": source},
    )


def is_own(source: str) -> bool:
    """Return whether the caller's key is for a source."""
    return current_caller().key.allows_source(source)


def own_sources(asked: Collection[str]) -> list[str]:
    """Return the sources that a caller's list is narrowed to; empty is all of them."""
    for source in asked:
        check_source(source)
    return list(asked) or sorted(current_caller().key.sources)


class HasOrigin(Protocol):
    """A stored record, with where it comes from."""

    @property
    def origin(self) -> Origin:
        """Where it comes from."""


T = TypeVar("T", bound=HasOrigin)


def own(records: Sequence[T]) -> list[T]:
    """Return those of the stored records that the caller may see."""
    return [one for one in records if is_own(one.origin.source)]


async def check_records(
    connection: AsyncConnection, district_id: str, records: Iterable[Record | RecordName]
) -> None:
    """Check that a caller who is limited to sources writes nothing of another one's."""
    sources = current_caller().key.sources
    if not sources:
        return
    foreign = await foreign_records(connection, district_id, records, sources)
    if foreign:
        raise not_own_record(foreign[0])


def not_own_record(name: RecordName) -> SchoolbellError:
    """Return the refusal of a record that is not the caller's."""
    record_id = "/".join(name.ids)
    return SchoolbellError(
        ErrorReason.ERROR_REASON_SOURCE_NOT_ALLOWED,
        f"the {name.record_type.name} {record_id} is of another source than the API key is for",
        metadata={"record_type": name.record_type.name, "record_id": record_id},
    )
