"""A time zone is a name of IANA's list, whatever files the machine has."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from schoolbell_server.contract.districts import read_time_zone


def complaints(name: str, *, required: bool = True) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    read_time_zone(name, "d.time_zone", lambda *what: found.append(what), required=required)
    return found


@pytest.mark.parametrize(
    "name",
    [
        "localtime",
        "Factory",
        "posixrules",
        "posix/America/Chicago",
        "right/America/Chicago",
        "america/chicago",
        "AMERICA/CHICAGO",
        "utc",
        "/usr/share/zoneinfo/UTC",
        "../zoneinfo/UTC",
        "America/../UTC",
        "America/Chicago ",
        "America",
        "tzdata.zi",
        "zone.tab",
        "UTC\0",
        "EST5EDT,M3.2.0,M11.1.0",
        "+01:00",
    ],
)
def test_what_is_no_name_of_the_list_is_refused(name: str) -> None:
    ((path, text),) = complaints(name)
    assert path == "d.time_zone"
    assert "IANA" in text
    assert complaints(name, required=False), "where it may be left out too"


@pytest.mark.parametrize(
    "name", ["America/Chicago", "Asia/Kolkata", "Asia/Calcutta", "UTC", "EST5EDT", "Etc/GMT+5"]
)
def test_a_name_of_the_list_is_a_zone_that_can_be_computed_in(name: str) -> None:
    assert complaints(name) == []
    assert ZoneInfo(name).key == name
