"""One place of each kind in which folders can be."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest

from hpt_spark.storage import Folder, open_folder
from tests.storage.files import fill


class Place:
    """An empty place, and what a test wants to know of it without asking a folder.

    Parameters
    ----------
    kind : {"local", "hadoop", "hdfs"}
    uri : str
    root : Path
        A local folder: the place itself, or for HDFS where copies of it go.
    """

    def __init__(self, kind: str, uri: str, root: Path) -> None:
        self.kind, self.uri, self._root = kind, uri, root

    def open(self, name: str = "run") -> Folder:
        if self.kind == "local":
            return open_folder(f"{self.uri}/{name}")
        from hpt_spark.storage.hadoop import HadoopFolder

        return HadoopFolder.open(f"{self.uri}/{name}")

    def fill(self, folder: str, **files: str) -> None:
        """Put files where they are, with no temporary name on the way."""
        path = self._root / folder
        fill(path, **files)
        for name in files if self.kind == "hdfs" else ():
            self._files().upload(path / name, f"{self.uri}/{folder}/{name}")

    def contents(self) -> dict[str, str]:
        """Return the text of every file, those under temporary names too; how Hadoop checks its own files left out."""
        root = self._root
        if self.kind == "hdfs":
            root = self._root.parent / uuid.uuid4().hex
            if self._files().exists(self.uri):
                self._files().download(self.uri, root)
        files = [path for path in root.rglob("*") if path.is_file() and not re.fullmatch(r"\..*\.crc", path.name)]
        # Temporary names have a part by chance.
        return {re.sub("[0-9a-f]{32}", "ID", str(path.relative_to(root))): path.read_text() for path in files}

    def _files(self):
        from hpt_spark.storage.hadoop_files import HadoopFiles

        return HadoopFiles(self.uri)


@pytest.fixture(
    params=[
        "local",
        # The very code that serves HDFS and Azure, on a file system that every machine has.
        pytest.param("hadoop", marks=pytest.mark.spark),
        pytest.param("hdfs", marks=[pytest.mark.spark, pytest.mark.hdfs]),
    ]
)
def place(request, tmp_path):
    """An empty place of each kind."""
    root = tmp_path / "place"
    root.mkdir()
    if request.param == "local":
        return Place("local", str(root), root)
    request.getfixturevalue("spark")
    if request.param == "hadoop":
        return Place("hadoop", f"file://{root}", root)
    return Place("hdfs", f"{request.getfixturevalue('hdfs')}/{uuid.uuid4().hex}", root)
