"""A new table, predicted where its rows are: nothing of it comes to the driver."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hpt_spark.artifacts.table_model import TableModel
from hpt_spark.config.secrets import without_secrets
from hpt_spark.config.table_section import TableSection
from hpt_spark.errors import ConfigError, InputError
from hpt_spark.search.planning.threads import with_threads
from hpt_spark.storage import open_folder
from hpt_spark.tables.checks import refuse_empty
from hpt_spark.tables.design import has_texts, read_later_table
from hpt_spark.tables.encoding import PROBLEM, unseen_terms
from hpt_spark.tables.reading import in_utc, translate_reading
from hpt_spark.tables.roles import Feature, refuse_missing
from hpt_spark.tables.rows import in_first_row, small_batches
from hpt_spark.tables.table import Keys, canonical_rows, check_same_kinds

if TYPE_CHECKING:
    from pyspark import Broadcast
    from pyspark.sql import DataFrame, SparkSession

_log = logging.getLogger(__name__)

# Ids arrive as they were: Spark's own form trims them, and puts a backslash where every other reader expects a quote.
AS_CSV = {"header": "true", "escape": '"', "ignoreLeadingWhiteSpace": "false", "ignoreTrailingWhiteSpace": "false"}


def predict_table(
    spark: SparkSession, model: TableModel, section: TableSection, source: str, target: str, overwrite: bool
) -> int:
    """Predict the rows of the table at `source` into the folder `target`; return how many there are.

    Parameters
    ----------
    spark : SparkSession
    model : TableModel
    section : TableSection
        Says which column is the id, and how tables are read.
    source, target : str
        Any path of Spark's; a `target` that ends with ``.csv`` is CSV, any other Parquet.
    overwrite : bool
        Whether what lies at `target` may be replaced, when all is done.
    """
    if model.encoding is None:
        raise ConfigError("--input needs the model of a table (features.from: table); this run's is another.")
    if section.id is None:
        raise ConfigError("--input needs features.table.id, the column by which predictions are told apart.")
    if section.id.lower() in map(str.lower, model.outputs):
        raise ConfigError(
            f"features.table.id={section.id} is the name of a class, too (capitals do not count); rename the column."
        )
    twice = [name for name, count in Counter(map(str.lower, model.outputs)).items() if count > 1]
    if twice:
        same = ", ".join(name for name in model.outputs if name.lower() in twice)
        raise ConfigError(
            f"the classes {same} differ only by capitals, which columns of Spark cannot; rename them in the table "
            "that is learnt from."
        )
    folder = open_folder(target)
    shown = without_secrets(target)
    if folder.list() and not overwrite:
        raise InputError(f"--output={shown} is there already; name another folder, or replace it with --overwrite.")
    place = f"--input={without_secrets(source)}"
    with in_utc(spark), translate_reading(place):
        frame = read_later_table(spark, source, section, model.encoding, "--input")
        features = [Feature(code.name, code.kind) for code in model.encoding.codes]
        refuse_missing([section.id], frame.columns, "features.table.id", place)
        check_same_kinds(frame, features, place, "--input", has_texts(section, source))
        rows = canonical_rows(frame, features, model.encoding.dates, Keys(id=section.id), model.own_blocks)
        with folder.staged_dir() as staging:
            kind = "csv" if target.endswith(".csv") else "parquet"
            counts = _write(spark, model, rows, section.id, staging.uri, kind, place)
    words = ", ".join(unseen_terms(model.encoding, counts[1:]))
    if words:
        _log.info("%s: cells with terms that no training row has, which count for nothing: %s", place, words)
    return counts[0]


def _write(
    spark: SparkSession, model: TableModel, rows: DataFrame, id_name: str, uri: str, kind: str, place: str
) -> list[int]:
    """Write the predictions; return the numbers of rows and of unknown terms by column."""
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    task_cpus = int(spark.sparkContext.getConf().get("spark.task.cpus", "1"))
    model.estimator = with_threads(model.estimator, task_cpus)
    sent = spark.sparkContext.broadcast(model)
    assert model.encoding is not None
    named = range(len(model.encoding.with_terms))
    id_type = dict(rows.dtypes)["id"]
    predicted = predictions(rows, sent, model, id_type)
    seen = Observation("predictions")
    sums = [F.sum(F.col("unseen")[number]).alias(f"unseen{number}") for number in named]
    counted = [F.count(F.lit(1)).alias("rows"), F.max(PROBLEM).alias(PROBLEM), *sums]
    predicted = predicted.observe(seen, *counted)
    names = ["id", *(f"p{number}" for number in range(len(model.outputs)))]
    shown = predicted.select(*names).toDF(id_name, *model.outputs)
    try:
        shown.write.mode("append").options(**(AS_CSV if kind == "csv" else {})).format(kind).save(uri)
        found: dict[str, Any] = seen.get
    finally:
        sent.destroy()
    if found[PROBLEM]:
        raise InputError(found[PROBLEM])
    refuse_empty(int(found["rows"] or 0), place)
    return [int(found["rows"]), *(int(found[f"unseen{number}"] or 0) for number in named)]


def predictions(rows: DataFrame, sent: Broadcast[TableModel], model: TableModel, id_type: str) -> DataFrame:
    """Return ``id, p0, p1 ..., unseen`` of canonical rows; the first row of a batch has the unknown terms of all."""
    names = [f"p{number}" for number in range(len(model.outputs))]
    arrow_kinds = {"double": pa.float64(), "boolean": pa.bool_(), "bigint": pa.int64(), "string": pa.string()}
    kind = "double" if model.task != "classification" or model.outputs != ["prediction"] else _type_of(model.classes)
    arrow_kind = arrow_kinds[kind]
    columns = [f"id {id_type}", *(f"{name} {kind}" for name in names), "unseen array<bigint>", f"{PROBLEM} string"]
    schema = ", ".join(columns)

    model_columns = len(model.encoding.columns) if model.encoding else 1

    def predict(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        loaded = sent.value
        for batch in small_batches(batches, model_columns):
            rows, ids = batch.num_rows, batch.column(batch.schema.get_field_index("id"))
            try:
                if ids.null_count:
                    raise InputError("there are rows without an id; each row needs one: correct them.")
                X, unseen = loaded.encoding.transform(batch)  # type: ignore[union-attr]
            except InputError as error:  # raised on the driver, where it is a sentence and no traceback of a task
                none = [pa.nulls(rows, output) for output in [arrow_kind] * len(names)]
                told = [pa.nulls(rows, pa.list_(pa.int64())), pa.array([str(error)] * rows, pa.string())]
                yield pa.RecordBatch.from_arrays([ids, *none, *told], names=["id", *names, "unseen", PROBLEM])
                continue
            found = [column.combine_chunks() for column in loaded.outputs_of(X).columns]
            told = [in_first_row(unseen.tolist(), rows), pa.nulls(rows, pa.string())]
            yield pa.RecordBatch.from_arrays([ids, *found, *told], names=["id", *names, "unseen", PROBLEM])

    return rows.mapInArrow(predict, schema)


def _type_of(classes: list[Any]) -> str:
    kinds = {bool: "boolean", int: "bigint", float: "double"}
    return kinds.get(type(classes[0]), "string")
