"""Say what a caller lacks: the role, the tool right, or the district."""

from __future__ import annotations

from collections.abc import Iterable

from schoolbell_server.security.api_key import EVERY_DISTRICT, Grant, Role
from schoolbell_server.security.permissions import Denial, Reach, Rule

_MOST_DISTRICTS = 5


def describe(rule: Rule, key: Grant, district_id: str, found: Denial) -> str:
    """Return a sentence that says what the call needs and what the key is; it holds no secret."""
    if key.role not in rule.roles:
        return f"needs {_needs(rule)}; this key is {_a(key.role)}'s"
    if found.sources:
        return "needs a key for every source; this key is limited to " + _some(key.sources)
    if found.tool and found.right:
        held = key.rights.get(district_id, {}).get(found.tool)
        whose = key.user_id or "its person"
        has = f"only {held.name}" if held else "no right on it"
        needed = f"{found.tool.name} {found.right.name}"
        return f"needs {needed}; {whose}, for whom this key acts, has {has}"
    if district_id == EVERY_DISTRICT and rule.reach is Reach.ALL:
        return "needs an operator's key for every district, or the name of one district"
    return f"this key is not for the district {district_id}; it is for {_some(key.district_ids)}"


def _needs(rule: Rule) -> str:
    """Return whose key may call, such as `a publisher's key, or EXPLANATIONS READ`."""
    others = sorted(rule.roles - {Role.ADMINISTRATOR})
    keys = f"{' or '.join(_a(role) + chr(39) + 's' for role in others)} key" if others else ""
    if Role.ADMINISTRATOR not in rule.roles or rule.tool is None or rule.right is None:
        return keys
    right = f"{rule.tool.name} {rule.right.name} of an administrator"
    return f"{right}, or {keys}" if keys else right


def _a(role: Role) -> str:
    name = role.name.lower().replace("_", " ")
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _some(names: Iterable[str]) -> str:
    """Return a few of the names, and how many more there are."""
    ordered = sorted("every district" if name == EVERY_DISTRICT else name for name in names)
    more = len(ordered) - _MOST_DISTRICTS
    told = ", ".join(ordered[:_MOST_DISTRICTS]) or "none"
    return f"{told} and {more} more" if more > 0 else told
