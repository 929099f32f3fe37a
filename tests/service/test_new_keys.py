"""Keys that the server has just made work at once, however many they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server.config import Config, LimitsConfig
from schoolbell_server.security.fingerprint import TokenFingerprints
from schoolbell_server.security.key_gate import Proofs
from tests.service.whole import DISTRICT, whole


def _strict(config: Config) -> Config:
    return replace(config, limits=LimitsConfig(unknown_keys=1))


async def test_new_keys_are_no_unknown_ones(tmp_path: Path) -> None:
    async with whole(tmp_path, adapt=_strict) as service:
        await service.create_district()
        async with service.client() as operator:
            answers = [
                await operator.access.CreateApiKey(
                    access.CreateApiKeyRequest(
                        district_id=DISTRICT,
                        api_key=access.ApiKey(
                            display_name=f"key {number}", role=access.ROLE_MONITOR
                        ),
                    )
                )
                for number in range(20)
            ]
        for answer in answers:
            async with service.client_of(answer.secret) as client:
                caller = await client.access.GetCaller(access.GetCallerRequest())
                assert list(caller.roles) == [access.ROLE_MONITOR]


async def test_a_repeated_request_answers_another_secret_of_the_same_key(tmp_path: Path) -> None:
    async with whole(tmp_path, adapt=_strict) as service:
        await service.create_district()
        request = access.CreateApiKeyRequest(
            district_id=DISTRICT,
            api_key=access.ApiKey(display_name="dashboard", role=access.ROLE_MONITOR),
            request_id="once",
        )
        async with service.client() as operator:
            answers = [await operator.access.CreateApiKey(request) for _ in range(10)]
        assert len({answer.api_key.api_key_id for answer in answers}) == 1
        _, key_id, secret = answers[-1].secret.split("_", 2)
        assert key_id == answers[-1].api_key.api_key_id
        fingerprints = TokenFingerprints.load(service.config.server.data_dir / "keys")
        assert Proofs(fingerprints.derive("API keys")).hold(key_id, secret)
        async with service.client_of(answers[-1].secret) as client:
            caller = await client.access.GetCaller(access.GetCallerRequest())
        assert list(caller.roles) == [access.ROLE_MONITOR]
