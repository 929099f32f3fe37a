"""Who may import whom, and what each distribution carries."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
DOMAIN = CHECKOUT / "server" / "schoolbell_server" / "domain"
PACKAGES = {
    "server": (
        CHECKOUT,
        {
            "server": "schoolbell_server",
            "storage": "schoolbell_storage",
            "clients/python": "schoolbell",
            "clients/console": "schoolbell_console",
        },
    ),
    "client": (CHECKOUT / "clients" / "python", {"clients/python": "schoolbell"}),
    "console": (CHECKOUT / "clients" / "console", {"clients/console": "schoolbell_console"}),
    "sandbox": (CHECKOUT / "server" / "schoolbell_sandbox", {"server": "schoolbell_sandbox"}),
}
"""By distribution: the folder of its pyproject.toml, and its packages by their folders."""
CLIENT_NEEDS = {
    "click",
    "googleapis-common-protos",
    "grpcio",
    "grpcio-status",
    "protobuf",
    "rich",
}

IMPORT_ALL_OF_THE_CLIENT = """
import pkgutil, sys
import grpc  # by itself it loads whatever of its siblings is installed
before = set(sys.modules)
import schoolbell
for module in pkgutil.walk_packages(schoolbell.__path__, "schoolbell."):
    if not module.name.endswith("__main__"):
        __import__(module.name)
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def project(folder: Path) -> dict[str, list[str]]:
    """Return the project table of a folder's pyproject.toml."""
    with (folder / "pyproject.toml").open("rb") as file:
        table: dict[str, list[str]] = tomllib.load(file)["project"]
    return table


def distribution_name(requirement: str) -> str:
    """Return the normalised name that a requirement starts with."""
    name = re.match(r"[\w.-]+", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def closure(names: set[str]) -> set[str]:
    """Return distributions with all that they need here, extras left out."""
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        needs = metadata.requires(name) or []
        here = {distribution_name(need) for need in needs if "extra ==" not in need}
        waiting |= {need for need in here if need not in found and is_installed(need)}
    return found


def is_installed(name: str) -> bool:
    """Say whether a distribution is installed here."""
    return any(metadata.distributions(name=name))


def imports(source: Path) -> Iterator[str]:
    """Yield the full names of the modules that a source file imports."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}: relative import"
            yield node.module or ""


def test_the_domain_imports_itself_and_the_standard_library_only() -> None:
    for source in DOMAIN.rglob("*.py"):
        for name in imports(source):
            own = f"{name}.".startswith("schoolbell_server.domain.")
            assert own or name.partition(".")[0] in sys.stdlib_module_names, f"{source}: {name}"


def test_the_client_needs_six_distributions() -> None:
    needs = project(CHECKOUT / "clients" / "python")["dependencies"]
    assert {distribution_name(need) for need in needs} == CLIENT_NEEDS
    assert set(needs) <= set(project(CHECKOUT)["dependencies"])


def test_the_distributions_have_one_version() -> None:
    assert len({str(project(folder)["version"]) for folder, _ in PACKAGES.values()}) == 1


def test_the_console_needs_what_the_server_or_its_extra_has() -> None:
    needs = set(project(CHECKOUT / "clients" / "console")["dependencies"]) - {"schoolbell"}
    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        here = tomllib.load(file)["project"]
    assert needs <= {*here["dependencies"], *here["optional-dependencies"]["console"]}


def test_the_client_imports_only_what_it_needs() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL_OF_THE_CLIENT], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "schoolbell" in loaded
    assert not {"schoolbell_server", "schoolbell_storage"} & set(loaded)
    providers = metadata.packages_distributions()
    allowed = closure(CLIENT_NEEDS) | {"schoolbell", "schoolbell-server"}
    for module in set(loaded) & set(providers):
        assert {distribution_name(name) for name in providers[module]} & allowed, module


@pytest.mark.parametrize(("folder", "packages"), PACKAGES.values(), ids=PACKAGES)
def test_the_wheel_carries_every_file_of_its_packages(
    folder: Path, packages: dict[str, str], tmp_path: Path
) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    wanted = {
        str(Path(name).relative_to(root))
        for root, package in packages.items()
        for name in listed
        if name.startswith(f"{root}/{package}/")
        and name != f"{root}/{package}/pyproject.toml"
        and (CHECKOUT / name).exists()
    }
    assert wanted <= packed
    assert {name.partition("/")[0] for name in packed if ".dist-info/" not in name} == {
        *packages.values()
    }


def test_no_requirement_names_a_host() -> None:
    for pinned in (CHECKOUT / "requirements").iterdir():
        assert "://" not in pinned.read_text(), pinned.name


def test_no_package_of_node_names_where_it_comes_from() -> None:
    lock = CHECKOUT / "tests" / "service" / "sandbox" / "node" / "package-lock.json"
    assert '"resolved"' not in lock.read_text()
