"""The JSON Lines feed: ProtoJSON of `Change`, one a line, plain or gzip."""

from schoolbell.feed.percents import Percents
from schoolbell.feed.reader import BadLine, Line, count, read

__all__ = ["BadLine", "Line", "Percents", "count", "read"]
