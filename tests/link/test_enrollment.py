"""Enrolling on the broker: repeated without harm, rotated without a gap, removed without a loss."""

from __future__ import annotations

import asyncio
import stat
import tomllib
import uuid
from pathlib import Path

import aio_pika
import pytest
from aio_pika.abc import AbstractConnection
from click.testing import CliRunner, Result

from schoolbell_server.config import load_config
from schoolbell_server.config.broker import LinkConfig
from schoolbell_server.config.secret import Secret
from schoolbell_server.config.topology import WITHDRAWALS_KEY, DistrictTopology
from schoolbell_server.demo.rabbitmq.broker import Broker
from schoolbell_server.gateways.common.trouble import BrokerTrouble
from schoolbell_server.hub import users
from schoolbell_server.hub.enrollment import Enrollment
from schoolbell_server.hub.users import EnrollmentRefused
from schoolbell_server.link.broker import connect
from schoolbell_server.link.login import Login
from schoolbell_server.link.v1 import link_pb2
from schoolbell_server.main import main
from tests.link.enrolled import administrator, enroll, some_district

PATIENCE = 60.0  # seconds


def _run(broker: Broker, folder: Path, command: str, *arguments: str) -> Result:
    """Run a command of `schoolbell-server hub` as the broker's administrator."""
    password = folder / "administrator.password"
    password.write_text(broker.password, encoding="utf-8")
    password.chmod(0o600)
    access = (
        *("--management", broker.management_url),
        *("--password-file", str(password)),
        *("--ca-file", str(broker.ca_file)),
    )
    return CliRunner().invoke(main, ["hub", command, *access, *arguments])


def _good(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def _withdrawal() -> bytes:
    """Return a message that a hub, of another test, can read."""
    one = link_pb2.Withdrawal(delivery_id=str(uuid.uuid4()))
    one.judge_time.GetCurrentTime()
    one.expire_time.GetCurrentTime()
    return link_pb2.Withdrawals(withdrawals=[one]).SerializeToString()


async def _publish(link: LinkConfig, key: str = WITHDRAWALS_KEY) -> None:
    """Publish one message, confirmed, through a district's exchange."""
    async with await connect(link) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(link.topology.exchange, ensure=False)
        await exchange.publish(aio_pika.Message(_withdrawal()), key, mandatory=True)


async def _ended(connection: AbstractConnection) -> None:
    """Wait until the broker has closed a connection."""
    ended = asyncio.Event()
    connection.close_callbacks.add(lambda *_: ended.set())
    await asyncio.wait_for(ended.wait(), PATIENCE)


async def _come_back(connection: AbstractConnection, link: LinkConfig) -> AbstractConnection:
    """Open another connection once the broker has closed one, as a server does."""
    await _ended(connection)
    return await connect(link)


def test_what_enrolling_writes_is_a_configuration_that_connects(
    broker: Broker, tmp_path: Path
) -> None:
    district, out = some_district().district, tmp_path / "out"
    address = f"localhost:{broker.ports.amqps}"
    _good(_run(broker, tmp_path, "setup"))
    shown = _good(
        _run(broker, tmp_path, "enroll", district, "--out", str(out), "--broker", address)
    )
    secret = (out / "link.password").read_text(encoding="utf-8").strip().partition(":")[2]
    assert len(secret) >= 40
    assert secret not in shown
    assert {stat.S_IMODE(file.stat().st_mode) for file in out.iterdir()} == {0o600}
    link = load_config(out / "link.toml", {}, check_files=True).link
    assert link is not None
    assert link.topology.district == district
    asyncio.run(_publish(link))


def test_enrolling_prints_the_password_once(broker: Broker, tmp_path: Path) -> None:
    district = some_district()
    _good(_run(broker, tmp_path, "setup"))
    first = _good(_run(broker, tmp_path, "enroll", district.district))
    assert f"{district.user}:" in first
    table = first[first.index("[link]") : first.index("The only line")]
    assert tomllib.loads(table)["link"]["url"] == f"amqps://{district.user}@localhost:5671"
    again = _good(_run(broker, tmp_path, "enroll", district.district))
    assert "keeps its password" in again
    assert f"{district.user}:" not in again


def test_a_hub_is_told_what_it_configures(broker: Broker, tmp_path: Path) -> None:
    shown = _good(_run(broker, tmp_path, "setup"))
    assert "[broker]" in shown
    assert 'url = "amqps://hub@localhost:5671"' in shown


async def test_enrolling_again_mends_what_is_missing(broker: Broker, tmp_path: Path) -> None:
    district = some_district()
    link = await enroll(broker, tmp_path, district)
    async with administrator(broker) as opened:
        await opened.delete("queues", "schoolbell", district.withdrawals_queue)
        await opened.delete("permissions", "schoolbell", district.user)
        await opened.delete("user-limits", district.user, "max-connections")
        with pytest.raises(BrokerTrouble):
            await _publish(link)
        await Enrollment(opened).enroll(district)
        limits = await opened.get("user-limits", district.user)
    assert limits[0]["value"]["max-connections"] == 20
    await _publish(link)


async def test_a_password_is_rotated_without_a_gap_or_a_restart(
    broker: Broker, tmp_path: Path
) -> None:
    district = some_district()
    link = await enroll(broker, tmp_path, district)
    assert link.password_file is not None
    async with administrator(broker) as opened, await connect(link) as old:
        user = Enrollment(opened).district_user(district)
        login = await user.rotate()
        assert login.user == f"{district.user}.2"
        await _publish(link)  # with the old password
        former = link.password_file.read_text(encoding="utf-8")
        link.password_file.write_text(login.line, encoding="utf-8")
        await _publish(link)  # with the new one; the settings are the same
        coming_back = asyncio.create_task(_come_back(old, link))
        assert await user.end_rotation() == [district.user]
        await (await coming_back).close()
        await _publish(link)
        link.password_file.write_text(former, encoding="utf-8")
        with pytest.raises(BrokerTrouble, match="credentials"):
            await _publish(link)
        assert await user.end_rotation() == []
        assert (await user.rotate()).user == f"{district.user}.3"


async def test_a_rotation_does_not_end_while_the_new_password_is_not_in_use(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users, "_LOOKS", 2)
    district = some_district()
    link = await enroll(broker, tmp_path, district)
    async with administrator(broker) as opened:
        user = Enrollment(opened).district_user(district)
        await user.rotate()
        with pytest.raises(EnrollmentRefused, match="nobody is connected"):
            await user.end_rotation()
        async with await connect(link):
            with pytest.raises(EnrollmentRefused, match=r"not all of 1 connections came back"):
                await user.end_rotation()
        await _publish(link)  # the old password is as good as it was
        again = await user.rotate()  # the new one was lost, say
        assert again.user == f"{district.user}.2"
        assert await user.end_rotation(now=True) == [district.user]
        with pytest.raises(BrokerTrouble, match="credentials"):
            await _publish(link)


async def test_a_district_is_removed_once_nothing_waits(broker: Broker, tmp_path: Path) -> None:
    district = some_district()
    link = await enroll(broker, tmp_path, district)
    await _publish(link, "lane.0")
    async with administrator(broker) as opened, await connect(link) as connection:
        enrollment = Enrollment(opened)
        with pytest.raises(EnrollmentRefused, match=district.request_queue(0)):
            await enrollment.remove(district)
        await _publish(link)
        ended = asyncio.create_task(_ended(connection))
        await enrollment.remove(district, discard=True)
        await ended
        names = {queue["name"] for queue in await opened.get("queues", "schoolbell")}
        assert not names & set(district.queues)
        with pytest.raises(BrokerTrouble, match="credentials"):
            await _publish(link)
        await enrollment.remove(district)  # again, in vain


def test_what_cannot_be_is_said_in_one_line(broker: Broker, tmp_path: Path) -> None:
    name = some_district().district
    for arguments, said in (
        (("enroll", "Two Words"), "DISTRICT: a district's name is 3 to 63 of a-z, 0-9 and -"),
        (("rotate", name), f"there is no user district.{name}: enroll it first"),
        (("rotate", name, "--now"), "--now needs --end"),
        (("enroll", name, "--administrator", "nobody"), "refuses the user, or its password"),
        (("enroll", name, "--management", "http://broker.example"), "must be https"),
        (("enroll", name, "--management", "broker.example"), "must be an address such as"),
        (("enroll", name, "--broker", "broker"), "--broker: must be host:port"),
        (("enroll", name, "--ca-file", __file__), "holds no certificate"),
        (("enroll", name, "--management", "https://localhost:1"), "cannot be reached"),
    ):
        result = _run(broker, tmp_path, *arguments)
        assert result.exit_code in (1, 2), result.output
        assert said in result.output
        assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "a" * 64,
        "Maple",
        "maple.2",
        "m\u00e4ple",
        "maple\n",
        "../hub",
        "a%2Fb",
        "hub.dead",
    ],
)
def test_a_name_that_could_reach_elsewhere_is_refused_before_the_broker_is_asked(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(ValueError, match="3 to 63"):
        DistrictTopology(name)
    password = tmp_path / "password"
    password.touch(mode=0o600)
    access = ("--management", "https://broker.invalid", "--password-file", str(password))
    for command in ("enroll", "rotate", "remove"):
        result = CliRunner().invoke(main, ["hub", command, *access, "--", name])
        assert (result.exit_code, "DISTRICT: " in result.output) == (1, True), result.output


def test_an_administrators_password_that_others_may_read_is_refused(
    broker: Broker, tmp_path: Path
) -> None:
    exposed = tmp_path / "exposed"
    exposed.write_text(broker.password, encoding="utf-8")
    exposed.chmod(0o644)
    result = _run(broker, tmp_path, "setup", "--password-file", str(exposed))
    assert "may be read by others" in result.output


@pytest.mark.parametrize(
    ("line", "user", "password"),
    [
        ("district.north.2:secret", "district.north.2", "secret"),
        ("district.north:secret", "district.north", "secret"),
        ("secret", "district.north", "secret"),
        ("sec:ret", "district.north", "sec:ret"),
        ("district.south:secret", "district.north", "district.south:secret"),
        ("district.north.0:secret", "district.north", "district.north.0:secret"),
        ("district.northern.2:secret", "district.north", "district.northern.2:secret"),
        ("district.north.2:", "district.north", "district.north.2:"),
    ],
)
def test_a_password_file_names_the_same_user_at_another_rotation_only(
    line: str, user: str, password: str
) -> None:
    assert Login.read(line, "district.north") == Login(user, Secret(password))
