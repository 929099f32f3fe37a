"""The sample district: two schools, some sixty students, and one school day's changes.

The files lie in `data/`, where a README tells what is in them; they are written for the day
on which they are played, because only changes of today are told.
"""

from schoolbell_server.sample.writing import SampleDay, write

__all__ = ["SampleDay", "write"]
