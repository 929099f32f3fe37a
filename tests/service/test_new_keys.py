"""Keys that the server has just made work at once, however many they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server.config import Config, LimitsConfig
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
