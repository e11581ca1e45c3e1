"""The kind of source for a URI; its readers need not know the kind."""

from __future__ import annotations

import os

from hpt_spark.data.sources.base import Source
from hpt_spark.data.sources.blob.address import parse_blob_uri
from hpt_spark.data.sources.blob.source import BlobSource
from hpt_spark.data.sources.hadoop import HadoopSource
from hpt_spark.data.sources.local import FolderSource
from hpt_spark.errors import InputError
from hpt_spark.masking import without_secrets
from hpt_spark.storage import is_blob, is_local, local_path


def is_read_by_hadoop(uri: str | os.PathLike[str], via: str) -> bool:
    """Return whether a source is read through the JVM's file systems, for which Spark must run."""
    return via == "hadoop" or (via == "auto" and not is_local(uri) and not is_blob(uri))


def open_source(
    uri: str | os.PathLike[str],
    via: str = "auto",
    *,
    credential: str | None = None,
    downloads: str | os.PathLike[str] = "data/downloads",
) -> Source:
    """Return the source at `uri`.

    Parameters
    ----------
    uri : str or path
        A local folder (a plain path or a ``file:`` URI), a folder of a blob container (``https://``,
        ``wasbs://``, ``abfss://``), or any Hadoop path.
    via : {"auto", "sdk", "hadoop"}
        By which way it is read: ``sdk`` is Azure's, for blobs. With ``hadoop`` a plain path too is one of
        the cluster's default file system.
    credential : str, optional
        For blobs: the name of the environment variable that holds the secret.
    downloads : str or path
        For blobs: the folder in which what is downloaded is kept.

    Raises
    ------
    InputError
        If there is no such folder, the credential is missing, or the scheme of `uri` or `via` is not supported.
    """
    text = os.fspath(uri)
    if is_read_by_hadoop(text, via):
        return HadoopSource(text)
    if is_blob(text):
        return BlobSource(parse_blob_uri(text), local_path(downloads), credential)
    if via == "sdk":
        raise InputError(f"source.via=sdk is for blobs, but source.uri={without_secrets(text)} is none: use auto")
    return FolderSource(local_path(text))
