"""The download of blobs into a folder, several at once, the largest first."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from hpt_spark.data.sources.blob.blob_file import BlobFile
from hpt_spark.data.sources.blob.claim import claimed
from hpt_spark.data.sources.blob.container import Blob, Container
from hpt_spark.errors import InputError
from hpt_spark.progress import Progress

BLOBS_AT_ONCE = 4
CONNECTIONS = 8  # of all blobs together

_log = logging.getLogger(__name__)


def download(container: Container, blobs: Sequence[Blob], folder: Path) -> list[Blob]:
    """Bring blobs into a folder and return, in order, the versions that are there now.

    Whole files of an earlier run are not fetched again, unfinished ones are continued. A missing folder is made.

    Raises
    ------
    InputError
        If a blob is refused, is damaged where it lies, or the disk cannot take it.
    TransferError
        If the server cannot be reached, or a blob does not stop changing.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with claimed(folder):
            return _download_all(container, blobs, folder)
    except OSError as error:
        raise InputError(
            f"cannot write {error.filename or folder} ({error.strerror or error}): free some space, or name another "
            "folder in source.downloads; what has been transferred is kept"
        ) from error


def _download_all(container: Container, blobs: Sequence[Blob], folder: Path) -> list[Blob]:
    total = sum(blob.size for blob in blobs)
    with ThreadPoolExecutor(CONNECTIONS) as connections, ThreadPoolExecutor(BLOBS_AT_ONCE) as several:
        files = [BlobFile(container, blob, folder) for blob in blobs]
        missing = [file for file, is_whole in zip(files, several.map(BlobFile.is_whole, files)) if not is_whole]
        if not missing:
            _log.info("%s: %d blobs are already in %s", container.address, len(blobs), folder)
            return [file.blob for file in files]
        there = total - sum(file.blob.size - file.present for file in missing)
        with Progress("download", total, "B", done=there) as progress:
            # The largest first, so that it is not alone at the end.
            ordered = sorted(missing, key=lambda file: -file.blob.size)
            running = [several.submit(file.download, connections, progress) for file in ordered]
            try:
                for future in as_completed(running):
                    future.result()
            except BaseException:
                container.stop()
                raise
    return [file.blob for file in files]
