"""The right kind of folder for a path."""

from __future__ import annotations

import os

from hpt_spark.storage.folder import Folder
from hpt_spark.storage.local import LocalFolder
from hpt_spark.storage.uris import is_local, local_path


def open_folder(uri: str | os.PathLike[str]) -> Folder:
    """Return the folder at `uri`, which need not exist yet: the first write creates it.

    It is a plain path (``~`` is expanded), a ``file:`` URI, or any Hadoop path (``hdfs://``, ``abfss://`` ...), which
    needs a running Spark.

    Raises
    ------
    InputError
        If `uri` is a file, or cannot be reached.
    """
    if is_local(uri):
        return LocalFolder.open(local_path(uri))
    from hpt_spark.storage.hadoop import HadoopFolder

    return HadoopFolder.open(os.fspath(uri))
