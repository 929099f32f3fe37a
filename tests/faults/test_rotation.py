"""Keys and certificates replaced under a running service, amid a steady stream of changes."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import json
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partialmethod
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from schoolbell.v1 import delivery_pb2
from schoolbell_sandbox.certificates import Authority, private_pem
from schoolbell_sandbox.credentials import load
from schoolbell_sandbox.oauth import ServiceAccount
from schoolbell_sandbox.provider_token import ApnsKey
from schoolbell_server.config import Config
from schoolbell_server.security.tls import ServerTls
from tests.service.following import PATIENCE, Followed, following
from tests.service.scene import FATHER, MOTHER, STUDENT, phone, populate, publish, register, tasks
from tests.service.whole import PARENT_APP, STUDENT_APP, TOPICS, Whole, whole
from tests.unit.gateways.keys import write_key

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
NEW_KEY, NEW_ACCOUNT = "NEWKEY1234", "new@schoolbell-sandbox.iam.gserviceaccount.com"


async def test_every_credential_is_replaced_under_load_without_a_failed_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parents' app signs, the students' shows a certificate, Android has an account."""
    often = partialmethod(ServerTls.watch, dt.timedelta(milliseconds=200))
    monkeypatch.setattr(ServerTls, "watch", often)
    keys, certificate = tmp_path / "keys", tmp_path / "push.pem"
    account = tmp_path / "sandbox" / "service-account.json"
    keys.mkdir()

    def adapt(config: Config) -> Config:
        """Point the apps at files that can be replaced."""
        parent, student = config.apps[PARENT_APP], config.apps[STUDENT_APP]
        assert parent.ios is not None
        assert parent.ios.key_file is not None
        assert student.ios is not None
        old = keys / f"AuthKey_{parent.ios.key_id}.p8"
        old.write_bytes(parent.ios.key_file.read_bytes())
        (keys / "current.p8").symlink_to(old)
        by_key = replace(parent.ios, key_id="", key_file=keys / "current.p8")
        by_certificate = replace(
            student.ios, key_id="", team_id="", key_file=None, certificate_file=certificate
        )
        found = load(tmp_path / "sandbox")
        assert found is not None
        _issue(found[0].authority, certificate)
        return replace(
            config,
            apps={
                PARENT_APP: replace(parent, ios=by_key),
                STUDENT_APP: replace(student, ios=by_certificate),
            },
        )

    async with whole(tmp_path, adapt=adapt) as service:
        await populate(service)
        await register(service, phone(MOTHER), phone(STUDENT), phone(FATHER, ios=False))
        async with following(service) as followed, _stream(service):
            await _more(followed)
            await _replace_key(service, keys, followed)
            await _replace_certificate(service, certificate, followed)
            await _replace_account(service, account, followed)
            await _replace_own_certificate(service)
            await _more(followed)
        found = list(followed.deliveries.values())
    assert {one.attempt_count for one in found if one.state == ACCEPTED} == {1}
    assert service.sandbox.ledger.totals().duplicates == 0


@asynccontextmanager
async def _stream(service: Whole) -> AsyncIterator[None]:
    """Publish change after change while the block runs, each over a connection of its own."""

    async def keep_publishing() -> None:
        for number in itertools.count():
            await publish(service, *tasks(number, 1))
            await asyncio.sleep(0.05)  # steady, and not all that the machine can do

    task = asyncio.create_task(keep_publishing())
    try:
        yield
    finally:
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(ended, asyncio.CancelledError), ended


async def _more(followed: Followed) -> None:
    """Wait until four more deliveries of each phone have been accepted."""

    def accepted() -> list[int]:
        found = [one for one in followed.deliveries.values() if one.state == ACCEPTED]
        return [sum(one.user_id == user for one in found) for user in (MOTHER, STUDENT, FATHER)]

    before = accepted()
    await followed.until(
        lambda _: all(now >= then + 4 for now, then in zip(accepted(), before, strict=True))
    )


async def _replace_key(service: Whole, keys: Path, followed: Followed) -> None:
    """Let Apple know both keys, move the link, then let Apple forget the old one."""
    own, known = service.sandbox.credentials, service.sandbox.apns.keys
    public = write_key(keys / f"AuthKey_{NEW_KEY}.p8")
    known.add_key(ApnsKey(key_id=NEW_KEY, team_id=own.apns_team_id, public_key=public))
    (keys / "next").symlink_to(keys / f"AuthKey_{NEW_KEY}.p8")
    os.replace(keys / "next", keys / "current.p8")
    await _more(followed)
    known.remove_key(own.apns_key_id)


def _issue(authority: Authority, certificate: Path) -> None:
    """Write a push certificate in one stroke."""
    pem = authority.client(TOPICS[STUDENT_APP])
    fresh = certificate.with_suffix(".new")
    fresh.write_bytes(pem.certificate + pem.key)
    os.replace(fresh, certificate)


async def _replace_certificate(service: Whole, certificate: Path, followed: Followed) -> None:
    before = set(service.sandbox.apns_listener.connections)
    _issue(service.sandbox.credentials.authority, certificate)
    await _more(followed)
    assert set(service.sandbox.apns_listener.connections) - before


async def _replace_account(service: Whole, file: Path, followed: Followed) -> None:
    """Let Google know both accounts, replace the file, then let Google forget the old one."""
    box = service.sandbox
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    projects = frozenset({box.credentials.fcm_project_id, box.credentials.fcm_project_number})
    box.fcm.oauth.add_account(
        ServiceAccount(client_email=NEW_ACCOUNT, public_key=key.public_key(), projects=projects)
    )
    new = {"client_email": NEW_ACCOUNT, "private_key": private_pem(key).decode()}
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps({**box.service_account, **new}))
    os.replace(fresh, file)
    await _more(followed)
    box.fcm.oauth.remove_account(box.credentials.fcm_client_email)  # and its access tokens
    await _more(followed)
    assert box.fcm.oauth.calls == 2


async def _replace_own_certificate(service: Whole) -> None:
    """Take the server's own certificate away, and wait until a new one is shown."""
    assert service.server is not None
    address = ("localhost", service.server.port)
    before = await asyncio.to_thread(ssl.get_server_certificate, address)
    (service.config.server.data_dir / "tls" / "server.pem").unlink()
    async with asyncio.timeout(PATIENCE):
        while True:
            if await asyncio.to_thread(ssl.get_server_certificate, address) != before:
                return
            await asyncio.sleep(0.1)
