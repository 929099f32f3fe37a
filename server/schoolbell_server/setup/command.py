"""The `schoolbell-server init` command."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from schoolbell_server.config import Config, ConfigError, load_config
from schoolbell_server.domain.kinds import AppType
from schoolbell_server.run_command import run_command
from schoolbell_server.setup.answers import (
    PARENT_APP,
    STUDENT_APP,
    Answers,
    AppAnswers,
    ask,
    read_address,
    read_file,
)
from schoolbell_server.setup.config_file import DATA_DIR, render

CONFIG_FILE = "schoolbell.toml"
KEYS_FOLDER = "keys"

Given = Mapping[str, str | None]


@click.command()
@click.option("--dir", "folder", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--district", help="Id of the first district, such as maple.")
@click.option("--display-name", help="Its name, as families read it.")
@click.option("--time-zone", help="Of the district, such as America/Chicago.")
@click.option("--currency", default="USD", show_default=True, help="Of its lunch accounts.")
@click.option("--administrator", help="User id, in the SIS, of the first administrator.")
@click.option("--listen", help="Host and port; 127.0.0.1:7443 if nobody says otherwise.")
@click.option("--name", "names", multiple=True, help="Host name by which callers reach it.")
@click.option("--storage-url-file", help="File with PostgreSQL's URL; without it, SQLite.")
@click.option("--ios-key-file", help="Apple's signing key, AuthKey_<key id>.p8.")
@click.option("--ios-team", help="Apple's team id.")
@click.option("--parent-topic", help="Bundle id of the parents' iOS app.")
@click.option("--student-topic", help="Bundle id of the students' iOS app.")
@click.option("--parent-service-account", help="Firebase service account of the parents' app.")
@click.option("--student-service-account", help="Firebase service account of the students' app.")
@click.option("--force", is_flag=True, help="Write over a configuration that is there.")
def init_command(
    *, folder: Path, currency: str, names: tuple[str, ...], force: bool, **given: str | None
) -> None:
    r"""Set a server up: configuration, first district, keys, an administrator's rights.

    What no option says is asked. No server may be running on the same data directory.

    \b
    Example, with an iOS app for parents:
      schoolbell-server init --district maple --time-zone America/Chicago \
        --administrator principal --ios-key-file AuthKey_ABC1234567.p8 \
        --ios-team ABCDE12345 --parent-topic org.example.parent
    """
    path = folder / CONFIG_FILE
    if path.exists() and not force:
        raise click.ClickException(f"{path} is there already; --force writes over it")
    answers = _answers(given, currency, names)
    folder.mkdir(parents=True, exist_ok=True)
    with _draft(path, render(answers)) as config:
        from schoolbell_server.setup.making import make_district

        files = run_command(make_district(config, answers, folder / KEYS_FOLDER))
    _tell(path, config, answers, files)


def _answers(given: Given, currency: str, names: tuple[str, ...]) -> Answers:
    """Return what was given and what was asked."""
    district_id = ask(given["district"], "--district", "Id of the first district")
    display_name = ask(given["display_name"], "--display-name", "Its name", district_id)
    time_zone = ask(given["time_zone"], "--time-zone", "Its time zone", "America/Chicago")
    administrator = ask(
        given["administrator"], "--administrator", "User id, in the SIS, of its administrator"
    )
    listen = read_address(ask(given["listen"], "--listen", "Listen on", "127.0.0.1:7443"))
    if not names and not listen.is_loopback:
        named = ask(None, "--name", "Host name by which callers reach the server", "")
        names = (named,) if named else ()
    storage = read_file(given["storage_url_file"] or "", "--storage-url-file")
    key = read_file(
        ask(given["ios_key_file"], "--ios-key-file", "Apple's .p8 key (empty: no iOS)", ""),
        "--ios-key-file",
    )
    team = ask(given["ios_team"], "--ios-team", "Apple's team id") if key else ""
    return Answers(
        district_id=district_id,
        display_name=display_name,
        time_zone=time_zone,
        currency_code=currency,
        administrator=administrator,
        listen=listen,
        names=names,
        storage_url_file=storage,
        ios_key_file=key,
        ios_team_id=team,
        apps=tuple(
            app
            for app in (
                _app(given, PARENT_APP, AppType.PARENT, ios=key is not None),
                _app(given, STUDENT_APP, AppType.STUDENT, ios=key is not None),
            )
            if app.ios_topic or app.service_account_file
        ),
    )


def _app(given: Given, app_id: str, kind: AppType, *, ios: bool) -> AppAnswers:
    whose = f"the {app_id}s' app (empty: none)"
    topic = ask(given[f"{app_id}_topic"], "", f"iOS bundle id of {whose}", "") if ios else ""
    option = f"--{app_id}-service-account"
    account = ask(given[f"{app_id}_service_account"], "", f"Firebase account of {whose}", "")
    return AppAnswers(
        app_id=app_id,
        kind=kind,
        ios_topic=topic,
        service_account_file=read_file(account, option),
    )


@contextmanager
def _draft(path: Path, text: str) -> Iterator[Config]:
    """Yield a configuration as the server reads it, and put it in place if all went well."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, encoding="utf-8")
    try:
        yield load_config(draft, {}, check_files=True)
        draft.replace(path)
    except ConfigError as error:
        raise click.ClickException("\n".join(error.problems)) from None
    finally:
        draft.unlink(missing_ok=True)


def _tell(path: Path, config: Config, answers: Answers, files: list[Path]) -> None:
    listen, name = config.server.listen, (answers.names or ("localhost",))[0]
    ca = path.parent / DATA_DIR / "tls" / "ca.pem"
    command = (
        f"schoolbell --target {name}:{listen.port} --ca-file {shlex.quote(str(ca))} "
        f"--district {shlex.quote(answers.district_id)} --key-file"
    )
    keys = {file.stem: shlex.quote(str(file)) for file in files}
    click.echo(f"Wrote {path}, and {', '.join(str(file) for file in files)} (mode 0600).")
    if not answers.apps:
        click.echo(f"No app is configured yet; {path} shows how.")
    click.echo("Next:")
    click.echo(f"  schoolbell-server serve --config {shlex.quote(str(path))}")
    click.echo(
        f"  {command} {keys['publisher']} roster import --oneroster FOLDER --relationships FILE"
        " --active-year YEAR"
    )
    click.echo(f"  {command} {keys['administrator']} settings set --enable")
