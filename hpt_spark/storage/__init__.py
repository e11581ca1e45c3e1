"""Folders whose files appear whole or not at all, on this machine or on any Hadoop file system.

Everything the jobs leave behind is written under a temporary name beside its final one and then
renamed, so that a reader never sees half a file and a failed run never spoils what was there.
"""

from hpt_spark.storage.folder import Folder
from hpt_spark.storage.lock import FolderLock
from hpt_spark.storage.opening import open_folder
from hpt_spark.storage.uris import is_blob, is_local, local_path

__all__ = [
    "Folder",
    "FolderLock",
    "is_blob",
    "is_local",
    "local_path",
    "open_folder",
]
