"""Roster imports: what each changed, and what was wrong with it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from schoolbell.v1 import roster_pb2
from schoolbell.v1.roster_service_pb2 import GetImportRequest, ListImportsRequest
from schoolbell_console.districts import in_district
from schoolbell_console.visit import Visit

_PAGE = 30


async def show(visit: Visit) -> web.StreamResponse:
    """List the imports."""
    answer = await visit.client.roster.ListImports(
        ListImportsRequest(
            district_id=visit.district_id,
            page_size=_PAGE,
            page_token=visit.query.get("page", ""),
        )
    )
    return visit.page(
        "imports.html",
        rows=list(answer.roster_imports),
        next_page=answer.next_page_token,
        **_enums(),
    )


async def one(visit: Visit) -> web.StreamResponse:
    """Show one import with its problems."""
    answer = await visit.client.roster.GetImport(
        GetImportRequest(district_id=visit.district_id, import_id=visit.query.get("id", ""))
    )
    return visit.page("import.html", one=answer.roster_import, **_enums())


def _enums() -> dict[str, Any]:
    return {
        "State": roster_pb2.ImportState,
        "Mode": roster_pb2.ImportMode,
        "Type": roster_pb2.RecordType,
        "Severity": roster_pb2.ImportProblemSeverity,
        "Code": roster_pb2.ImportProblemCode,
    }


ROUTES = [
    web.get("/d/{district}/imports", in_district(show, "imports")),
    web.get("/d/{district}/import", in_district(one, "imports")),
]
