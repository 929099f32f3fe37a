"""Make the first district, its keys and its administrator's rights, with no server running.

The server itself does it, for this one purpose on loopback and without sending: what is stored has
passed the same checks as later calls, and stands in the audit log.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import grpc
import grpc.aio

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2
from schoolbell.v1 import district_service_pb2 as districts
from schoolbell.v1.access_service_pb2_grpc import AccessServiceStub
from schoolbell.v1.district_service_pb2_grpc import DistrictServiceStub
from schoolbell_server.address import Address
from schoolbell_server.app import running
from schoolbell_server.config import Config, ServerRole
from schoolbell_server.security.key_files import KEYS
from schoolbell_server.security.operator_key import operator_key_file
from schoolbell_server.security.secret_file import read_secret, write_secret
from schoolbell_server.setup.answers import Answers

if TYPE_CHECKING:
    from schoolbell.v1.access_service_pb2_grpc import AccessServiceAsyncStub

_NO_PROXY = (("grpc.enable_http_proxy", 0),)
"""gRPC itself would send also what is for this machine through the environment's proxy."""


async def make_district(config: Config, answers: Answers, folder: Path) -> list[Path]:
    """Make district, rights and keys; return the files of the keys, `<name>.key` in the folder.

    Done again it changes nothing that is there: the district stays, and a key file too.
    """
    async with running(_quiet(config), replay=False) as server:
        operator = read_secret(operator_key_file(config.server.data_dir)).decode().strip()
        here = f"127.0.0.1:{server.port}"
        async with grpc.aio.insecure_channel(here, options=_NO_PROXY) as channel:
            try:
                return await _make(channel, answers, folder, operator)
            except grpc.aio.AioRpcError as error:
                refusal = error.details() or error.code().name
            except _DeadKey as error:
                refusal = str(error)
    # Raised only now: within, it would end the server as a fault of its own.
    raise click.ClickException(refusal)


def _quiet(config: Config) -> Config:
    """Return a configuration that listens to this process alone and reaches no provider."""
    apps = {app_id: replace(app, ios=None, android=None) for app_id, app in config.apps.items()}
    server = replace(
        config.server,
        listen=Address("127.0.0.1", 0),
        plaintext=True,
        role=ServerRole.API,
        share_port=False,
        metrics_listen=None,
    )
    return replace(config, server=server, apps=apps)


async def _make(
    channel: grpc.aio.Channel, answers: Answers, folder: Path, operator: str
) -> list[Path]:
    metadata = (("authorization", f"Bearer {operator}"),)
    wanted = districts.CreateDistrictRequest(
        district_id=answers.district_id,
        district=districts.District(
            display_name=answers.display_name,
            time_zone=answers.time_zone,
            currency_code=answers.currency_code,
            licensed_kinds=common_pb2.Kind.values()[1:],
            app_ids=[app.app_id for app in answers.apps],
        ),
    )
    await DistrictServiceStub(channel).CreateDistrict(wanted, metadata=metadata)
    rights = access.GrantRightsRequest(
        district_id=answers.district_id,
        rights=[
            access.ToolRight(
                grantee_type=access.GRANTEE_TYPE_USER,
                grantee_id=answers.administrator,
                tool=tool,
                right=access.RIGHT_WRITE,
            )
            for tool in access.Tool.values()[1:]
        ],
    )
    stub = AccessServiceStub(channel)
    await stub.GrantRights(rights, metadata=metadata)
    files = []
    for name, role in KEYS.items():
        path = folder / f"{name}.key"
        if path.exists():
            await _check_kept(stub, path)
        else:
            made = await stub.CreateApiKey(_key(answers, name, role), metadata=metadata)
            write_secret(path, made.secret.encode() + b"\n")
        files.append(path)
    return files


async def _check_kept(stub: AccessServiceAsyncStub, path: Path) -> None:
    """Check that a key file that is there is of this database; a click error names it if not."""
    credential = read_secret(path).decode("utf-8", "replace").strip()
    metadata = (("authorization", f"Bearer {credential}"),)
    try:
        await stub.GetCaller(access.GetCallerRequest(), metadata=metadata)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
            raise
        raise _DeadKey(f"{path} holds no key of this server: remove it, and run again") from None


class _DeadKey(Exception):
    """A key file is left of another database."""


def _key(answers: Answers, name: str, role: access.Role.ValueType) -> access.CreateApiKeyRequest:
    user_id = answers.administrator if role == access.ROLE_ADMINISTRATOR else ""
    return access.CreateApiKeyRequest(
        district_id=answers.district_id,
        api_key=access.ApiKey(role=role, display_name=name, user_id=user_id),
    )
