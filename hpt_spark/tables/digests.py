"""Whether a table is the one that was read: the digests of its files, where these can be named."""

from __future__ import annotations

import glob
import uuid
from pathlib import Path

from hpt_spark.config.table_section import TableSection
from hpt_spark.masking import without_secrets
from hpt_spark.storage import is_local, open_folder
from hpt_spark.storage.folder import digest_of_file
from hpt_spark.storage.uris import hadoop_uri
from hpt_spark.tables.reading import spark_address

PATTERN = set("*?[{")
ONLY_HADOOPS = set("[{")  # of these Python understands none as Hadoop does


def digests_of_table(section: TableSection) -> dict[str, str]:
    """Return the digest of each file of the table and of its test table.

    What a query gives, and which files a pattern names on a Hadoop file system or with ``{`` or ``[`` in it, is known
    only when it is read: it counts as another table each time.
    """
    if section.sql:
        return {"features.table.sql": uuid.uuid4().hex, **_of_uri("test_uri", section.test_uri)}
    return {**_of_uri("uri", section.uri), **_of_uri("test_uri", section.test_uri)}


def _of_uri(key: str, uri: str | None) -> dict[str, str]:
    if uri is None:
        return {}
    if is_local(uri) and not ONLY_HADOOPS & set(uri):
        path = spark_address(uri).removeprefix("file://").removeprefix("file:")
        found = [Path(path)] if Path(path).exists() else map(Path, sorted(glob.glob(path)))
        files = [file for one in found for file in ([one] if one.is_file() else sorted(one.rglob("*")))]
        return {f"{key}: {file}": digest_of_file(file) for file in files if file.is_file()}
    if PATTERN & set(uri):
        return {f"{key}: {without_secrets(uri)}": uuid.uuid4().hex}
    parent, _, name = hadoop_uri(uri).rstrip("/").rpartition("/")
    return {f"{key}: {file}": digest for file, digest in open_folder(parent).digests(name).items()}
