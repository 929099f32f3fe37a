"""Tags of languages as phones send them, reduced to what decides how a text is worded."""

from __future__ import annotations

import re

_TAG = re.compile(
    r"(?P<core>[a-z]{2,8}(-[a-z0-9]{2,8})*)(-[a-wyz0-9](-[a-z0-9]{2,8})+)*(-x(-[a-z0-9]{1,8})+)?",
    re.ASCII | re.IGNORECASE,
)
"""A tag of BCP 47: language, script, region and variants, then extensions and private use."""
_BESIDE_THE_TAG = re.compile("-?[@.#]")  # "es_MX.UTF-8" and "es_MX@calendar=gregorian" are es-MX
_LONGEST = 64  # characters


def is_well_formed(tag: str) -> bool:
    """Return whether a text is a tag of BCP 47 that names a language."""
    return _TAG.fullmatch(tag) is not None


def language_tag(locale: str) -> str:
    """Return language, script, region and variants of a locale; '' where it names no language.

    POSIX locales pass too. A long tag loses its last variants, as RFC 5646 says.
    """
    tag = _BESIDE_THE_TAG.split(locale.replace("_", "-"), maxsplit=1)[0]
    found = _TAG.fullmatch(tag)
    if found is None:
        return ""
    core = found["core"]
    return core if len(core) <= _LONGEST else core[: _LONGEST + 1].rpartition("-")[0]
