"""A person's data: everything that is stored of a person, as a file, and its erasure."""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode

from aiohttp import web
from google.protobuf import json_format

from schoolbell.errors import NotFound, SchoolbellError
from schoolbell.v1 import access_service_pb2 as access
from schoolbell_console.districts import in_district
from schoolbell_console.trouble import status_of, trouble_of
from schoolbell_console.visit import Visit


async def show(visit: Visit) -> web.StreamResponse:
    """Ask for a person, and say how much is stored of them."""
    return await _page(visit, visit.query.get("id", "").strip()[:128])


async def choose(visit: Visit) -> web.StreamResponse:
    """Go to a person."""
    form = await visit.look.request.post()
    query = urlencode({"id": str(form.get("id", "")).strip()[:128]})
    raise web.HTTPSeeOther(visit.url(f"data?{query}"))


async def export(visit: Visit) -> web.StreamResponse:
    """Send everything that is stored of a person, a JSON object a line, as it comes."""
    form = await visit.look.request.post()
    person_id = str(form.get("id", ""))
    request = access.ExportPersonDataRequest(district_id=visit.district_id, user_id=person_id)
    call = visit.client.access.ExportPersonData(request)
    parts = aiter(call)
    first = await anext(parts, None)  # before the answer begins: a refusal is a page
    name = quote(person_id, safe="")
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/x-ndjson; charset=utf-8",
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}.jsonl",
        }
    )
    await response.prepare(visit.look.request)
    if first is not None:
        await response.write(_lines(first))
        async for part in parts:
            await response.write(_lines(part))
    await response.write_eof()
    return response


async def erase(visit: Visit) -> web.StreamResponse:
    """Erase what is stored of a person, whose id was typed once more."""
    if not visit.can.erase_persons:
        return visit.page("no_right.html", 403, place="data")
    form = await visit.look.request.post()
    person_id = str(form.get("id", ""))
    if str(form.get("again", "")).strip() != person_id:
        return await _page(visit, person_id, status=400, trouble="other-id")
    try:
        answer = await visit.client.access.ErasePersonData(
            access.ErasePersonDataRequest(district_id=visit.district_id, user_id=person_id)
        )
    except SchoolbellError as error:
        return await _page(visit, person_id, status=status_of(error), trouble=trouble_of(error)[0])
    raise web.HTTPSeeOther(visit.url(f"data?erased={answer.record_count}"))


async def _page(
    visit: Visit, person_id: str, *, status: int = 200, trouble: str = ""
) -> web.Response:
    erased = visit.query.get("erased", "")
    return visit.page(
        "data.html",
        status,
        person_id=person_id,
        count=await _count(visit, person_id) if person_id else None,
        erased=int(erased) if erased.isdecimal() and len(erased) < 10 else None,
        trouble=trouble,
    )


async def _count(visit: Visit, person_id: str) -> int | None:
    """Return how many records an erasure would take; None where it may not be asked."""
    if not visit.can.erase_persons:
        return None
    request = access.ErasePersonDataRequest(
        district_id=visit.district_id, user_id=person_id, validate_only=True
    )
    try:
        return int((await visit.client.access.ErasePersonData(request)).record_count)
    except NotFound:
        return 0


def _lines(part: access.ExportPersonDataResponse) -> bytes:
    lines = (
        json.dumps(
            {"type": part.record_type, "record": json_format.MessageToDict(record)},
            ensure_ascii=False,
        )
        for record in part.records
    )
    return "".join(f"{line}\n" for line in lines).encode()


ROUTES = [
    web.get("/d/{district}/data", in_district(show, "data")),
    web.post("/d/{district}/data", in_district(choose, "data")),
    web.post("/d/{district}/data/export", in_district(export, "data")),
    web.post("/d/{district}/data/erase", in_district(erase, "data")),
]
