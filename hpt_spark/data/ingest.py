"""The seven packed CSV files of a source become seven Parquet tables, all of them or none.

No Spark here: a packed file cannot be split, and one process that inflates, parses and writes at
the same time is two to three times as fast as Spark's reader.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import Any

import pyarrow as pa

from hpt_spark.data.arrow import gather
from hpt_spark.data.csv.cells import EXAMPLES, BadRow
from hpt_spark.data.csv.chunks import read_chunks
from hpt_spark.data.csv.overlap import bounded_map, in_background
from hpt_spark.data.csv.parse import Parsed, Parser, is_multiline, split_header, stored_schema
from hpt_spark.data.csv.parts import Parts
from hpt_spark.data.csv.unpack import unpack
from hpt_spark.data.schemas import TABLES, Table
from hpt_spark.data.sources.base import Source, SourceFile, find_files
from hpt_spark.data.sources.opening import open_source
from hpt_spark.errors import InputError
from hpt_spark.progress import Progress
from hpt_spark.storage import Folder, open_folder

MANIFEST = "manifest.json"
PIPELINE = "pipeline.json"  # what a pipeline records of its steps

CHUNK_SIZE = 8 << 20
ROW_GROUP_ROWS = 1 << 20  # at least
_CHUNKS_AHEAD = 3  # inflated ones that wait for a parser
_MOST_PARSERS = 4  # more would wait for the one thread that inflates

_log = logging.getLogger(__name__)


def ingest(
    source: Source | str | os.PathLike[str], tables: str | os.PathLike[str], max_bad_rows: int = 0
) -> dict[str, Any]:
    """Turn the files of a source into Parquet tables and return their manifest.

    Parameters
    ----------
    source : Source, str or path
        Holds each table ``NAME`` as ``NAME.csv.zip``, ``NAME.csv.gz`` or ``NAME.csv``.
    tables : str or path
        The folder of the tables: ``tables/NAME/part-00000.parquet`` ... and ``tables/manifest.json``.
        It is replaced as a whole when all tables are done; until then, and if anything fails, it
        stays as it was.
    max_bad_rows : int
        So many rows of each file may be unparsable; they are left out, counted and logged.

    Returns
    -------
    dict
        What ``manifest.json`` holds: for each table its ``rows``, ``dropped_rows``, ``columns`` and
        ``parts``, and of its file the name (``source``), ``source_bytes`` and ``csv_crc32``.

    Raises
    ------
    InputError
        If a file is missing, damaged or not what it should be, or `tables` cannot be replaced.
    """
    if isinstance(source, (str, os.PathLike)):
        source = open_source(source)
    files = find_files(source)
    folder = open_folder(tables)
    _check_replaceable(folder)
    files = source.fetch(files)
    total = sum(file.size for file in files.values())
    with Progress("ingest", total, "B") as progress, folder.staged_dir() as staging:
        manifest = {
            "tables": {
                name: ingest_table(
                    TABLES[name], file, staging, max_bad_rows=max_bad_rows, on_read=partial(progress.advance, note=name)
                )
                for name, file in files.items()
            }
        }
        staging.write_json(MANIFEST, manifest)
    return manifest


def ingest_table(
    table: Table,
    file: SourceFile,
    folder: Folder,
    *,
    max_bad_rows: int = 0,
    on_read: Callable[[int], None] = lambda size: None,
    chunk_size: int = CHUNK_SIZE,
) -> dict[str, Any]:
    """Turn one file into the Parquet parts of a table and return its entry of the manifest.

    Inflating, parsing and writing go on at the same time, a few chunks of the file at once, so
    that memory does not grow with the file.

    Parameters
    ----------
    table : Table
        What the file holds.
    file : SourceFile
        The file.
    folder : Folder
        The tables' folder; the parts go into its sub-folder that has the table's name.
    max_bad_rows : int
        So many unparsable rows are left out.
    on_read : callable
        Is told how many bytes of the file were read.
    chunk_size : int
        The file is read so many bytes (unpacked) at a time.
    """
    accepted = _Accepted(file.location, table, max_bad_rows)
    schema = stored_schema(table)
    with (
        unpack(file, on_read) as stream,
        Parts(folder, table.name, schema) as parts,
        ThreadPoolExecutor(1) as inflater,
        ThreadPoolExecutor(_parsers()) as parsers,
        ThreadPoolExecutor(1) as writer,
    ):
        chunks = read_chunks(stream, file.location, partial(is_multiline, table), chunk_size)
        first = next(chunks, None)
        if first is None:
            raise InputError(f"{file.location} holds no text at all: it must have a header and rows")
        header, first = split_header(first, file.location)
        parser = Parser(table, header, file.location)
        others = in_background(inflater, chunks, _CHUNKS_AHEAD)
        parsed = bounded_map(parsers, parser.parse, chain([first], others), _parsers())
        row_groups = gather(accepted.batches(parsed), ROW_GROUP_ROWS, schema)
        for _ in bounded_map(writer, parts.write, row_groups, 1):
            pass
        accepted.check()
    return {
        "source": file.name,
        "source_bytes": file.size,
        "csv_crc32": f"{stream.crc32:08x}",
        "rows": parts.rows,
        "dropped_rows": accepted.dropped,
        "parts": parts.count,
        "columns": {column.name: str(column.type) for column in schema},
    }


class _Accepted:
    """The accepted rows of a table, and a count of the refused ones."""

    def __init__(self, where: str, table: Table, max_bad_rows: int) -> None:
        self.rows = 0
        self.dropped = 0
        self._rounded = 0
        self._bad: list[BadRow] = []
        self._where = where
        self._ordered = table.ordered
        self._schema = stored_schema(table)
        self._max_bad_rows = max_bad_rows

    def batches(self, parsed: Iterable[Parsed]) -> Iterator[pa.RecordBatch]:
        for chunk in parsed:
            columns = list(chunk.batch.columns)
            if self._ordered:
                columns.append(pa.array(chunk.kept + self.rows, pa.int64()))
            self.rows += chunk.rows
            self.dropped += chunk.rows - len(chunk.kept)
            self._rounded += chunk.rounded
            self._bad = (self._bad + chunk.bad)[:EXAMPLES]
            if self.dropped <= self._max_bad_rows:  # beyond that nothing is kept, but all bad rows are counted
                yield pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def check(self) -> None:
        """Raise InputError if too few rows are left or too many were dropped."""
        if not self.rows:
            raise InputError(f"{self._where} has a header but no rows: copy the whole file, or make it again")
        if not self.dropped:
            return
        examples = "; ".join(map(str, self._bad)) + "; ..." * (self.dropped > len(self._bad))
        account = f"{self._where}: {self.dropped} of {self.rows} rows cannot be parsed: {examples}"
        if self._rounded:
            account += (
                f". In {self._rounded} of them an id is written as a float: a spreadsheet or a float export has lost "
                "digits, perhaps of other ids too"
            )
        if self.dropped == self.rows or self.dropped > self._max_bad_rows:
            raise InputError(f"{account}. {self._remedy()}")
        _log.warning("%s. They are left out", account)

    def _remedy(self) -> str:
        if self._rounded:
            return "The original file is needed"
        if self.dropped == self.rows:
            return "No row is left: correct the file"
        allowed = f"source.max_bad_rows ({self._max_bad_rows})"
        return f"Correct the file, or raise {allowed} to leave such rows out"


def _parsers() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_PARSERS)


def _check_replaceable(folder: Folder) -> None:
    """Raise InputError if the folder holds files of another program: replacing it would lose them."""
    names = folder.list()
    others = [name for name in names if name not in (*TABLES, MANIFEST, PIPELINE)]
    if others or (names and MANIFEST not in names):
        raise InputError(
            f"the tables' folder {folder} holds other things ({', '.join((others or names)[:5])}), "
            "which would be lost: choose for tables.uri a folder that is new, empty or holds an earlier ingest's tables"
        )
