"""A backup made while changes come in, restored elsewhere: nothing answered before it is lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import make_url

from schoolbell.errors import InvalidArgument
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import delivery_pb2
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.change_service_pb2 import (
    PUBLISH_RESULT_ACCEPTED,
    PUBLISH_RESULT_DUPLICATE,
    BatchPublishChangesRequest,
)
from schoolbell.v1.status_service_pb2 import WatchStatusRequest
from schoolbell_server.config.secret import Secret
from schoolbell_server.main import main
from tests.programs import run
from tests.service.following import PATIENCE, following
from tests.service.scene import MOTHER, STUDENT, phone, populate, publish, register, tasks
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import POSTGRESQL, database_url, databases, postgresql_program

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
BATCH = 20


@dataclass
class Publisher:
    """Publishes on and on, and knows what was answered."""

    service: Whole
    changes: list[Change] = field(default_factory=list)
    """What was answered, in order."""
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)
    _enough: bool = False

    async def run(self) -> None:
        """Publish batches until there is enough."""
        async with self.service.client(access.ROLE_PUBLISHER) as publisher:
            while not self._enough:
                changes = tasks(self.answered, BATCH)
                answer = await publisher.changes.BatchPublishChanges(
                    BatchPublishChangesRequest(district_id=DISTRICT, changes=changes)
                )
                assert {ack.result for ack in answer.acks} == {PUBLISH_RESULT_ACCEPTED}
                async with self._moved:
                    self.changes += changes
                    self._moved.notify_all()

    @property
    def answered(self) -> int:
        """Return how many changes were answered."""
        return len(self.changes)

    async def more(self, changes: int) -> int:
        """Wait until so many more are answered; return how many are."""
        wanted = self.answered + changes
        async with asyncio.timeout(PATIENCE), self._moved:
            await self._moved.wait_for(lambda: self.answered >= wanted)
        return self.answered

    def stop(self) -> None:
        """Say that there is enough."""
        self._enough = True


async def command(service: Whole, *arguments: str) -> None:
    """Run `schoolbell-server` on a service's data."""
    ended = await run(
        *(sys.executable, "-m", "schoolbell_server", *arguments),
        cwd=service.config.server.data_dir.parent,
        env={
            **os.environ,
            "SCHOOLBELL_SERVER_DATA_DIR": str(service.config.server.data_dir),
            "SCHOOLBELL_STORAGE_URL": service.config.storage.url.reveal(),
        },
    )
    assert ended.code == 0, ended.err


@asynccontextmanager
async def restored_database(database: str, folder: Path, dump: Path) -> AsyncIterator[str]:
    """Restore the dump into a database of its own; SQLite's lies in its folder already."""
    if database != POSTGRESQL:
        yield ""
        return
    async with database_url(database, folder) as fresh:
        await postgresql_program(
            "pg_restore", "--clean", "--if-exists", "--no-owner", "-d", _plain(fresh), str(dump)
        )
        yield fresh


def _plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@databases()
async def test_a_backup_made_while_publishing_starts_elsewhere_and_has_all_that_was_answered(
    database: str, tmp_path: Path
) -> None:
    backup, dump = tmp_path / "backup", tmp_path / "schoolbell.dump"
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await register(service, phone(STUDENT), phone(MOTHER, ios=False))
        publisher = Publisher(service)
        publishing = asyncio.create_task(publisher.run())
        before = await publisher.more(10 * BATCH)
        url = service.config.storage.url.reveal()
        if database == POSTGRESQL:
            await postgresql_program("pg_dump", "-Fc", "-f", str(dump), _plain(url))
        await command(service, "backup", str(backup))
        during = publisher.answered
        assert before < during, "publishing went on"
        await publisher.more(BATCH)
        publisher.stop()
        await publishing
        async with following(service) as followed:
            old = followed.token
        await service.stop()
        async with restored_database(database, tmp_path, dump) as fresh:
            service.config = replace(
                service.config,
                server=replace(service.config.server, data_dir=backup),
                storage=replace(service.config.storage, url=Secret(fresh)),
            )
            if database == POSTGRESQL:
                await command(service, "restored")
            await service.start()
            await _is_refused(service, old)
            results = await _again(service, publisher.changes)
            assert set(results[:before]) == {PUBLISH_RESULT_DUPLICATE}
            assert set(results[before:]) <= {PUBLISH_RESULT_DUPLICATE, PUBLISH_RESULT_ACCEPTED}
            assert PUBLISH_RESULT_ACCEPTED in results[during:]
            await _is_refused(service, old)
            async with following(service) as followed:
                await publish(service, *tasks(publisher.answered, 1))
                await followed.until(lambda found: sum(one.state == ACCEPTED for one in found) >= 2)
            await service.stop()


async def _is_refused(service: Whole, token: str) -> None:
    """See that a position of the old store is none of the new one's, also when it has grown."""
    async with asyncio.timeout(PATIENCE), service.client(access.ROLE_MONITOR) as monitor:
        request = WatchStatusRequest(district_id=DISTRICT, resume_token=token)
        with pytest.raises(InvalidArgument) as refused:
            await anext(monitor.watch(request))
    assert refused.value.reason == "RESUME_TOKEN_FOREIGN"


async def _again(service: Whole, changes: Sequence[Change]) -> list[int]:
    """Publish everything once more; return what each change is answered."""
    async with (
        service.client(access.ROLE_PUBLISHER) as client,
        client.publisher(DISTRICT) as publisher,
    ):
        return [ack.result async for _, ack in publisher.publish_all(changes)]


async def test_a_backup_has_the_secrets_as_closed_as_they_were(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await command(service, "backup", str(tmp_path / "backup"))
        data = service.config.server.data_dir
        for folder in ("keys", "credentials", "tls"):
            for original in (data / folder).iterdir():
                copy = tmp_path / "backup" / folder / original.name
                assert copy.read_bytes() == original.read_bytes()
                assert copy.stat().st_mode == original.stat().st_mode
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
    assert not (tmp_path / "backup" / "lock").exists()


@pytest.mark.parametrize(
    ("prepare", "problem"),
    [("full", "is not empty"), ("none", "there is no database"), ("broken", "was not copied")],
)
def test_a_backup_that_cannot_be_made_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepare: str, problem: str
) -> None:
    data, target = tmp_path / "data", tmp_path / "backup"
    data.mkdir()
    if prepare == "full":
        shutil.copytree(data, target)
        (target / "schoolbell.db").touch()
    if prepare == "broken":
        (data / "schoolbell.db").write_bytes(b"no database" * 1000)
    monkeypatch.setenv("SCHOOLBELL_SERVER_DATA_DIR", str(data))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["backup", str(target)])
    assert result.exit_code == 1
    assert problem in result.output
