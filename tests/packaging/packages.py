"""How each package is made and used outside the checkout, as docs/clients.md says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
_CLIENTS = CHECKOUT / "clients"
_JAVA = CHECKOUT / "build" / "clients" / "java"

_CALLER = """
from schoolbell import Client, Connection
from schoolbell.v1.access_service_pb2 import GetCallerRequest

with Client(Connection.from_environment()) as client:
    print(client.access.GetCaller(GetCallerRequest()))
"""

Program = Callable[[str], list[str]]
"""Returns the command of an example: publish, register or watch."""


@dataclass(frozen=True, slots=True)
class Package:
    """A language's package."""

    language: str
    use: Callable[[Path], Program]
    """Makes the package, uses it in a folder, and returns how to run the examples there."""
    programs: tuple[str, ...] = ()
    examples: tuple[str, ...] = ("publish", "register", "watch")

    @property
    def missing(self) -> list[str]:
        """Return the programs that are not here."""
        return [program for program in self.programs if shutil.which(program) is None]


def run(*command: str, folder: Path) -> None:
    """Run a command in a folder; raise CalledProcessError, with what it said, if it fails."""
    done = subprocess.run(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        done.check_returncode()


def _python(folder: Path) -> Program:
    """Install the client's wheel into an environment of its own, with the pinned versions."""
    pip = ("-m", "pip", "--quiet", "--disable-pip-version-check")
    build = ("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))
    run(sys.executable, *pip, *build, str(_CLIENTS / "python"), folder=folder)
    (wheel,) = folder.glob("*.whl")
    pinned = (CHECKOUT / "requirements" / "run.txt").read_text(encoding="utf-8")
    versions = re.findall(r"^[^ #]+==[^ ;]+", pinned, re.MULTILINE)
    (folder / "versions.txt").write_text("\n".join(versions), encoding="utf-8")
    run(sys.executable, "-m", "venv", "--without-pip", "environment", folder=folder)
    python = str(folder / "environment" / "bin" / "python")
    install = ("--python", python, "install", "--constraint", "versions.txt", str(wheel))
    run(sys.executable, *pip, *install, folder=folder)
    run(str(folder / "environment" / "bin" / "schoolbell"), "--version", folder=folder)
    example = folder / "caller.py"
    example.write_text(_CALLER, encoding="utf-8")
    return lambda _: [python, str(example)]


def _go(folder: Path) -> Program:
    """Require the module, and replace it by the checkout's."""
    for example in (_CLIENTS / "go" / "examples").iterdir():
        shutil.copytree(example, folder / example.name)
    run("go", "mod", "init", "example.org/caller", folder=folder)
    module = "schoolbell.example/go"
    run(
        *("go", "mod", "edit", f"-require={module}@v0.1.0"),
        f"-replace={module}={_CLIENTS / 'go'}",
        folder=folder,
    )
    run("go", "mod", "tidy", folder=folder)
    run("go", "build", "-o", f"bin{os.sep}", "./...", folder=folder)
    return lambda example: [str(folder / "bin" / example)]


def _java(folder: Path) -> Program:
    """Compile the examples against the jar that `mvn package` made."""
    (jar,) = (
        one
        for one in _JAVA.glob("schoolbell-client-*.jar")
        if not one.stem.endswith(("-sources", "-javadoc"))
    )
    classpath = f"{jar}:{(_JAVA / 'classpath').read_text(encoding='utf-8').strip()}"
    sources = map(str, (_CLIENTS / "java" / "examples").rglob("*.java"))
    run("javac", "--release", "17", "-cp", classpath, "-d", str(folder), *sources, folder=folder)
    name = "example.schoolbell.examples."
    return lambda example: [*("java", "-cp", f"{folder}:{classpath}", name + example.capitalize())]


def _typescript(folder: Path) -> Program:
    """Install what `npm pack` makes, and compile the examples strictly against its types."""
    with_node = str(CHECKOUT / "scripts" / "with-node")
    client = _CLIENTS / "typescript"
    run(with_node, "npm", "pack", "--silent", "--pack-destination", str(folder), folder=client)
    (made,) = folder.glob("*.tgz")
    content = {"name": "caller", "private": True, "type": "module"}
    (folder / "package.json").write_text(json.dumps(content), encoding="utf-8")
    settings = ("--silent", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")
    run(with_node, "npm", "install", *settings, f"./{made.name}", folder=folder)
    for example in (client / "examples").iterdir():
        shutil.copy(example, folder)
    options = ("--strict", "--module", "nodenext", "--target", "es2022", "--types", "node")
    run(
        *(with_node, str(client / "node_modules" / ".bin" / "tsc"), *options),
        *("--lib", "es2023,esnext.disposable"),
        *("--typeRoots", str(client / "node_modules" / "@types")),
        *sorted(one.name for one in folder.glob("*.ts")),
        folder=folder,
    )
    return lambda example: [with_node, "node", str(folder / f"{example}.js")]


PACKAGES: Sequence[Package] = (
    Package("python", _python, examples=("caller",)),
    Package("go", _go, programs=("go",)),
    Package("java", _java, programs=("javac", "mvn")),
    Package("typescript", _typescript),
)
