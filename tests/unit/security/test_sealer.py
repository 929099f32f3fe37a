"""Sealed secrets: bound to their place, across rotation; and fingerprints."""

from __future__ import annotations

from pathlib import Path

import pytest

from schoolbell_server.security.fingerprint import TokenFingerprints
from schoolbell_server.security.sealer import SealBroken, Sealer
from schoolbell_server.security.secret_file import write_secret

SECRET = b"a device token"


def test_what_is_sealed_is_unseen_and_comes_back(tmp_path: Path) -> None:
    sealer = Sealer.load(tmp_path)
    sealed = sealer.seal(SECRET, b"maple/device/1")
    assert SECRET not in sealed
    assert sealer.unseal(sealed, b"maple/device/1") == SECRET
    assert Sealer.load(tmp_path).unseal(sealed, b"maple/device/1") == SECRET
    assert sealer.seal(SECRET, b"maple/device/1") != sealed


def test_a_sealed_value_cannot_be_moved_or_changed(tmp_path: Path) -> None:
    sealer = Sealer.load(tmp_path)
    sealed = sealer.seal(SECRET, b"maple/device/1")
    with pytest.raises(SealBroken):
        sealer.unseal(sealed, b"maple/device/2")
    for position in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[position] ^= 1
        with pytest.raises(SealBroken):
            sealer.unseal(bytes(damaged), b"maple/device/1")
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            sealer.unseal(sealed[:length], b"maple/device/1")


def test_the_newest_key_seals_and_what_older_ones_sealed_still_opens(tmp_path: Path) -> None:
    old = Sealer.load(tmp_path).seal(SECRET, b"x")
    write_secret(tmp_path / "seal-00000002.key", bytes(32))
    sealer = Sealer.load(tmp_path)
    new = sealer.seal(SECRET, b"x")
    assert sealer.unseal(old, b"x") == sealer.unseal(new, b"x") == SECRET
    (tmp_path / "seal-00000001.key").unlink()
    assert Sealer.load(tmp_path).unseal(new, b"x") == SECRET
    with pytest.raises(SealBroken):
        Sealer.load(tmp_path).unseal(old, b"x")


def test_another_installation_cannot_open_it(tmp_path: Path) -> None:
    sealed = Sealer.load(tmp_path / "a").seal(SECRET, b"x")
    with pytest.raises(SealBroken):
        Sealer.load(tmp_path / "b").unseal(sealed, b"x")


def test_the_keys_are_the_owners_alone(tmp_path: Path) -> None:
    Sealer.load(tmp_path)
    TokenFingerprints.load(tmp_path)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


def test_a_key_of_the_wrong_size_stops_the_start(tmp_path: Path) -> None:
    Sealer.load(tmp_path)
    (tmp_path / "seal-00000001.key").write_bytes(b"short")
    with pytest.raises(SealBroken, match="32 bytes"):
        Sealer.load(tmp_path)


def test_fingerprints_are_stable_and_of_app_and_address(tmp_path: Path) -> None:
    fingerprint = TokenFingerprints.load(tmp_path).token_fingerprint
    assert fingerprint("parent", "abc") == TokenFingerprints.load(tmp_path).token_fingerprint(
        "parent", "abc"
    )
    others = {("parent", "abd"), ("student", "abc"), ("parenta", "bc"), ("parent1", "abc")}
    assert len({fingerprint(*other) for other in others} | {fingerprint("parent", "abc")}) == 5
    elsewhere = TokenFingerprints.load(tmp_path / "other").token_fingerprint
    assert elsewhere("parent", "abc") != fingerprint("parent", "abc")
