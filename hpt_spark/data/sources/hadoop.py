"""Input files on a Hadoop file system, read with the cluster's own credentials."""

from __future__ import annotations

from functools import partial
from typing import BinaryIO, cast

from hpt_spark.data.sources.base import Source, SourceFile
from hpt_spark.errors import InputError
from hpt_spark.masking import without_secrets
from hpt_spark.storage.hadoop_files import HadoopFiles
from hpt_spark.storage.hadoop_stream import HadoopStream


class HadoopSource(Source):
    """A folder of a Hadoop file system; an InputError is raised if `uri` is none.

    ``https://ACCOUNT.blob.core.windows.net/CONTAINER[/PREFIX]`` is read as ``wasbs://``.
    """

    def __init__(self, uri: str) -> None:
        self._files = HadoopFiles(uri)
        if not self._files.exists(self._files.root):
            raise InputError(f"the source folder {self.location} does not exist: correct source.uri")
        if self._files.is_file(self._files.root):
            raise InputError(
                f"the source {self.location} is a file: source.uri must be the folder that holds the files"
            )

    @property
    def location(self) -> str:
        return without_secrets(self._files.root)

    def list_files(self) -> list[SourceFile]:
        return [
            SourceFile(name, f"{self.location}/{name}", size, partial(self._open, name, size))
            for name, size in self._files.file_sizes(self._files.root).items()
        ]

    def _open(self, name: str, size: int) -> BinaryIO:
        return cast(BinaryIO, HadoopStream(self._files, f"{self._files.root}/{name}", size))
