"""What the contract's files say of themselves (AIP-191), for whatever language is generated."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from tests.unit.contract import files


def test_a_file_lies_where_its_package_says() -> None:
    for file in files():
        folder = PurePosixPath(*file.package.split("."))
        assert PurePosixPath(file.name).parent == folder
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", PurePosixPath(file.name).stem), file.name


def test_a_service_has_a_file_of_its_own_that_is_named_for_it() -> None:
    for file in files():
        stem = PurePosixPath(file.name).stem
        assert stem.endswith("_service") == bool(file.services_by_name), file.name
        for name in file.services_by_name:
            assert re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() == stem


def test_all_files_say_the_same_of_their_package() -> None:
    said = {
        (options.go_package, options.java_package, options.csharp_namespace)
        for file in files()
        for options in [file.GetOptions()]
    }
    assert len(said) == 1


def test_java_makes_a_file_a_message_in_a_package_with_a_domain() -> None:
    for file in files():
        options = file.GetOptions()
        assert options.java_multiple_files, file.name
        assert options.java_package.endswith(f".{file.package}"), file.name


def test_javas_class_of_a_file_is_named_for_the_file_and_clashes_with_nothing() -> None:
    for file in files():
        stem = PurePosixPath(file.name).stem
        title = "".join(word.title() for word in stem.split("_"))
        assert file.GetOptions().java_outer_classname == f"{title}Proto", file.name


def test_go_imports_the_package_by_a_path_with_a_domain() -> None:
    for file in files():
        path, _, name = file.GetOptions().go_package.partition(";")
        assert "." in path.split("/")[0], file.name
        assert path.endswith(f"/{file.package.replace('.', '/')}"), file.name
        assert name == file.package.replace(".", ""), file.name


def test_csharps_namespace_is_the_package() -> None:
    for file in files():
        words = [word.title() for word in file.package.split(".")]
        assert file.GetOptions().csharp_namespace == ".".join(words), file.name
