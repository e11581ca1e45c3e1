"""The files of a Hadoop file system, through Spark's JVM.

The JVM moves the bytes: what passes between it and Python is only names and answers, because
py4j carries bytes as text, at about 10 MB/s.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hpt_spark.errors import NO_PYSPARK, HptSparkError, MissingDependencyError
from hpt_spark.masking import without_secrets
from hpt_spark.storage.hadoop_errors import translate_java_errors
from hpt_spark.storage.uninterruptible import uninterruptible
from hpt_spark.storage.uris import hadoop_uri

COPY_BYTES = 1 << 17


class HadoopFiles:
    """The file system of `uri`, which is any path on it; also a ``file:`` URI, and the URL of a blob container.

    Attributes
    ----------
    root : str
        `uri` with its scheme and host, without a slash at the end. All paths given to the methods
        begin like this.
    replaces_files : bool
        Whether a rename can put a file in the place of another in one step: only HDFS itself promises it.
    """

    @uninterruptible
    def __init__(self, uri: str) -> None:
        context = _running_spark(uri)
        self._jvm: Any = context._jvm
        self._gateway: Any = context._gateway
        with translate_java_errors(uri):
            path = self._path(hadoop_uri(uri))
            self._files = path.getFileSystem(context._jsc.hadoopConfiguration())
            self.root = self._files.makeQualified(path).toString().rstrip("/")
            self.replaces_files = self._files.getScheme() == "hdfs"

    @uninterruptible
    def exists(self, path: str) -> bool:
        """Return whether there is a file or a folder."""
        with translate_java_errors(path):
            return self._files.exists(self._path(path))

    @uninterruptible
    def is_file(self, path: str) -> bool:
        """Return whether there is a file."""
        return self.exists(path) and self._status(path).isFile()

    @uninterruptible
    def modified(self, path: str) -> float:
        """Return when `path` was written, in seconds on the clock of the file system."""
        return self._status(path).getModificationTime() / 1000

    @uninterruptible
    def names(self, folder: str) -> list[str]:
        """Return the names in a folder; none where there is no folder."""
        try:
            return [status.getPath().getName() for status in self._statuses(folder)]
        except FileNotFoundError:
            return []

    @uninterruptible
    def file_sizes(self, folder: str) -> dict[str, int]:
        """Return the name and the size of each file in a folder."""
        return {status.getPath().getName(): status.getLen() for status in self._statuses(folder) if status.isFile()}

    @uninterruptible
    def sizes_below(self, path: str) -> dict[str, int]:
        """Return the path and the size of a file, or of each file below a folder."""
        if self.is_file(path):
            return {path: self._status(path).getLen()}
        sizes: dict[str, int] = {}
        for status in self._statuses(path):
            below = f"{path}/{status.getPath().getName()}"
            sizes.update({below: status.getLen()} if status.isFile() else self.sizes_below(below))
        return sizes

    @uninterruptible
    def make_folder(self, path: str) -> None:
        """Create a folder, and those above it."""
        with translate_java_errors(path):
            self._files.mkdirs(self._path(path))

    @uninterruptible
    def upload(self, local: Path, path: str) -> None:
        """Copy a local file to `path`."""
        with translate_java_errors(path):
            self._files.copyFromLocalFile(False, True, self._path(f"file://{local}"), self._path(path))

    @uninterruptible
    def download(self, path: str, local: Path) -> None:
        """Copy a file or a folder to the local path, where there is nothing yet."""
        with translate_java_errors(path):
            self._files.copyToLocalFile(False, self._path(path), self._path(f"file://{local}"), True)

    def copy_to_pipe(self, path: str, offset: int, pipe: Path, opened: Callable[[], None]) -> None:
        """Write the bytes of a file from `offset` on into a named pipe; call `opened` when it has a writer."""
        with translate_java_errors(path):
            stream = self._files.open(self._path(path))
            stream.seek(offset)
            sink = self._jvm.java.io.FileOutputStream(str(pipe))
            opened()
            self._jvm.org.apache.hadoop.io.IOUtils.copyBytes(stream, sink, COPY_BYTES, True)

    @uninterruptible
    def rename(self, source: str, target: str) -> bool:
        """Rename a file or a folder unless there is something at `target`; return whether it was renamed.

        On HDFS this is one step. Elsewhere a folder may come to `target` between the look and the rename.

        Raises
        ------
        FileNotFoundError
            If there is nothing at `source`.
        """
        if self.replaces_files:
            try:
                self._rename_on_hdfs(source, target, "NONE")
            except FileExistsError:
                return False
            return True
        if not self.exists(source):
            raise FileNotFoundError(without_secrets(source))
        if self.exists(target):
            return False
        inside = f"{target}/{source.rpartition('/')[2]}"  # where Hadoop puts it if there is a folder after all
        with translate_java_errors(target):
            if self._files.rename(self._path(source), self._path(target)):
                return not (self.exists(inside) and self._files.rename(self._path(inside), self._path(source)))
        if self.exists(target) or not self.exists(source):
            return False
        raise HptSparkError(f"{without_secrets(source)} could not be renamed to {without_secrets(target)}")

    @uninterruptible
    def replace_file(self, source: str, target: str) -> None:
        """Put a file in the place of `target`, whether there is one or not, in one step; where `replaces_files`."""
        self._rename_on_hdfs(source, target, "OVERWRITE")

    @uninterruptible
    def delete(self, path: str) -> None:
        """Delete a file or a folder, if there is one."""
        with translate_java_errors(path):
            self._files.delete(self._path(path), True)

    def _rename_on_hdfs(self, source: str, target: str, how: str) -> None:
        kind: Any = getattr(self._jvm.org.apache.hadoop.fs, "Options$Rename")
        options = self._gateway.new_array(kind, 1)
        options[0] = getattr(kind, how)
        with translate_java_errors(target):
            self._files.rename(self._path(source), self._path(target), options)

    def _status(self, path: str) -> Any:
        with translate_java_errors(path):
            return self._files.getFileStatus(self._path(path))

    def _statuses(self, folder: str) -> list[Any]:
        with translate_java_errors(folder):
            return list(self._files.listStatus(self._path(folder)))

    def _path(self, path: str) -> Any:
        is_root = re.fullmatch("[^/]+:(//[^/]*)?", path)
        return self._jvm.org.apache.hadoop.fs.Path(f"{path}/" if is_root else path)


def _running_spark(uri: str) -> Any:
    try:
        from pyspark import SparkContext
    except ImportError:
        raise MissingDependencyError(NO_PYSPARK) from None
    context = SparkContext._active_spark_context
    if context is None:
        raise HptSparkError(
            f"{without_secrets(uri)} is reached through Spark, which does not run: start a SparkSession first."
        )
    return context
