"""What every test may use: coroutine tests, and the recorded year of Grand Bend."""

from __future__ import annotations

import asyncio
import inspect
import os
import shutil
import tempfile
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

CHECKOUT = Path(__file__).resolve().parents[1]
_MEMORY = Path("/dev/shm")
_ROOM = 4 * 1024**3  # bytes; a run of all tests takes a tenth of it


def _use_memory() -> None:
    """Keep the files of tests in memory where there is room; else a run waits for its disk."""
    has_folder = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK)
    if "TMPDIR" in os.environ or not has_folder:
        return
    if min(shutil.disk_usage(_MEMORY).free, psutil.virtual_memory().available) > _ROOM:
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


_use_memory()

settings.register_profile("schoolbell", deadline=None)  # no test depends on the machine's speed
settings.load_profile("schoolbell")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test in an event loop of its own."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    wanted = inspect.signature(test).parameters
    asyncio.run(test(**{name: pyfuncitem.funcargs[name] for name in wanted}))
    return True


@pytest.fixture(scope="session")
def grand_bend() -> Path:
    """Return the folder of the recorded year: SCHOOLBELL_DATA, else beside the checkout."""
    data = Path(os.environ.get("SCHOOLBELL_DATA") or CHECKOUT.parent / "shared" / "data")
    folder = data / "grand-bend"
    if not folder.is_dir():
        pytest.skip(f"the recorded year is not at {folder}; SCHOOLBELL_DATA names its parent")
    return folder
