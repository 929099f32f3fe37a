"""The configuration file that the set-up writes, with comments on what nobody asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from schoolbell_server.setup.answers import Answers, AppAnswers

DATA_DIR = "schoolbell-data"
"""Beside the configuration file."""

_HEAD = """\
# Schoolbell. Paths are relative to this file; an unknown key refuses to start.
# Every key and its default: docs/operations.md, "Configuration".
"""
_OWN_CERTIFICATE = """\
# Without a certificate of your own the server makes an authority and a certificate in the data
# directory: give callers tls/ca.pem from there. With one:
# [server.tls]
# certificate_file = "/etc/schoolbell/fullchain.pem"
# key_file = "/etc/schoolbell/privkey.pem"
"""
_METRICS = """\
# metrics_listen = "127.0.0.1:9101"  # Prometheus
"""
_SQLITE = """\
# SQLite in the data directory, for one server. For several, PostgreSQL:
# [storage]
# url_file = "/etc/schoolbell/database-url"  # its only line: postgresql://user:password@host/name
"""
_NO_APPS = """\
# No app is configured yet: nobody is told anything. One that reaches phones looks like this; add
# it to the district then: schoolbell districts update --app parent
# [apps.parent]
# kind = "parent"
# [apps.parent.ios]
# topic = "org.example.parent"  # the bundle id
# team_id = "ABCDE12345"
# key_file = "AuthKey_ABC1234567.p8"
# [apps.parent.android]
# project_id = "example-parent"
# service_account_file = "service-account.json"
"""


def render(answers: Answers) -> str:
    """Return the text of the configuration file."""
    return "".join(f"{part}\n" for part in _parts(answers)).rstrip("\n") + "\n"


def _parts(answers: Answers) -> Iterator[str]:
    yield _HEAD
    listen, data_dir = _text(str(answers.listen)), _text(DATA_DIR)
    yield f"[server]\nlisten = {listen}\ndata_dir = {data_dir}\n{_METRICS}"
    if answers.names:
        names = ", ".join(map(_text, answers.names))
        yield f"[server.tls]\nnames = [{names}]  # of the certificate that the server makes\n"
    else:
        yield _OWN_CERTIFICATE
    if answers.storage_url_file is None:
        yield _SQLITE
    else:
        yield f"[storage]\nurl_file = {_path(answers.storage_url_file)}\n"
    if not answers.apps:
        yield _NO_APPS
    for app in answers.apps:
        yield _app(app, answers)


def _app(app: AppAnswers, answers: Answers) -> str:
    lines = [f"[apps.{app.app_id}]", f"kind = {_text(app.kind.name.lower())}"]
    if app.ios_topic and answers.ios_key_file is not None:
        lines += [
            f"[apps.{app.app_id}.ios]",
            f"topic = {_text(app.ios_topic)}",
            f"team_id = {_text(answers.ios_team_id)}",
            f"key_file = {_path(answers.ios_key_file)}",
        ]
    if app.service_account_file is not None:
        lines += [
            f"[apps.{app.app_id}.android]",
            f"project_id = {_text(_project(app.service_account_file))}",
            f"service_account_file = {_path(app.service_account_file)}",
        ]
    return "\n".join([*lines, ""])


def _project(service_account_file: Path) -> str:
    """Return the project that a service account names; '' where it names none."""
    try:
        found = json.loads(service_account_file.read_bytes())
    except (OSError, ValueError):
        return ""  # loading the configuration says what is wrong with the file
    project = found.get("project_id") if isinstance(found, dict) else None
    return project if isinstance(project, str) else ""


def _path(path: Path) -> str:
    return _text(str(path))


def _text(text: str) -> str:
    """Return a TOML string; JSON's are a part of TOML's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
