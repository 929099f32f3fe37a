"""What every test may use: coroutine tests, and the recorded year of Grand Bend."""

from __future__ import annotations

import asyncio
import inspect
import os
from pathlib import Path

import pytest
from hypothesis import settings

CHECKOUT = Path(__file__).resolve().parents[1]

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
