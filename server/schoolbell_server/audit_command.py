"""`schoolbell-server audit`: check an export of audit logs, without a server or a database."""

from __future__ import annotations

from pathlib import Path

import click

from schoolbell_server.printable import printable
from schoolbell_storage.audit_chain import ChainFault, Check, Head, check_export


@click.group("audit")
def audit_command() -> None:
    """Check what `audit.export_file` holds."""


@audit_command.command()
@click.argument("export", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--head", default="", help="A digest that was kept elsewhere: a log must have it.")
def verify(export: Path, head: str) -> None:
    """Check that nothing was changed in an export or taken out of it."""
    try:
        with export.open(encoding="utf-8") as file:
            checks = check_export(file, Head(0, head.strip().lower()) if head else None)
    except UnicodeDecodeError:
        raise click.ClickException(f"{export}: is not UTF-8 text") from None
    except ValueError as error:
        raise click.ClickException(f"{export}: {error}") from None
    if not checks:
        raise click.ClickException(f"{export}: holds no entry")
    for district_id, check in checks.items():
        click.echo(printable(f"{district_id}: {_found(check)}"))
    if not _good(list(checks.values()), head):
        raise SystemExit(1)


def _good(checks: list[Check], head: str) -> bool:
    """Return whether every log is whole, and one of them leads through the head that was kept."""
    broken = [check for check in checks if check.fault not in (None, ChainFault.HEAD_MISSING)]
    return not broken and (not head or any(check.fault is None for check in checks))


def _found(check: Check) -> str:
    end = "none" if check.head is None else f"{check.head.sequence} {check.head.digest}"
    counted = f"{check.entries} entries from {check.first_sequence}, head {end}"
    if check.erased:
        counted += f"; the content of {check.erased} cannot be checked: persons were erased"
    if check.replaced:
        counted += f"; {check.replaced} lines are replaced by later ones, as after a crash"
    if check.fault is None:
        return f"whole, {counted}"
    return f"{check.fault.name} {check.faulty}".strip() + f" after {counted}"
