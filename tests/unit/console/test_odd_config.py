"""Whatever the console's file says, it is read or the setting is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from schoolbell_console.config import BadConfig, Config, load

_BASE = "[console]\norigin = 'https://console.example'\n"


def _load(folder: Path, text: str) -> Config:
    file = folder / "console.toml"
    file.write_text(text, encoding="utf-8")
    return load(file)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a = " + "[" * 50_000, "is not TOML"),
        ("a = " + "9" * 5_000, "is not TOML"),
        ("[console]\norigin = 'https://[::1'", "console.origin"),
        ("[console]\norigin = 'https://x:99999'", "console.origin"),
        ("[console]\norigin = 'https://u:p@x'", "console.origin"),
        ("[console]\norigin = 'https://\u00e4.example'", "console.origin"),
        (f"{_BASE}listen = 'a:{'9' * 5_000}'", "console.listen"),
        (f"{_BASE}listen = ':80'", "console.listen"),
        (f"{_BASE}listen = '::1:80'", "console.listen"),
        (f"{_BASE}listen = 'x:\uff18\uff10'", "console.listen"),
        (f"{_BASE}cookie_key_file = ''", "console.cookie_key_file"),
        (f'{_BASE}cookie_key_file = "a\\u0000b"', "console.cookie_key_file"),
        (f'{_BASE}[server]\ntarget = "a\\u0000b:1"', "server.target"),
        (f"{_BASE}[oidc]\nissuer = 'https://[x'\nclient_id = 'c'", "oidc.issuer"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(BadConfig, match=r".") as refused:
        _load(tmp_path, text)
    assert named in str(refused.value)


def test_a_mark_before_the_first_line_is_nothing(tmp_path: Path) -> None:
    assert _load(tmp_path, f"\ufeff{_BASE}listen = '[::1]:0'").address == ("::1", 0)
