"""`schoolbell-server init` brings a server from nothing to its first district."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from schoolbell import AsyncClient, Connection, read_key
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2, district_service_pb2
from schoolbell.v1 import settings_service_pb2 as settings
from schoolbell_sandbox.credentials import SandboxCredentials
from schoolbell_server.app import running
from schoolbell_server.config import load_config
from tests.programs import Ended, run
from tests.service.ports import free_port
from tests.storage.engines import POSTGRESQL, database_url, databases

CREDENTIALS = SandboxCredentials.create()
ENOUGH = ("--district", "maple", "--time-zone", "America/Chicago", "--administrator", "principal")


async def init(folder: Path, *arguments: str, **variables: str) -> Ended:
    command = (sys.executable, "-m", "schoolbell_server", "init", "--dir", str(folder))
    return await run(*command, *arguments, env={**os.environ, "COLUMNS": "200", **variables})


def ended_well(ended: Ended) -> None:
    assert ended.code == 0, ended.err


@databases()
async def test_a_server_that_was_set_up_serves_its_district(database: str, tmp_path: Path) -> None:
    folder, port = tmp_path / "served", free_port()
    account = tmp_path / "account.json"
    account.write_text(json.dumps(CREDENTIALS.service_account("https://127.0.0.1:1/token")))
    async with database_url(database, tmp_path) as url:
        url_file = tmp_path / "url"
        url_file.write_text(url.replace("postgresql+asyncpg", "postgresql"))
        url_file.chmod(0o600)
        storage = ("--storage-url-file", str(url_file)) if database == POSTGRESQL else ()
        listen = ("--listen", f"127.0.0.1:{port}")
        app = ("--parent-service-account", str(account))
        ended = await init(folder, *ENOUGH, *storage, *listen, *app)
        ended_well(ended)
        assert "schoolbell-server serve --config" in ended.out
        keys = {file.stem: file for file in (folder / "keys").iterdir()}
        assert set(keys) == {"publisher", "backend", "monitor", "administrator"}
        assert {file.stat().st_mode & 0o777 for file in keys.values()} == {0o600}
        config = load_config(folder / "schoolbell.toml", {})
        async with running(config, replay=False) as server:
            connection = Connection(
                target=f"localhost:{server.port}",
                key=read_key(keys["administrator"]),
                ca=(folder / "schoolbell-data" / "tls" / "ca.pem").read_bytes(),
            )
            async with AsyncClient(connection) as client:
                caller = await client.access.GetCaller(access.GetCallerRequest())
                assert caller.principal.acting_user_id == "principal"
                assert len(caller.rights[0].rights) == len(access.Tool.values()) - 1
                found = await client.districts.GetDistrict(
                    district_service_pb2.GetDistrictRequest(district_id="maple")
                )
                assert list(found.district.app_ids) == ["parent"]
                assert list(found.district.licensed_kinds) == common_pb2.Kind.values()[1:]
                shown = await client.settings.GetSettings(
                    settings.GetSettingsRequest(district_id="maple")
                )
                assert not shown.settings.enabled
                log = await client.access.ListAuditEntries(
                    access.ListAuditEntriesRequest(district_id="maple")
                )
                assert {entry.method.rpartition("/")[2] for entry in log.audit_entries} >= {
                    "CreateDistrict",
                    "GrantRights",
                    "CreateApiKey",
                }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--time-zone", "Mars/Crater"), "district.time_zone must be an IANA time zone"),
        (("--listen", "7443"), "--listen must be host:port"),
        (("--ios-key-file", "nowhere.p8"), "--ios-key-file: there is no file"),
        (("--currency", "dollars"), "district.currency_code must be"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
async def test_a_wrong_answer_is_told_and_leaves_no_configuration(
    arguments: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    refused = await init(tmp_path, *ENOUGH, *arguments)
    assert refused.code != 0
    assert told in refused.err
    assert "Traceback" not in refused.err
    assert not (tmp_path / "schoolbell.toml").exists()
    ended_well(await init(tmp_path, *ENOUGH))


async def test_what_nobody_can_be_asked_is_named(tmp_path: Path) -> None:
    refused = await init(tmp_path)
    assert refused.code == 2
    assert "--district is required where nobody can be asked" in refused.err


async def test_a_configuration_and_keys_that_are_there_are_kept(tmp_path: Path) -> None:
    key = tmp_path / "AuthKey_ABC1234567.p8"
    key.write_text(CREDENTIALS.apns_p8)
    ended_well(await init(tmp_path, *ENOUGH))
    before = (tmp_path / "keys" / "publisher.key").read_text()
    refused = await init(tmp_path, *ENOUGH)
    assert refused.code == 1
    assert "--force" in refused.err
    apple = ("--ios-key-file", str(key), "--ios-team", "ABCDE12345")
    other = ("--district", "oak", *ENOUGH[2:], "--parent-topic", "org.example.parent", *apple)
    ended_well(await init(tmp_path, *other, "--force"))
    assert (tmp_path / "keys" / "publisher.key").read_text() == before
    config = load_config(tmp_path / "schoolbell.toml", {})
    assert config.apps["parent"].ios is not None
    assert config.apps["parent"].ios.topic == "org.example.parent"
    assert json.dumps(str(key)) in (tmp_path / "schoolbell.toml").read_text()


async def test_a_server_that_runs_on_the_same_data_is_told(tmp_path: Path) -> None:
    ended_well(await init(tmp_path, *ENOUGH, "--listen", "127.0.0.1:0"))
    config = load_config(tmp_path / "schoolbell.toml", {})
    async with running(config, replay=False):
        refused = await init(tmp_path, *ENOUGH, "--force")
    assert refused.code == 1
    assert "another server has the data directory" in refused.err
    assert "Traceback" not in refused.err


async def test_a_key_of_another_database_is_named(tmp_path: Path) -> None:
    ended_well(await init(tmp_path, *ENOUGH))
    (tmp_path / "schoolbell-data").rename(tmp_path / "former")
    refused = await init(tmp_path, *ENOUGH, "--force")
    assert refused.code == 1
    assert "publisher.key holds no key of this server" in refused.err
    assert "Traceback" not in refused.err


async def test_the_environments_proxy_hears_nothing_of_it(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    proxy = await asyncio.start_server(hear, "127.0.0.1", 0)
    async with proxy:
        url = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        variables = dict.fromkeys(("http_proxy", "https_proxy", "grpc_proxy"), url)
        ended_well(await init(tmp_path, *ENOUGH, **variables))
    assert not asked
