"""Write the API reference: `python -m tools.api_docs DESCRIPTOR_SET FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tools.api_docs.contract import Contract
from tools.api_docs.index import index_page
from tools.api_docs.pages import page


def main(descriptors: str, folder: str) -> None:
    """Write a page for each file of the contract, and the index, into a folder."""
    contract = Contract(FileDescriptorSet.FromString(Path(descriptors).read_bytes()))
    pages = {"README.md": index_page(contract)}
    pages |= {file.page: page(contract, file) for file in contract.files}
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (target / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
