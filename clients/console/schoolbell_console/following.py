"""Follow a district for one page: resume after a break, and say while it lasts."""

from __future__ import annotations

from schoolbell import AsyncClient
from schoolbell.backoff import Backoff
from schoolbell.errors import DeadlineExceeded, SchoolbellError, Unavailable
from schoolbell.v1 import status_service_pb2 as status
from schoolbell_console.board import Board

_SHOWN = 40
_GONE = ("RESUME_TOKEN_EXPIRED", "RESUME_TOKEN_FOREIGN", "RESUME_TOKEN_INVALID")


class Following:
    """Feeds a board with what happens from a position on; without one, from now on."""

    def __init__(self, client: AsyncClient, district_id: str, board: Board, position: str) -> None:
        self._client = client
        self._district_id = district_id
        self._board = board
        self.position = position
        """Where a page that comes back goes on."""

    async def run(self) -> None:
        """Follow for ever; raises the typed error of what is no break, such as a lost right."""
        backoff = Backoff()
        while True:
            try:
                if not self.position:
                    await self._list()
                await self._watch(backoff)
            except (Unavailable, DeadlineExceeded):
                self._board.is_away = True
                await backoff.pause()
            except SchoolbellError as error:
                if error.reason not in _GONE:
                    raise
                self.position = ""

    async def _list(self) -> None:
        answer = await self._client.status.ListDeliveries(
            status.ListDeliveriesRequest(district_id=self._district_id, page_size=_SHOWN)
        )
        for delivery in reversed(answer.deliveries):
            self._board.show(delivery)
        self.position = answer.resume_token

    async def _watch(self, backoff: Backoff) -> None:
        request = status.WatchStatusRequest(
            district_id=self._district_id, resume_token=self.position
        )
        async for response in self._client.status.WatchStatus(request):
            self._board.is_away = False
            backoff.reset()
            for state in response.states:
                self._board.take_state(state)
            for delivery in response.deliveries:
                self._board.take(delivery)
            self.position = response.resume_token
