"""The API reference says all that a proto file says, to somebody who does not read those."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import google.rpc
import pytest

from tests.docs.pages import anchors, links
from tools.api_docs.__main__ import main

SHARED = """
syntax = "proto3";
package schoolbell.v1;

// About everything <here>.

// A place of learning.
//
// Example, a School:
// ```json
// {"schoolId": "elm"}
// ```
message School {
  // Identifies it.
  string school_id = 1;
}
"""
SERVICE = """
syntax = "proto3";
package schoolbell.v1;

import "google/api/field_behavior.proto";
import "google/protobuf/timestamp.proto";
import "schoolbell/v1/school.proto";

// Schools. See `School`.
//
// More of them.
service SchoolService {
  // Finds schools that a FindSchoolsRequest describes. Anybody may call it.
  rpc FindSchools(FindSchoolsRequest) returns (stream FindSchoolsResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
  }
  // Takes a school.
  rpc TakeSchool(stream TakeSchoolRequest) returns (TakeSchoolResponse);
}

// Asks for schools.
message FindSchoolsRequest {
  // The a|b or
  // c of it.
  string district_id = 1 [(google.api.field_behavior) = REQUIRED];
  // Made when.
  google.protobuf.Timestamp create_time = 2
      [(google.api.field_behavior) = IMMUTABLE, (google.api.field_behavior) = OUTPUT_ONLY];
  // What it must fulfil.
  oneof rule {
    // A number.
    double percent = 3;
    // A name.
    //
    // Example, a School:
    // ```json
    // {}
    // ```
    string name = 4;
  }
  // How many.
  optional int32 count = 5;
  // Sizes by name.
  map<string, School> sizes = 6;
  // Their sorts.
  repeated Sort sorts = 7;
}

// Schools.
message FindSchoolsResponse {}

// A school.
message TakeSchoolRequest {}

// Nothing.
message TakeSchoolResponse {}

// What sort of school.
enum Sort {
  // Not known.
  SORT_UNSPECIFIED = 0;
  // High.
  SORT_HIGH = 7;
}
"""


@pytest.fixture
def pages(tmp_path: Path) -> dict[str, str]:
    """Return the pages of the two files above by name."""
    return generate(tmp_path, {"school.proto": SHARED, "school_service.proto": SERVICE})


def generate(folder: Path, files: dict[str, str]) -> dict[str, str]:
    """Write files, describe them as `make proto` does, and return the pages of the reference."""
    protos = folder / "protos" / "schoolbell" / "v1"
    protos.mkdir(parents=True)
    for name, text in files.items():
        (protos / name).write_text(text, encoding="utf-8")
    descriptors, pages = folder / "all.binpb", folder / "pages"
    installed = Path(next(iter(google.rpc.__path__))).parents[1]
    described = [
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={descriptors}",
    ]
    paths = [f"-I{folder / 'protos'}", f"-I{installed}"]
    command = [sys.executable, "-m", "grpc_tools.protoc", *paths, *described]
    subprocess.run([*command, *map(str, sorted(protos.glob("*.proto")))], check=True)
    main(str(descriptors), str(pages))
    return {page.name: page.read_text(encoding="utf-8") for page in pages.iterdir()}


def test_there_is_a_page_for_each_file_and_an_index(pages: dict[str, str]) -> None:
    assert sorted(pages) == ["README.md", "school-service.md", "school.md"]
    index = pages["README.md"]
    assert (
        "**[SchoolService](school-service.md)**: Schools. See [`School`](school.md#school)."
        in index
    )
    assert "[`FindSchools`](school-service.md#findschools)" in index
    assert "- [schoolbell/v1/school.proto](school.md): [`School`](school.md#school)" in index


def test_an_rpc_says_what_it_does_takes_and_answers(pages: dict[str, str]) -> None:
    page = pages["school-service.md"]
    request = "[`FindSchoolsRequest`](#findschoolsrequest)"
    row = f"| [`FindSchools`](#findschools) | Finds schools that a {request} describes. |"
    assert row in page
    path = "`/schoolbell.v1.SchoolService/FindSchools`"
    assert f"Its path is {path}. It only reads and may be repeated." in page
    assert "### FindSchoolsRequest\n\nThe request. Asks for schools." in page
    assert "### FindSchoolsResponse\n\nA stream of responses. Schools.\n\nIt has no fields." in page
    assert "### TakeSchoolRequest\n\nA stream of requests. A school." in page


def test_a_field_says_its_type_its_use_and_its_comment(pages: dict[str, str]) -> None:
    page = pages["school-service.md"]
    for row in (
        "| `district_id` | `string` | required | The a\\|b or c of it. |",
        "| `create_time` | `google.protobuf.Timestamp` | output only, immutable | Made when. |",
        "| `percent` | `double` |  | A number. One of `rule`. |",
        "| `name` | `string` |  | A name. One of `rule`. |",
        "| `count` | `int32` |  | How many. May be absent. |",
        "| `sizes` | map of `string` to [`School`](school.md#school) |  | Sizes by name. |",
        "| `sorts` | list of [`Sort`](#sort) |  | Their sorts. |",
    ):
        assert f"{row}\n" in page
    assert "`rule` is one of `percent`, `name`. What it must fulfil." in page


def test_an_enum_says_its_numbers(pages: dict[str, str]) -> None:
    assert "| 7 | `SORT_HIGH` | High. |\n" in pages["school-service.md"]


def test_examples_stay_as_they_are_also_those_of_a_field(pages: dict[str, str]) -> None:
    assert '```json\n{"schoolId": "elm"}\n```\n' in pages["school.md"]
    assert "Example, a School:\n```json\n{}\n```\n" in pages["school-service.md"]


def test_a_comment_about_the_file_begins_its_page(pages: dict[str, str]) -> None:
    assert "# schoolbell/v1/school.proto\n\nAbout everything &lt;here>.\n" in pages["school.md"]


def test_its_links_lead_to_headings(pages: dict[str, str]) -> None:
    for name, page in pages.items():
        for path, anchor in links(page):
            assert not anchor or anchor in anchors(pages[path or name]), (name, path, anchor)


def test_two_things_of_one_name_are_refused(tmp_path: Path) -> None:
    renamed = SERVICE.replace("rpc FindSchools(", "rpc School(")
    files = {"school.proto": SHARED, "school_service.proto": renamed}
    with pytest.raises(ValueError, match="School is the name of two things"):
        generate(tmp_path, files)
