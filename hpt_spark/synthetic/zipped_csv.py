"""Writing a table as ``NAME.csv.zip``, block by block, with bytes that depend on the rows alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hpt_spark.data.schemas import Table
from hpt_spark.progress import Progress
from hpt_spark.synthetic.draw import Integers

Block = Sequence["Integers | pa.StringArray"]  # a few rows, column by column

# Measured on app_events: level 4 takes a third longer than level 1 for a file a sixth smaller; level 6
# takes twice as long again for another twentieth.
_COMPRESSION_LEVEL = 4

FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # of a member opened by its name, in place of the time of writing


def write_zipped_csv(path: Path, table: Table, blocks: Iterable[Block], progress: Progress) -> int:
    """Write the rows to `path`, a zip archive with one member, and return how many there were.

    Parameters
    ----------
    path : Path
    table : Table
        Its name and columns make the member's name and the header.
    blocks : iterable of Block
        The rows; their texts are CSV fields, already quoted where needed.
    progress : Progress
        Of all tables, in millions of rows.
    """
    rows = 0
    with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=_COMPRESSION_LEVEL) as archive:
        with archive.open(f"{table.name}.csv", "w", force_zip64=True) as member:
            member.write((",".join(table.column_names) + "\n").encode())
            for block in blocks:
                member.write(_lines(block))
                rows += len(block[0])
                progress.advance(len(block[0]) / 1e6, table.name)
    return rows


def field(text: str | None) -> str:
    """Return `text` as a field of a CSV file; None is the empty field."""
    if text is None:
        return ""
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\r\n') else text


def chosen(texts: pa.StringArray, places: Integers) -> pa.StringArray:
    """Return the text at each of `places`."""
    return texts.take(pa.array(places))


def _lines(block: Block) -> memoryview:
    fields = [pc.cast(pa.array(column), pa.string()) if isinstance(column, np.ndarray) else column for column in block]
    rows = pc.binary_join_element_wise(*fields, ",") if len(fields) > 1 else fields[0]
    lines = pc.binary_join_element_wise(rows, "", "\n")
    # The texts of an Arrow array are adjacent in one buffer, which here holds the bytes of the file.
    _, ends, texts = lines.buffers()
    return memoryview(texts)[: np.frombuffer(ends, np.int32)[len(lines)]]
