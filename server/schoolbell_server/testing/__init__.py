"""A whole Schoolbell for the tests of those who call it: a real server, and phones of a sandbox.

    async with testing.server() as bell, bell.client("publisher") as sis:
        await sis.changes.PublishChange(request)
        await bell.settled()
        assert bell.shown() == [("Quiz", "Ana scored 71 %")]

Needs the package `schoolbell-sandbox`. Tests in other languages start `schoolbell-server sandbox
--service` in its place.
"""

from schoolbell_server.testing.district import CALENDAR, FATHER, MOTHER, SIBLING, SOURCE, STUDENT
from schoolbell_server.testing.service import DISTRICT, Service, server

__all__ = [
    "CALENDAR",
    "DISTRICT",
    "FATHER",
    "MOTHER",
    "SIBLING",
    "SOURCE",
    "STUDENT",
    "Service",
    "server",
]
