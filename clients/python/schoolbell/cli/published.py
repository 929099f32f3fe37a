"""What became of a feed: counts, and why lines did not go through."""

from __future__ import annotations

from collections import Counter

from schoolbell import feed
from schoolbell.cli.output import Output
from schoolbell.cli.session import Session
from schoolbell.errors import from_status
from schoolbell.v1 import change_service_pb2

_MOST_SHOWN = 50
_MOST_NAMED = 3  # lines of one cause
_REFUSED = change_service_pb2.PUBLISH_RESULT_REFUSED


class Published:
    """What became of a feed: counts, and the lines that did not go through."""

    def __init__(self) -> None:
        self.results: Counter[str] = Counter()
        self.bad: list[tuple[int, str]] = []
        self.percents = feed.Percents()
        self.told: Counter[str] = Counter()
        """Under `--dry-run`, how many would be told."""

    def add_bad(self, number: int, text: str) -> None:
        """Count a line that did not go through."""
        self.results["REFUSED"] += 1
        self.bad.append((number, text))

    def add(self, number: int, ack: change_service_pb2.PublishAck) -> None:
        """Count the answer to a line."""
        if ack.result == _REFUSED:
            self.add_bad(number, str(from_status(ack.error)))
        else:
            name = change_service_pb2.PublishResult.Name(ack.result)
            self.results[name.removeprefix("PUBLISH_RESULT_")] += 1

    def show(self, session: Session) -> None:
        """Print the counts, and why lines did not go through."""
        output = session.output
        if warning := self.percents.warning:
            output.note(f"warning: {warning}", warning=warning)
        shown = self._show_alike(output) if output.is_for_people else self._show_each(output)
        if more := len(self.bad) - shown:
            output.note(f"and {more} more bad lines", more_bad_lines=more)
        counted = {
            name.lower(): self.results[name] for name in ("ACCEPTED", "DUPLICATE", "REFUSED")
        }
        session.output.counts(**counted, **self.told)

    def _show_each(self, output: Output) -> int:
        """Print the first bad lines; return how many."""
        shown = sorted(self.bad)[:_MOST_SHOWN]
        for number, text in shown:
            output.note(f"line {number}: {text}", line=number, error=text)
        return len(shown)

    def _show_alike(self, output: Output) -> int:
        """Print bad lines of one cause together; return how many lines these are."""
        alike: dict[str, list[int]] = {}
        for number, text in sorted(self.bad):
            alike.setdefault(text, []).append(number)
        shown = list(alike.items())[:_MOST_SHOWN]
        for text, numbers in shown:
            output.note(f"{_numbered(numbers)}: {text}")
        return sum(len(numbers) for _, numbers in shown)


def _numbered(numbers: list[int]) -> str:
    """Return which lines are meant, such as `lines 1, 2, 3 and 282 more`."""
    if len(numbers) == 1:
        return f"line {numbers[0]}"
    named, more = numbers[:_MOST_NAMED], len(numbers) - _MOST_NAMED
    return f"lines {', '.join(map(str, named))}" + (f" and {more} more" if more > 0 else "")
