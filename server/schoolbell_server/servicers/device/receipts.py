"""Receipts: what the phones themselves say became of a notification."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import delivery_pb2
from schoolbell.v1 import device_service_pb2 as messages
from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.background.call_groups import CallGroups
from schoolbell_server.contract.fields import read_id, read_time
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.kinds import DeliveryState
from schoolbell_server.domain.transitions import after_receipt
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.errors import InvalidFields, SchoolbellError
from schoolbell_server.rpc.status import to_status
from schoolbell_server.rpc.texts import bad_texts
from schoolbell_server.rpc.validation import REQUIRED, Violations
from schoolbell_server.status import journal
from schoolbell_storage.deliveries import fetch_deliveries, store_deliveries
from schoolbell_storage.engine import FEW, Storage

MOST = 500
_EVENTS = {
    messages.RECEIPT_EVENT_DISPLAYED: DeliveryState.DISPLAYED,
    messages.RECEIPT_EVENT_OPENED: DeliveryState.OPENED,
}


_Results = list[messages.ReceiptResult]


@dataclass(frozen=True, slots=True)
class _Reported:
    """A call: a user's receipts, and what is wrong with each by itself."""

    request: messages.ReportReceiptsRequest
    errors: Sequence[SchoolbellError | None]

    def ids(self) -> set[str]:
        """Return the deliveries that its good receipts are of, the user's own or not."""
        receipts = zip(self.request.receipts, self.errors, strict=True)
        return {receipt.delivery_id for receipt, error in receipts if error is None}

    def own(self, rows: Mapping[str, Delivery]) -> set[str]:
        """Return which of them are the user's own."""
        owner = (self.request.district_id, self.request.user_id)
        return {
            name
            for name in self.ids() & rows.keys()
            if (rows[name].district_id, rows[name].user_id) == owner
        }

    def take(self, rows: dict[str, Delivery], now: dt.datetime) -> _Results:
        """Put the receipts into the deliveries; return a result each."""
        own = self.own(rows)
        return [
            _take(receipt, error, rows if receipt.delivery_id in own else {}, now)
            for receipt, error in zip(self.request.receipts, self.errors, strict=True)
        ]


class Receipts:
    """Writes receipts into deliveries."""

    def __init__(
        self, storage: Storage, clock: Callable[[], dt.datetime], on_seen: Callable[[str], None]
    ) -> None:
        """`on_seen` is told the id of every device that something is said of."""
        self._storage = storage
        self._clock = clock
        self._on_seen = on_seen
        self._calls: CallGroups[_Reported, _Results] = CallGroups(self._commit, MOST, "receipts")

    async def report(
        self, request: messages.ReportReceiptsRequest
    ) -> messages.ReportReceiptsResponse:
        """Take a user's receipts; a result each, and a bad one spoils no other."""
        violations = Violations()
        read_id(request.user_id, "user_id", violations.add)
        violations.count(request.receipts, "receipts", least=1, most=MOST)
        violations.refuse()
        reported = _Reported(request, [_check(receipt) for receipt in request.receipts])
        share = request.district_id, request.user_id
        results = await self._calls.ask(reported, len(request.receipts), share=share)
        return messages.ReportReceiptsResponse(results=results)

    async def drain(self, seconds: float) -> None:
        """Wait until what was reported is stored, so many seconds at most."""
        await self._calls.drain(seconds)

    async def _commit(self, group: Sequence[_Reported]) -> list[_Results]:
        """Take the receipts of several calls in one transaction, in their order."""
        now = self._clock()
        ids = {name for reported in group for name in reported.ids()}

        async def store(
            connection: AsyncConnection,
        ) -> tuple[dict[str, Delivery], list[_Results]]:
            rows = await fetch_deliveries(connection, ids, lock=True)
            before = dict(rows)
            results = [reported.take(rows, now) for reported in group]
            changed = [row for name, row in rows.items() if row is not before[name]]
            await store_deliveries(connection, changed)
            await journal.record(connection, now, changed)
            return rows, results

        rows, results = await self._storage.transact(store, brief=len(ids) <= FEW)
        for reported in group:
            for name in reported.own(rows):
                self._on_seen(rows[name].device_id)
        return results


def _check(receipt: messages.Receipt) -> SchoolbellError | None:
    violations = Violations(bad_texts(receipt))
    read_id(receipt.delivery_id, "delivery_id", violations.add)
    if not receipt.event:
        violations.add("event", REQUIRED, reasons.REQUIRED)
    elif receipt.event not in _EVENTS:
        violations.add("event", "is not a known event", reasons.UNKNOWN_ENUM_NUMBER)
    violations.required(receipt, "event_time")
    read_time(receipt.event_time, "event_time", violations.add)
    try:
        violations.refuse()
    except InvalidFields as error:
        return error
    return None


def _take(
    receipt: messages.Receipt,
    error: SchoolbellError | None,
    known: dict[str, Delivery],
    now: dt.datetime,
) -> messages.ReceiptResult:
    if error is not None:
        return messages.ReceiptResult(error=to_status(error), reason=error.reason)
    row = known.get(receipt.delivery_id)
    if row is None:
        missing = SchoolbellError(
            ErrorReason.ERROR_REASON_DELIVERY_NOT_FOUND,
            f"the user has no delivery {receipt.delivery_id}",
            metadata={"delivery_id": receipt.delivery_id},
        )
        return messages.ReceiptResult(error=to_status(missing), reason=missing.reason)
    event = _EVENTS[receipt.event]
    time = min(receipt.event_time.ToDatetime(tzinfo=dt.UTC), now)
    row = known[row.delivery_id] = after_receipt(row, event, time, now) or row
    return messages.ReceiptResult(state=delivery_pb2.DeliveryState.ValueType(row.state))
