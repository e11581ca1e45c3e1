"""A folder of a blob container; its files are downloaded before they are opened."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO

from hpt_spark.data.sources.base import Source, SourceFile
from hpt_spark.data.sources.blob.address import BlobAddress
from hpt_spark.data.sources.blob.container import Blob, Container
from hpt_spark.data.sources.blob.download import download


class BlobSource(Source):
    """A folder of a blob container.

    Parameters
    ----------
    address : BlobAddress
    downloads : Path
        What is downloaded is kept below this folder, and not downloaded again while it is equal.
    credential : str or None
        What ``source.credential`` says.
    """

    def __init__(self, address: BlobAddress, downloads: Path, credential: str | None) -> None:
        self._container = Container(address, credential)
        self._folder = downloads / address.local_name
        self._blobs: dict[str, Blob] = {}

    @property
    def location(self) -> str:
        return str(self._container.address)

    def list_files(self) -> list[SourceFile]:
        """Return the blobs directly in the folder; one that is opened is downloaded first."""
        self._blobs = {blob.name: blob for blob in self._container.blobs()}
        return [self._file(blob, partial(self._open, blob)) for blob in self._blobs.values()]

    def fetch(self, files: Mapping[str, SourceFile]) -> dict[str, SourceFile]:
        """Download files, several at once, and return them as they now lie on this disk."""
        brought = download(self._container, [self._blobs[file.name] for file in files.values()], self._folder)
        return {
            key: self._file(blob, partial((self._folder / blob.name).open, "rb"))
            for key, blob in zip(files, brought, strict=True)
        }

    def _open(self, blob: Blob) -> BinaryIO:
        download(self._container, [blob], self._folder)
        return (self._folder / blob.name).open("rb")

    def _file(self, blob: Blob, opened: partial[BinaryIO]) -> SourceFile:
        return SourceFile(blob.name, self._container.address.location_of(blob.name), blob.size, opened)
