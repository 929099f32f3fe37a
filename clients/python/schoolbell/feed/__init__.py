"""The JSON Lines feed: ProtoJSON of `Change`, one a line, plain or gzip."""

from schoolbell.feed.reader import BadLine, Line, read

__all__ = ["BadLine", "Line", "read"]
