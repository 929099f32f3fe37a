"""What may change its meaning with any release is held to one, and the pins keep to it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BOUNDED = re.compile(r"([A-Za-z0-9_.-]+)(?:\[\w+\])?>=0\.(\d+)(?:\.\d+)*(.*)")


def test_a_dependency_before_its_first_version_is_capped_below_the_next() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    capped = 0
    for dependency in project["dependencies"]:
        if found := _BOUNDED.fullmatch(dependency):
            name, minor, rest = found[1], int(found[2]), found[3]
            assert rest == f",<0.{minor + 1}", dependency
            pinned = re.escape(name).replace("_", "[-_]").replace(r"\.", "[-.]")
            assert re.search(rf"(?m)^{pinned}==0\.{minor}\.", pins), dependency
            capped += 1
    assert capped
