"""Tokens of an identity provider at a whole service: who is let in, as whom, and for how long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode

from schoolbell.errors import (
    FailedPrecondition,
    InvalidArgument,
    PermissionDenied,
    SchoolbellError,
    Unauthenticated,
)
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2, settings_service_pb2
from schoolbell.v1.status_pb2 import WARNING_CODE_CREDENTIAL_INVALID
from schoolbell.v1.status_service_pb2 import GetStatusRequest, WatchStatusRequest
from schoolbell_server.address import Address
from schoolbell_server.config import Config, IdentityConfig
from schoolbell_server.security.api_key import Role
from schoolbell_server.security.permissions import RULES
from tests.identity.provider import Provider, SigningKey, issuer, provider, unsigned
from tests.service.granting import (
    ACCESS,
    GROUP,
    READ,
    SETTINGS,
    WRITE,
    add_district,
    administrator,
    create,
    entries,
    grant,
    revoke,
    right,
)
from tests.service.ports import free_port
from tests.service.scene import MOTHER, restore
from tests.service.test_metrics import scrape
from tests.service.test_permissions import Calls, plain
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import SQLITE, databases
from tests.unit.contract import methods

TOKEN = common_pb2.PRINCIPAL_TYPE_TOKEN
OAK = "oak-county"


@dataclass
class Signed:
    """A service, and the provider whose tokens it takes."""

    service: Whole
    provider: Provider
    metrics: int
    """The port of them."""

    @asynccontextmanager
    async def client(self, **claims: Any) -> AsyncIterator[Any]:
        """Open a client that shows a token with these claims."""
        async with self.service.client_of(self.provider.token(**claims)) as client:
            yield client

    async def caller(self, **claims: Any) -> access.GetCallerResponse:
        """Return whom the service takes the holder of a token for."""
        async with self.client(**claims) as client:
            answer: access.GetCallerResponse = await client.access.GetCaller(
                access.GetCallerRequest()
            )
        return answer


@asynccontextmanager
async def signed(folder: Path, database: str = SQLITE, **fields: Any) -> AsyncIterator[Signed]:
    """Run a service with a district, and an issuer of which these settings are other ones."""

    def adapt(config: Config) -> Config:
        url = {"jwks_url": given.url, "ca_file": folder / "provider-ca.pem"}
        trusted = issuer(**{"group_claim": "groups", **url, **fields})
        server = replace(config.server, metrics_listen=Address("127.0.0.1", port))
        identity = IdentityConfig(issuers={trusted.name: trusted})
        return replace(config, server=server, identity=identity)

    port = free_port()
    async with (
        provider(folder) as given,
        whole(folder, adapt=adapt, database=database) as service,
    ):
        await service.create_district()
        yield Signed(service, given, port)


@databases()
async def test_a_person_signs_in_and_is_named_by_everything(database: str, tmp_path: Path) -> None:
    async with signed(tmp_path, database) as at:
        async with at.service.client() as operator:
            await grant(operator, right("ada", SETTINGS, WRITE), right("ada", ACCESS, READ))
        end = int(time.time()) + 300
        found = await at.caller(exp=end)
        assert found.principal == common_pb2.Principal(type=TOKEN, id="ada", acting_user_id="ada")
        assert list(found.roles) == [access.ROLE_ADMINISTRATOR]
        assert list(found.district_ids) == [DISTRICT]
        (rights,) = found.rights
        assert [(one.tool, one.right) for one in rights.rights] == [
            (SETTINGS, WRITE),
            (ACCESS, READ),
        ]
        assert found.expire_time.seconds == end
        async with at.client() as client:
            settings = settings_service_pb2.Settings(enabled=False)
            request = settings_service_pb2.UpdateSettingsRequest(
                district_id=DISTRICT, settings=settings, update_mask=FieldMask(paths=["enabled"])
            )
            answer = await client.settings.UpdateSettings(request)
            assert answer.settings.updater == found.principal
            assert (await entries(client))[0].principal == found.principal


async def test_rights_of_groups_are_given_and_taken_away(tmp_path: Path) -> None:
    async with signed(tmp_path) as at:
        ask = GetStatusRequest(district_id=DISTRICT)
        async with at.service.client() as operator, at.client(groups=["office", "other"]) as client:
            with pytest.raises(PermissionDenied):
                await client.status.GetStatus(ask)
            assert await grant(operator, right("office", SETTINGS, READ, GROUP))
            await client.status.GetStatus(ask)
            await grant(operator, right("ada", SETTINGS, WRITE))
            (rights,) = (await at.caller(groups=["office"])).rights
            assert [(one.tool, one.right) for one in rights.rights] == [(SETTINGS, WRITE)]
            await revoke(operator, right("ada", SETTINGS, READ))
            await client.status.GetStatus(ask)
            with pytest.raises(PermissionDenied):
                async with at.client(groups=["others"]) as other:
                    await other.status.GetStatus(ask)
            await revoke(operator, right("office", SETTINGS, READ, GROUP))
            with pytest.raises(PermissionDenied):
                await client.status.GetStatus(ask)


async def test_groups_are_granted_nothing_where_no_issuer_names_them(tmp_path: Path) -> None:
    async with signed(tmp_path, group_claim="") as at, at.service.client() as operator:
        with pytest.raises(InvalidArgument) as refused:
            await grant(operator, right("office", SETTINGS, READ, GROUP))
        assert [bad.path for bad in refused.value.fields] == ["rights[0].grantee_type"]


async def refusal(at: Signed, token: str) -> tuple[StatusCode, str, str]:
    """Return how a call with a token is refused: code, reason and text."""
    async with at.service.client_of(token) as client:
        with pytest.raises(SchoolbellError) as refused:
            await client.access.GetCaller(access.GetCallerRequest())
    return refused.value.code, refused.value.reason, str(refused.value)


async def test_a_forged_token_is_told_nothing_and_a_genuine_one_what_is_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with signed(tmp_path) as at:
        sign, now = at.provider.token, int(time.time())
        forged = [
            sign(key=SigningKey.make("k1")),
            sign(key=SigningKey.make("k2")),
            sign(iss="https://login.example/"),
            sign(key=SigningKey.make("k1"), exp=1),
            unsigned({"iss": "https://login.maple.example/"}),
            "a.b.c",
        ]
        texts = {await refusal(at, token) for token in forged}
        async with at.service.client_of("sb_a_b") as client:
            with pytest.raises(Unauthenticated) as unknown:
                await client.access.GetCaller(access.GetCallerRequest())
        assert texts == {(StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", str(unknown.value))}
        code, reason, text = await refusal(at, sign(exp=now - 60))
        assert (code, reason) == (StatusCode.UNAUTHENTICATED, "KEY_EXPIRED")
        for claims, word in (
            ({"nbf": now + 60}, "not good yet"),
            ({"aud": "other"}, "audience"),
            ({"sub": 7}, "claim sub"),
            ({"groups": 7}, "claim groups"),
        ):
            code, reason, text = await refusal(at, sign(**claims))
            assert (code, reason) == (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
            assert word in text
        lines = [one for one in caplog.records if one.getMessage() == "token refused"]
        assert {vars(one)["reason"] for one in lines} == {
            "SIGNATURE",
            "KEY_UNKNOWN",
            "ISSUER",
            "ALGORITHM",
            "FORM",
            "EXPIRED",
            "NOT_YET_VALID",
            "AUDIENCE",
            "CLAIM",
        }
        assert "eyJ" not in caplog.text
        values = await scrape(at.metrics)
        assert sum(n for (of, _), n in values.items() if of == "schoolbell_tokens_refused_total")


async def test_an_issuer_speaks_for_its_districts_and_gives_its_roles(tmp_path: Path) -> None:
    roles = (Role.MONITOR, Role.PUBLISHER)
    fields: dict[str, Any] = {
        "roles": roles,
        "role_claim": "role",
        "district_claim": "districts",
    }
    async with signed(tmp_path, **fields) as at:
        await add_district(at.service, OAK)
        found = await at.caller(role="monitor", districts=[DISTRICT, OAK])
        assert list(found.district_ids) == [DISTRICT]
        async with at.client(role="monitor", districts=[DISTRICT, OAK]) as client:
            await client.status.GetStatus(GetStatusRequest(district_id=DISTRICT))
            with pytest.raises(PermissionDenied):
                await client.status.GetStatus(GetStatusRequest(district_id=OAK))
        for claims in (
            {"role": "monitor", "districts": OAK},
            {"role": "operator", "districts": DISTRICT},
            {"role": "administrator", "districts": DISTRICT},
        ):
            with pytest.raises(PermissionDenied):
                await at.caller(**claims)


async def test_every_rpc_answers_a_token_of_each_role_as_its_rule_says(tmp_path: Path) -> None:
    wrong = []
    fields: dict[str, Any] = {"roles": tuple(Role), "role_claim": "role"}
    async with (
        signed(tmp_path, **fields) as at,
        at.service.connection().aio_channel() as channel,
    ):
        for role in Role:
            token = at.provider.token(role=role.name.lower(), sub="principal")
            calls = Calls(channel, (("authorization", f"Bearer {token}"),))
            for method in methods():
                code = await calls.send(method, plain(method))
                denied = code is StatusCode.PERMISSION_DENIED
                if denied == (role in RULES[calls.name(method)].roles):
                    wrong.append((calls.name(method), role.name, code))
    assert not wrong


async def test_keys_rotate_and_a_withdrawn_one_ends_what_it_opened(tmp_path: Path) -> None:
    async with signed(tmp_path, roles=(Role.MONITOR,), jwks_pause=timedelta(0)) as at:
        (old,) = at.provider.keys
        async with at.client() as client:
            stream = client.status.WatchStatus(WatchStatusRequest(district_id=DISTRICT))
            await stream.wait_for_connection()
            fresh = SigningKey.make("k2", "ES256")
            at.provider.keys = [old, fresh]
            await at.caller(key=fresh)
            await client.access.GetCaller(access.GetCallerRequest())
            last = SigningKey.make("k3")
            at.provider.keys = [fresh, last]
            await at.caller(key=last)
            assert await _end(stream) == "UNAUTHENTICATED"
        with pytest.raises(Unauthenticated):
            await at.caller(key=old)
        await at.caller(key=fresh)


async def test_a_stream_ends_with_its_token_and_with_its_rights(tmp_path: Path) -> None:
    async with signed(tmp_path) as at, at.service.client() as operator:
        await grant(operator, right("ada", SETTINGS, READ))
        request = WatchStatusRequest(district_id=DISTRICT)
        async with at.client() as client, at.client(exp=int(time.time()) - 27) as late:
            streams = [one.status.WatchStatus(request) for one in (client, late)]
            reading = [asyncio.create_task(_end(stream)) for stream in streams]
            assert await reading[1] == "KEY_EXPIRED"
            await revoke(operator, right("ada", SETTINGS, READ))
            assert await reading[0] == "KEY_REVOKED"


async def _end(stream: Any) -> str:
    try:
        while True:
            await stream.read()
    except SchoolbellError as error:
        return error.reason


async def test_a_subject_has_its_share_whatever_number_of_tokens_it_shows(tmp_path: Path) -> None:
    def one_call(config: Config) -> Config:
        return replace(config, limits=replace(config.limits, key_calls=1))

    async with signed(tmp_path, roles=(Role.MONITOR,)) as at:
        await at.service.stop()
        at.service.config = one_call(at.service.config)
        await at.service.start()
        request = WatchStatusRequest(district_id=DISTRICT)
        async with at.client() as client, at.client(sub="eve") as other:
            stream = client.status.WatchStatus(request)
            await stream.wait_for_connection()
            code, reason, _ = await refusal(at, at.provider.token(jti="another"))
            assert (code, reason) == (StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
            await other.access.GetCaller(access.GetCallerRequest())
            stream.cancel()


async def test_an_issuer_that_is_away_is_told_to_who_looks(tmp_path: Path) -> None:
    async with signed(tmp_path) as at:
        await at.caller()
        await at.service.stop()
        at.provider.status = 500
        await at.service.start()
        with pytest.raises(Unauthenticated):
            await at.caller()
        async with at.service.client() as operator:
            status = await operator.status.GetStatus(GetStatusRequest(district_id=DISTRICT))
        (found,) = [
            one for one in status.state.warnings if one.code == WARNING_CODE_CREDENTIAL_INVALID
        ]
        assert found.metadata["setting"] == "identity.issuers.maple.jwks_url"


async def test_the_last_who_can_hand_out_access_may_be_one_with_a_token(tmp_path: Path) -> None:
    async with signed(tmp_path) as at, at.service.client() as operator:
        await add_district(at.service, OAK)
        for name, kind in (("office", GROUP), ("bob", access.GRANTEE_TYPE_USER)):
            await grant(operator, right(name, ACCESS, WRITE, kind))
        await revoke(operator, right("principal", ACCESS, READ))
        async with at.client(groups=["office"]) as client:
            await revoke(client, right("bob", ACCESS, READ))
            with pytest.raises(FailedPrecondition) as refused:
                await revoke(client, right("office", ACCESS, WRITE, GROUP))
            assert refused.value.reason == "LAST_ACCESS"


async def test_a_key_that_a_token_makes_has_the_persons_own_rights(tmp_path: Path) -> None:
    async with signed(tmp_path) as at, at.service.client() as operator:
        await grant(operator, right("office", ACCESS, WRITE, GROUP))
        async with at.client(groups=["office"]) as client:
            made = await create(client, role=access.ROLE_ADMINISTRATOR)
            assert made.api_key.user_id == "ada"
            with pytest.raises(PermissionDenied):
                await create(client, role=access.ROLE_PUBLISHER)
        async with at.service.client_of(made.secret) as client:
            with pytest.raises(PermissionDenied):
                await entries(client)


@databases()
async def test_an_erased_person_is_not_named_by_their_subject_either(
    database: str, tmp_path: Path
) -> None:
    async with signed(tmp_path, database, user_claim="staff") as at:
        await restore(at.service)
        async with at.service.client() as operator:
            await grant(operator, right(MOTHER, SETTINGS, WRITE))
        async with at.client(sub="x-77", staff=MOTHER) as client:
            saved = settings_service_pb2.UpdateSettingsRequest(
                district_id=DISTRICT,
                settings=settings_service_pb2.Settings(enabled=False),
                update_mask=FieldMask(paths=["enabled"]),
            )
            page = await client.settings.UpdateSettings(saved)
            assert page.settings.updater.id == "x-77"
        secret = await administrator(at.service, "head", right("head", ACCESS, WRITE))
        async with at.service.client_of(secret) as head:
            assert "x-77" in str(await entries(head))
            erase = access.ErasePersonDataRequest(district_id=DISTRICT, user_id=MOTHER)
            await head.access.ErasePersonData(erase)
            assert "x-77" not in str(await entries(head))
        async with at.service.client(access.ROLE_ADMINISTRATOR) as principal:
            read = settings_service_pb2.GetSettingsRequest(district_id=DISTRICT)
            page = await principal.settings.GetSettings(read)
            assert page.settings.updater.id == page.settings.updater.acting_user_id == ""
