"""The sample district: two schools, some sixty students, and one school day's changes.

It is written for the day on which it is played, the same every time but for its dates: changes
have to be of today to be told.
"""

from schoolbell_server.sample.writing import SampleDay, write

__all__ = ["SampleDay", "write"]
