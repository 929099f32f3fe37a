"""The check of generated code says which toolchain is missing, and in CI that is a failure."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Return a folder of programs without any language's toolchain."""
    for name in ("bash", "env", "mkdir"):
        program = shutil.which(name)
        assert program
        (tmp_path / name).symlink_to(program)
    return tmp_path


@pytest.mark.parametrize("ci", [True, False])
def test_a_missing_toolchain_is_named_and_fails_in_ci(bare: Path, ci: bool) -> None:
    environment = {"PATH": str(bare)} | ({"CI": "true"} if ci else {})
    command = [str(CHECKOUT / "scripts" / "codegen-check"), "build/proto", "Go", "Java"]
    ended = subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == int(ci), ended.stderr
    said = "codegen-check: not checked, its toolchain is missing: "
    assert ended.stderr.splitlines() == [
        f"{said}Go needs go 1.26 or newer",
        f"{said}Java needs a JDK of 17 or newer, and Maven",
    ]
