"""A queue in which callers wait beside one another, and not behind one another.

Each caller's items leave in their order. Between callers it is a turn each: by district first, so
that a district with many keys has no more turns than others, then by API key.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

Share = tuple[str, str]
"""Who an item is of: (district_id, id of the API key)."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _Queued(Generic[Item]):
    item: Item
    weight: int


class FairQueue(Generic[Item]):
    """Items by share; whose turn it is comes first in each of the two rounds."""

    def __init__(self) -> None:
        self._districts: OrderedDict[str, OrderedDict[str, deque[_Queued[Item]]]] = OrderedDict()

    def __bool__(self) -> bool:
        """Return whether anything waits."""
        return bool(self._districts)

    def put(self, item: Item, weight: int, share: Share) -> None:
        """Append an item to its share's."""
        district_id, key_id = share
        keys = self._districts.setdefault(district_id, OrderedDict())
        keys.setdefault(key_id, deque()).append(_Queued(item, weight))

    def take(self, most: int) -> list[Item]:
        """Take items off, a turn each, of at most so much weight; a heavier one goes alone."""
        taken: list[Item] = []
        weight = 0
        while self._districts:
            district_id, keys = next(iter(self._districts.items()))
            key_id, items = next(iter(keys.items()))
            if taken and weight + items[0].weight > most:
                break
            first = items.popleft()
            taken.append(first.item)
            weight += first.weight
            _end_turn(keys, key_id, over=not items)
            _end_turn(self._districts, district_id, over=not keys)
        return taken

    def firsts(self) -> Iterator[Item]:
        """Yield the first item of every share."""
        return (items[0].item for keys in self._districts.values() for items in keys.values())


Value = TypeVar("Value")


def _end_turn(round_of: OrderedDict[str, Value], name: str, *, over: bool) -> None:
    """Let the next one have its turn; whoever has nothing left takes no more part."""
    if over:
        del round_of[name]
    else:
        round_of.move_to_end(name)
