"""The seven Parquet tables as DataFrames, checked against their declared columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hpt_spark.data.arrow import translate_unreadable_files
from hpt_spark.data.ingest import MANIFEST
from hpt_spark.data.schemas import DEGREE, FILE_ROW, FLAG, ID, TABLES, TEXT, TIMESTAMP, Table
from hpt_spark.errors import InputError
from hpt_spark.masking import without_secrets
from hpt_spark.storage import open_folder
from hpt_spark.storage.uris import escape_glob

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SPARK_TYPES = {ID: "bigint", FLAG: "int", DEGREE: "double", TEXT: "string", TIMESTAMP: "string"}


class Tables:
    """The tables under the folder ``tables.uri``; a table is opened when it is first asked for."""

    def __init__(self, spark: SparkSession, uri: str) -> None:
        self.spark = spark
        self._folder = open_folder(uri)
        self.uri = without_secrets(uri).rstrip("/")
        self._opened: dict[str, DataFrame] = {}
        self._ingested = self._folder.digests(MANIFEST)

    def __getitem__(self, name: str) -> DataFrame:
        """Return the table `name` with its declared columns.

        Raises
        ------
        InputError
            When the table is missing or lacks a declared column.
        """
        if name not in self._opened:
            self._opened[name] = self._open(TABLES[name])
        return self._opened[name]

    def files(self, name: str) -> DataFrame:
        """Return the Parquet files of the table `name` unread, one row each: ``path: string, content: binary``.

        For a query that gives all rows to Python, where `data.arrow.rows_in` reads them: Spark needs
        several times as long to hand them out one by one. A file is in memory whole, more than once:
        this is for tables that are packed well, as app events are, to some ten megabytes a file.
        """
        self[name]  # raises if the table does not fit
        return self.spark.read.format("binaryFile").load(self._path(name)).select("path", "content")

    @property
    def opened(self) -> list[str]:
        """The names of the tables that were asked for so far."""
        return list(self._opened)

    def refuse_if_empty(self, name: str, rows: int) -> None:
        """Raise InputError if the table `name` has no `rows`."""
        if not rows:
            raise InputError(
                f"the table {self.uri}/{name} has no rows; each row should be {TABLES[name].row}. "
                "Run `hpt-spark ingest` again."
            )

    def refuse_if_replaced(self) -> None:
        """Raise InputError if an ingest of other files has replaced the tables, so that some of both were read."""
        if self._folder.digests(MANIFEST) != self._ingested:
            raise InputError(
                f"an ingest has replaced the tables of tables.uri={self.uri} while they were read; run this job again "
                "when it has ended."
            )

    def _path(self, name: str) -> str:
        return escape_glob(f"{self._folder.uri}/{name}")

    def _open(self, table: Table) -> DataFrame:
        from pyspark.sql.utils import AnalysisException

        place = f"{self.uri}/{table.name}"
        try:
            with translate_unreadable_files():
                frame = self.spark.read.parquet(self._path(table.name))
        except AnalysisException:
            raise InputError(
                f"tables.uri={self.uri} has no readable table {table.name}; run `hpt-spark ingest` with the same "
                "tables.uri first."
            ) from None
        problems = list(_schema_problems(dict(frame.dtypes), declared_types(table)))
        if problems:
            raise InputError(f"the table {place} does not fit: {'; '.join(problems)}. Run `hpt-spark ingest` again.")
        return frame.select(*declared_types(table))


def declared_types(table: Table) -> dict[str, str]:
    """Return the Spark type of every column of `table`, in order."""
    types = {column.name: SPARK_TYPES[column.kind] for column in table.columns}
    return {**types, FILE_ROW: SPARK_TYPES[ID]} if table.ordered else types


def _schema_problems(found: dict[str, str], declared: dict[str, str]) -> Iterator[str]:
    for name, kind in declared.items():
        if name not in found:
            yield f"column {name} is missing"
        elif found[name] != kind:
            yield f"column {name} is {found[name]} where {kind} is needed"
