"""Values that requests are made of: by field name, from the scene and from what was answered."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

from google.protobuf.message import Message

from tests.service.scene import CALENDAR, FATHER, MOTHER, SIBLING, SOURCE, STUDENT
from tests.service.whole import DISTRICT, PARENT_APP, STUDENT_APP

FOREIGN = "oak-county"
_PEOPLE = (STUDENT, SIBLING, MOTHER, FATHER)
_MOST = 60  # values of a field; an older one goes for each new one

_KNOWN: dict[str, tuple[str, ...]] = {
    "account_id": (f"lunch-{STUDENT}",),
    "app_id": (PARENT_APP, STUDENT_APP),
    "assignment_id": ("essay", "quiz"),
    "calendar_id": (CALENDAR,),
    "change_id": ("c1", "c2", "c3", "c4"),
    "currency_code": ("USD",),
    "device_token": ("ab" * 32, "cd" * 32),
    "district_id": (DISTRICT,),
    "enrollment_id": (f"stay-of-{STUDENT}", f"stay-of-{SIBLING}"),
    "grantee_id": ("fuzz-somebody",),
    "grading_period": ("S1",),
    "guardian_id": (MOTHER, FATHER),
    "import_id": ("i1", "i2", "i3"),
    "locale": ("en", "es"),
    "method": ("schoolbell.v1.SettingsService/UpdateSettings",),
    "previous_period": ("1",),
    "query": ("mo", "stu"),
    "registration_token": ("fcm-token:" + "A" * 100,),
    "request_id": ("r1", "r2"),
    "school_id": ("elm",),
    "section_id": ("algebra-1",),
    "source": (SOURCE, "lunchroom"),
    "student_id": (STUDENT, SIBLING),
    "term_id": ("t1",),
    "time_zone": ("America/Chicago", "UTC"),
    "user_id": _PEOPLE,
}
_CAME_AS = {"next_page_token": "page_token", "confirm_district_id": "district_id"}
_NEVER = ("secret", "district_id")


class Pool:
    """Texts that a field of a name held, plausible ones first."""

    def __init__(self) -> None:
        self._seen: dict[str, list[str]] = defaultdict(list)
        for name, values in _KNOWN.items():
            self._seen[name] = list(values)

    def text(self, dice: random.Random, field: str) -> str:
        """Return a plausible text of a field; lists are named by their plural."""
        name = _CAME_AS.get(field, field)
        if name not in self._seen and name.endswith("s"):
            name = name.removesuffix("s")
        if name in ("etag", "page_token", "resume_token") and dice.random() < 0.7:
            return ""
        seen = self._seen.get(name)
        return dice.choice(seen) if seen else f"word-{dice.randrange(40)}"

    def learn(self, dice: random.Random, message: Message, depth: int = 4) -> None:
        """Keep the texts of an answer, so that later requests name what is there."""
        for field, value in message.ListFields():
            inner = field.message_type
            items: Any = list(value)[:5] if field.is_repeated and not _is_map(field) else [value]
            if inner is None and field.type == field.TYPE_STRING:
                for item in items:
                    self._keep(dice, field.name, item)
            elif inner is not None and depth and not _is_map(field):
                for item in items:
                    self.learn(dice, item, depth - 1)

    def _keep(self, dice: random.Random, field: str, text: str) -> None:
        name = _CAME_AS.get(field, field)
        seen = self._seen[name]
        if name in _NEVER or text in seen:
            return
        if len(seen) < _MOST:
            seen.append(text)
        else:
            known = len(_KNOWN.get(name, ()))
            seen[dice.randrange(known, _MOST)] = text


def _is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry
