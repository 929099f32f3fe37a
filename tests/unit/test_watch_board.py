"""The live table: one row a delivery, which changes in place, and totals that stay right."""

from __future__ import annotations

from rich.console import Console

from schoolbell.cli.output import Output
from schoolbell.cli.watch import Board
from schoolbell.v1 import delivery_pb2
from schoolbell.v1.delivery_pb2 import Delivery
from schoolbell.v1.status_service_pb2 import WatchStatusResponse

PENDING, ACCEPTED = delivery_pb2.DELIVERY_STATE_PENDING, delivery_pb2.DELIVERY_STATE_ACCEPTED


def delivery(name: str, state: delivery_pb2.DeliveryState.ValueType, revision: int) -> Delivery:
    return Delivery(delivery_id=name, user_id=name, state=state, revision=revision)


def shown(board: Board, console: Console) -> list[str]:
    with console.capture() as captured:
        console.print(board.table())
    return captured.get().splitlines()


def test_a_row_changes_in_place_and_totals_follow() -> None:
    console = Console(width=100, height=30, force_terminal=True, color_system=None)
    board = Board(Output(console=console))
    board.take(
        WatchStatusResponse(deliveries=[delivery("a", PENDING, 1), delivery("b", PENDING, 1)])
    )
    board.take(WatchStatusResponse(deliveries=[delivery("a", ACCEPTED, 2)]))
    board.take(WatchStatusResponse(deliveries=[delivery("a", PENDING, 1)]))  # older: dropped
    first, second = [line.split() for line in shown(board, console)[-2:]]
    assert (first[1:3], second[1:3]) == (["a", "ACCEPTED"], ["b", "PENDING"])
    assert board.counts() == {"ACCEPTED": 1, "PENDING": 1}


def test_the_rows_fit_the_terminal_and_the_totals_count_them_all() -> None:
    console = Console(width=100, height=12, force_terminal=True, color_system=None)
    board = Board(Output(console=console))
    many = [delivery(f"d{number}", ACCEPTED, 1) for number in range(500)]
    board.take(WatchStatusResponse(deliveries=many))
    lines = shown(board, console)
    assert len(lines) <= 12
    assert lines[-1].split()[1] == "d499"
    assert board.counts() == {"ACCEPTED": 500}
