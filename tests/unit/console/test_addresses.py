"""Where the console sends a browser is the console itself."""

from __future__ import annotations

import pytest

from schoolbell_console.pages.front import local


@pytest.mark.parametrize("address", ["/", "/d/maple/push", "/d/maple/why?person=x&page=2"])
def test_an_address_of_the_console_is_kept(address: str) -> None:
    assert local(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/\t\\evil.example/",
        "/\t/evil.example/",
        "\t//evil.example/",
        "/d\n/maple",
        "/\x00/evil.example",
        "javascript:alert(1)",
        "evil",
        "",
    ],
)
def test_any_other_is_the_first_page(address: str) -> None:
    assert local(address) == "/"
