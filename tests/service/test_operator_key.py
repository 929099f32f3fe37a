"""The operator is never locked out: a dead key file is said aloud, and a command makes another."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from schoolbell.errors import Unauthenticated
from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server.security.pseudonyms import Pseudonyms
from tests.programs import Ended, run
from tests.service.granting import administrator, create, end, entries
from tests.service.observed import logged
from tests.service.scene import populate, upsert
from tests.service.test_person_data import erase
from tests.service.test_sources import user
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import databases

OPERATOR = access.ROLE_OPERATOR


async def server_command(service: Whole, *arguments: str) -> Ended:
    """Run a command of the server's machine on the service's data."""
    environment = {
        **os.environ,
        "SCHOOLBELL_SERVER_DATA_DIR": str(service.config.server.data_dir),
        "SCHOOLBELL_STORAGE_URL": service.config.storage.url.reveal(),
    }
    return await run(sys.executable, "-m", "schoolbell_server", *arguments, env=environment)


@databases()
async def test_a_dead_key_file_is_said_aloud_and_the_command_makes_another(
    database: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with whole(tmp_path, database=database) as service:
        await service.create_district()
        old = service.key(OPERATOR)
        async with service.client() as operator:
            other = await create(operator, "-", role=OPERATOR)
        async with service.client_of(other.secret) as operator:
            await end(operator, old.split("_")[1], "-")
        await service.stop()
        capsys.readouterr()
        await service.start()
        said = capsys.readouterr().err
        assert "operator.key was revoked; `schoolbell-server operator-key` makes another" in said
        assert logged(caplog, "operator's key is dead", cause="was revoked")
        await service.stop()
        ended = await server_command(service, "operator-key")
        assert ended.code == 0, ended.err
        assert ended.out.strip() == str(
            service.config.server.data_dir / "credentials" / "operator.key"
        )
        await service.start()
        assert "operator-key" not in capsys.readouterr().err
        with pytest.raises(Unauthenticated):
            async with service.client_of(old) as client:
                await client.access.GetCaller(access.GetCallerRequest())
        async with service.client() as operator:
            caller = await operator.access.GetCaller(access.GetCallerRequest())
            assert list(caller.district_ids) == ["-"]
            (newest, *_) = await entries(operator, "-")
            assert newest.subject == f"keys/{caller.principal.id}"
            assert newest.principal.id == "operator-key"


async def test_the_operator_finds_who_is_behind_a_pseudonym(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await upsert(service, user("clerk"))
        await administrator(service, "clerk")
        await erase(service, "clerk")
        async with service.client() as operator:
            (erasure, *_) = await entries(
                operator, methods=["schoolbell.v1.AccessService/ErasePersonData"]
            )
        ended = await server_command(service, "pseudonyms", DISTRICT, "clerk", "another")
        assert ended.code == 0, ended.err
        found = dict(line.split(" ") for line in ended.out.splitlines())
        assert found[erasure.subject.removeprefix("persons/")] == "clerk"
        known = Pseudonyms.load(service.config.server.data_dir / "keys")
        assert known.of(DISTRICT, "clerk") != known.of("oak-county", "clerk")
