"""The audit log of a running service is sealed, exported and checked, with and without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from schoolbell import AsyncClient
from schoolbell.errors import InvalidArgument
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import status_service_pb2
from schoolbell_server.config import Config
from schoolbell_server.config.model import AuditConfig
from schoolbell_storage.tables import audit_entry
from tests.service.command import schoolbell
from tests.service.granting import READ, SETTINGS, add_district, grant, right
from tests.service.scene import MOTHER
from tests.service.stored import stored
from tests.service.test_operator_key import server_command
from tests.service.test_person_data import erase, live
from tests.service.whole import DISTRICT, whole
from tests.storage.engines import databases


async def verify(
    client: AsyncClient, district_id: str = DISTRICT, **head: Any
) -> access.VerifyAuditLogResponse:
    asked = access.AuditHead(**head) if head else None
    return await client.access.VerifyAuditLog(
        access.VerifyAuditLogRequest(district_id=district_id, head=asked)
    )


@databases()
async def test_a_log_is_whole_through_erasures_and_a_forged_one_is_not(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await live(service)
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            before = await verify(client)
            assert before.fault == access.AUDIT_FAULT_UNSPECIFIED
            assert before.entry_count == before.head.entry_number > 20
            assert (before.first_entry_number, before.erased_entry_count) == (1, 0)
            await erase(service, MOTHER)
            after = await verify(client, digest=before.head.digest)
            shown = await client.status.GetStatus(
                status_service_pb2.GetStatusRequest(district_id=DISTRICT)
            )
            kept = shown.state.audit_head
            assert kept.entry_number >= before.head.entry_number
            found = await verify(client, digest=kept.digest, entry_number=kept.entry_number)
            assert found.fault == access.AUDIT_FAULT_UNSPECIFIED
            assert after.fault == access.AUDIT_FAULT_UNSPECIFIED
            assert after.erased_entry_count > 3
            assert after.entry_count > before.entry_count
            other = await verify(client, digest="0" * 64)
            assert other.fault == access.AUDIT_FAULT_HEAD_MISSING
            with pytest.raises(InvalidArgument) as refused:
                await verify(client, digest="x", entry_number=-1)
            assert {bad.path for bad in refused.value.fields} == {
                "head.digest",
                "head.entry_number",
            }
            async with stored(service) as storage, storage.write() as connection:
                await connection.execute(
                    update(audit_entry)
                    .where(audit_entry.c.target == "settings", audit_entry.c.salt != "")
                    .values(acting_user_id="somebody")
                )
            forged = await verify(client)
            assert forged.fault == access.AUDIT_FAULT_CONTENT_CHANGED
            assert forged.audit_entry_id
        async with service.client() as operator:
            assert (await verify(operator, "-")).fault == access.AUDIT_FAULT_UNSPECIFIED


async def test_an_export_is_written_as_entries_happen_and_checked_offline(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"

    def exporting(config: Config) -> Config:
        return replace(config, audit=AuditConfig(export_file=file))

    async with whole(tmp_path, adapt=exporting) as service:
        await service.create_district()
        await add_district(service, "oak-county")
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            await grant(client, right("ada", SETTINGS, READ))
            head = (await verify(client)).head
            assert file.stat().st_mode & 0o077 == 0
        online = await schoolbell(
            service, access.ROLE_ADMINISTRATOR, "audit", "verify", "--head", head.digest
        )
        assert online.code == 0, online.err
        async with service.client() as operator:
            await verify(operator, "oak-county")
        good = await server_command(service, "audit", "verify", str(file), "--head", head.digest)
        assert good.code == 0, good.err
        assert f"{DISTRICT}: whole, {head.entry_number} entries" in good.out
        lines = file.read_text().splitlines(keepends=True)
        assert sum(DISTRICT in line for line in lines) >= head.entry_number
        cut = tmp_path / "cut.jsonl"
        cut.write_text("".join(line for line in lines if "rights/user/ada" not in line))
        bad = await server_command(service, "audit", "verify", str(cut), "--head", head.digest)
        assert bad.code == 1
        forged = tmp_path / "forged.jsonl"
        forged.write_text("".join(lines).replace('"principal"', '"somebody"'))
        assert (await server_command(service, "audit", "verify", str(forged))).code == 1
        empty = tmp_path / "empty.jsonl"
        empty.write_text("\n")
        nothing = await server_command(service, "audit", "verify", str(empty))
        assert (nothing.code, "holds no entry" in nothing.err) == (1, True)
        none = await server_command(service, "audit", "verify", __file__)
        assert none.code == 1
        assert "Traceback" not in none.err
