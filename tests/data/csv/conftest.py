"""CSV texts as stored tables, or as complaints."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpt_spark.data.ingest import ingest_table
from hpt_spark.data.schemas import TABLES
from hpt_spark.data.sources.base import SourceFile
from hpt_spark.errors import InputError
from hpt_spark.storage import open_folder


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Ingest a CSV text as a table and return the stored rows."""

    def store(name: str, text: str | bytes, **options) -> pa.Table:
        data = text.encode() if isinstance(text, str) else text
        file = SourceFile(f"{name}.csv", f"raw/{name}.csv", len(data), lambda: io.BytesIO(data))
        folder = tmp_path_factory.mktemp("tables")
        entry = ingest_table(TABLES[name], file, open_folder(folder), **options)
        rows = pq.read_table(folder / name)
        assert entry["rows"] == rows.num_rows
        return rows

    return store


@pytest.fixture(scope="module")
def complaint(store):
    def complaint(name: str, text: str | bytes, **options) -> str:
        with pytest.raises(InputError) as caught:
            store(name, text, **options)
        return str(caught.value)

    return complaint
