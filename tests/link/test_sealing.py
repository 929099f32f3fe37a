"""Sealed contents open for the hub's key and the district that sealed them, and for nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from schoolbell_server.security.sealing import (
    CannotOpen,
    HubKeys,
    SealKeyUnusable,
    read_public_key,
    seal,
)
from schoolbell_server.security.secret_file import write_secret

TEXT = b"Algebra: 80 %"


def test_what_is_sealed_opens_for_the_hub_alone(tmp_path: Path) -> None:
    hub, another = HubKeys(tmp_path / "hub"), HubKeys(tmp_path / "another")
    sealed = seal(TEXT, read_public_key(hub.public_key), "lincoln")
    assert TEXT not in sealed.ciphertext
    assert hub.open(sealed, "lincoln") == TEXT
    with pytest.raises(CannotOpen):
        another.open(sealed, "lincoln")


def test_what_another_district_sealed_or_somebody_changed_does_not_open(tmp_path: Path) -> None:
    hub = HubKeys(tmp_path)
    sealed = seal(TEXT, read_public_key(hub.public_key), "lincoln")
    flipped = bytes([sealed.ciphertext[-1] ^ 1])
    changed = sealed._replace(ciphertext=sealed.ciphertext[:-1] + flipped)
    for one, district in ((sealed, "jefferson"), (changed, "lincoln")):
        with pytest.raises(CannotOpen):
            hub.open(one, district)
    for public_key in (b"", bytes(32)):
        with pytest.raises(CannotOpen):
            hub.open(sealed._replace(public_key=public_key), "lincoln")


def test_a_second_key_is_given_out_and_the_first_still_opens(tmp_path: Path) -> None:
    """The hub runs meanwhile: whoever has the new key is understood at once."""
    running = HubKeys(tmp_path / "first")
    first = running.public_key
    second = HubKeys(tmp_path / "second").public_key
    write_secret(tmp_path / "first" / "hub-2.key", (tmp_path / "second/hub-1.key").read_bytes())
    assert HubKeys(tmp_path / "first").public_key == second
    for key in (first, second):
        assert running.open(seal(TEXT, read_public_key(key), "lincoln"), "lincoln") == TEXT


def test_the_tenth_key_is_newer_than_the_ninth(tmp_path: Path) -> None:
    for number in range(1, 11):
        write_secret(tmp_path / f"hub-{number}.key", bytes([number]) * 32)
    tenth = HubKeys(tmp_path).public_key
    (tmp_path / "hub-10.key").unlink()
    assert HubKeys(tmp_path).public_key != tenth


def test_a_new_key_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    reported: list[str] = []
    running = HubKeys(tmp_path / "first", reported.append)
    other = HubKeys(tmp_path / "second").public_key
    write_secret(tmp_path / "first" / "hub-2.key", b"too short")
    for _ in range(3):
        with pytest.raises(CannotOpen, match="another key"):
            running.open(seal(TEXT, read_public_key(other), "lincoln"), "lincoln")
    assert len(reported) == 1, "anybody may name a key that is not there"
    sealed = seal(TEXT, read_public_key(running.public_key), "lincoln")
    assert running.open(sealed, "lincoln") == TEXT


@pytest.mark.parametrize("text", ["", "x", "AAAA", "é" * 44])
def test_a_text_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(SealKeyUnusable):
        read_public_key(text)
