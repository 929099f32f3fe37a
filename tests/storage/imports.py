"""Imports for storage tests."""

from __future__ import annotations

from schoolbell_storage.roster_guards import Guards
from schoolbell_storage.roster_imports import ImportHeader, ImportMode
from tests.storage.rosters import MAPLE


def header(import_id: str = "monday", source: str = "sis", **fields: object) -> ImportHeader:
    """Return what begins a full import."""
    values: dict[str, object] = {
        "mode": ImportMode.FULL,
        "validate_only": False,
        "guards": Guards(max_deactivated_percent=2.5, allow_bar_loss=True),
    }
    return ImportHeader(
        district_id=MAPLE,
        import_id=import_id,
        source=source,
        **(values | fields),  # type: ignore[arg-type]
    )
